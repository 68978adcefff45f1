"""Programs that run inside the servers' environments or beside them; none is imported by the harness."""
