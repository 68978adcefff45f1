"""Tokens and their scopes.

A token is 256 random bits, so its plain SHA-256 cannot be reversed by guessing. Only the hash is stored.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass

from cellgate.contract.api.tokens import Scope

MARK = "cg_"
VISIBLE_CHARACTERS = len(MARK) + 8
SHAPE = re.compile(rf"^{MARK}[A-Za-z0-9_-]{{43}}\Z")
# Principals without a stored token: requests without one, and requests with the settings' token.
WITHOUT_TOKEN = "local"
OF_THE_SETTINGS = "token"
RESERVED_NAMES = frozenset({WITHOUT_TOKEN, OF_THE_SETTINGS})


@dataclass(frozen=True, kw_only=True)
class Principal:
    """The sender of a request.

    Args:
        name: Owns what the request creates; quotas are per name.
        scope: What the request may do.
    """

    name: str
    scope: Scope


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
