"""The servers under test, one module each."""
