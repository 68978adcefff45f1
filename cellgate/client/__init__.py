"""Clients of the HTTP API. `_async` is the source; `scripts/generate_client.py` generates `_sync` from it."""
