"""Tokens, and the sessions that browsers get for them.

Each is 256 random bits, so its plain SHA-256 cannot be reversed by guessing. Only the hash is stored.
"""

import hashlib
import re
import secrets

MARK = "cg_"
VISIBLE_CHARACTERS = len(MARK) + 8
SHAPE = re.compile(rf"^{MARK}[A-Za-z0-9_-]{{43}}\Z")
SESSION_MARK = "cgs_"
SESSION_SHAPE = re.compile(rf"^{SESSION_MARK}[A-Za-z0-9_-]{{43}}\Z")


def new_secret() -> str:
    """Return a fresh token."""
    return MARK + secrets.token_urlsafe(32)


def new_session_secret() -> str:
    """Return the value of a fresh session's cookie."""
    return SESSION_MARK + secrets.token_urlsafe(32)


def is_session(secret: str) -> bool:
    """Return whether this is the value of a session's cookie; no token looks like one."""
    return SESSION_SHAPE.match(secret) is not None


def digest(secret: str) -> str:
    """Return the hash of a token or session, which is stored."""
    # Headers are decoded as Latin-1, so every character can be encoded.
    return hashlib.sha256(secret.encode()).hexdigest()


def visible(secret: str) -> str:
    """Return the start of a token, which identifies it for people and the database."""
    return secret[:VISIBLE_CHARACTERS]
