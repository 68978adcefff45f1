"""Cellgate beside other job and experiment servers, each asked over its own HTTP API."""
