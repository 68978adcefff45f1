"""Cellgate beside other job and experiment servers, each measured over its own HTTP API."""
