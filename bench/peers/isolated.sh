#!/bin/sh
# `bench/peers/isolated.sh ARGUMENTS…`: `python -m bench.peers ARGUMENTS…` in namespaces of its own. Needs root.
# Network: loopback alone, so that no server can report or look up anything. Install before.
# Processes: all of them end with the harness; and the harness can tell its CPU time from that of other programs.
cd "$(dirname "$0")/../.." || exit
exec unshare --net --pid --fork --kill-child=TERM --mount-proc sh -c 'ip link set lo up && exec .venv/bin/python -m bench.peers "$@"' sh "$@"
