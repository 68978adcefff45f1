"""Tokens and their scopes.

A token is 256 random bits, so its plain SHA-256 cannot be reversed by guessing. Only the hash is stored.
"""

import hashlib
import re
import secrets

MARK = "cg_"
VISIBLE_CHARACTERS = len(MARK) + 8
SHAPE = re.compile(rf"^{MARK}[A-Za-z0-9_-]{{43}}\Z")


def new_secret() -> str:
    """Return a fresh token."""
    return MARK + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return the hash of a token, which is stored."""
    # Headers are decoded as Latin-1, so every character can be encoded.
    return hashlib.sha256(secret.encode()).hexdigest()


def visible(secret: str) -> str:
    """Return the start of a token, which identifies it for people and the database."""
    return secret[:VISIBLE_CHARACTERS]
