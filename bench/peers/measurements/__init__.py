"""What is measured of a peer, one module per kind."""
