"""Tokens: who may ask for what.

A token is 256 random bits, so a plain SHA-256 of it cannot be reversed by guessing, and only that is kept.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass

from cellgate.contract.api.tokens import Scope

MARK = "cg_"
VISIBLE_CHARACTERS = len(MARK) + 8
SHAPE = re.compile(rf"^{MARK}[A-Za-z0-9_-]{{43}}\Z")
# Who asks without a token, and who asks with the one of the settings: no token may pass for either.
WITHOUT_TOKEN = "local"
OF_THE_SETTINGS = "token"
RESERVED_NAMES = frozenset({WITHOUT_TOKEN, OF_THE_SETTINGS})


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who asks.

    Args:
        name: Owns what is asked for; quotas go by it.
    """

    name: str
    scope: Scope


def new_secret() -> str:
    """Return a fresh token."""
    return MARK + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return what is kept of a token."""
    # An undecodable header arrives as what Latin-1 makes of it, so every character can be encoded.
    return hashlib.sha256(secret.encode()).hexdigest()


def visible(secret: str) -> str:
    """Return the start of a token, by which people and the database find it."""
    return secret[:VISIBLE_CHARACTERS]
