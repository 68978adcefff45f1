# Generated from cellgate/client/_async by scripts/generate_client.py: do not edit.
"""The synchronous client."""
