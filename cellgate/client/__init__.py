"""Clients of the HTTP API. `_async` is written by hand; `scripts/generate_client.py` makes `_sync` from it."""
