"""Addresses of the dashboard's pages."""

from cellgate.client.identities import Identity
from cellgate.client.requests import Collection

# Of what has a page of its own.
WITH_PAGE: tuple[Collection, ...] = ("experiments", "runs", "datasets")


def page_of(server: str, shown: Identity | None = None) -> str:
    """Return the address of a thing's page, or of the first page; `WITH_PAGE` have one."""
    start = f"{server.rstrip('/')}/#/"
    return start if shown is None else f"{start}{shown.collection}/{shown.id}"
