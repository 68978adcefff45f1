"""What this machine can do at best: the floor under every peer's figures."""
