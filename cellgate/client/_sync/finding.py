# Generated from cellgate/client/_async by scripts/generate_client.py: do not edit.
"""Things by the beginning of their id, or by their name."""

from cellgate.client._sync.connection import Connection
from cellgate.client.defaults import PAGE_SIZE
from cellgate.client.errors import Refused
from cellgate.client.identities import (
    MOST_CANDIDATES,
    Beginning,
    Identity,
    Listed,
    Outlook,
    beginning_of,
    cursor_before,
    is_named,
    of_another_kind,
    only_one,
)
from cellgate.client.requests import Collection, with_query
from cellgate.contract.api.common import Page
from cellgate.contract.api.resources import Archived


class Finding(Connection):
    """Requests that find the thing that a person means."""

    def find(self, wanted: str, *collections: Collection) -> Identity:
        """Return the one thing that a person means by an id, the beginning of one, or a name.

        A whole id is returned as it is, without a request. Archived things are found as well.

        Args:
            wanted: What the person wrote; case does not count.
            collections: Where to look.

        Raises:
            NotIdentified: There is none, or there are several; the message lists them.
        """
        beginning = beginning_of(wanted)
        if beginning is not None and beginning.is_whole:
            if beginning.collection not in collections:
                raise of_another_kind(beginning, collections)
            return Identity(collection=beginning.collection, id=beginning.text)
        if beginning is not None and beginning.collection in collections:
            begins = self._beginning_with(beginning)
            if begins:
                found = [(beginning.collection, item) for item in begins]
                return only_one(wanted, collections, found, more=len(begins) > MOST_CANDIDATES)
        named = []
        for collection in collections if wanted.strip() else ():
            named += [(collection, item) for item in self._named(collection, wanted)]
        return only_one(wanted, collections, named)

    def outlook(self, experiment_id: str) -> Outlook | None:
        """Return an experiment's remaining time, its best F1 and why nothing of it moves; None if it is gone."""
        query = {"archived": Archived.ALL.value, "after": cursor_before(experiment_id), "limit": 1}
        page = self._get(with_query("/v1/experiments", query), Page[Outlook])
        return next((item for item in page.items if item.id == experiment_id), None)

    def count(self, collection: Collection, **filters: object) -> int | None:
        """Return how many items match the filters of a list; None where the server is of a release that cannot tell."""
        path = with_query(f"/v1/{collection}", {**filters, "limit": 1, "total": "true"})
        try:
            found = self.json(path)
        except Refused as error:
            if any(mistake.pointer == "#query/total" for mistake in error.problem.errors):
                return None
            raise
        return found.get("total") if isinstance(found, dict) else None

    def _beginning_with(self, beginning: Beginning) -> list[Listed]:
        query = {"archived": Archived.ALL.value, "after": beginning.cursor, "limit": MOST_CANDIDATES + 1}
        page = self._get(with_query(f"/v1/{beginning.collection}", query), Page[Listed])
        return [item for item in page.items if item.id.startswith(beginning.text)]

    def _named(self, collection: Collection, wanted: str) -> list[Listed]:
        """Return the things of this name; a server of a release without search sends the whole list."""
        try:
            return self._searched(collection, wanted, q=wanted.strip())
        except Refused as error:
            if not any(mistake.pointer == "#query/q" for mistake in error.problem.errors):
                raise
        return self._searched(collection, wanted)

    def _searched(self, collection: Collection, wanted: str, **search: str) -> list[Listed]:
        query = {"archived": Archived.ALL.value, "limit": PAGE_SIZE, **search}
        pages = self._pages(f"/v1/{collection}", Page[Listed], query)
        return [item for item in pages if is_named(item, wanted)]
