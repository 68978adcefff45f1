"""What a person may write in place of an id, as plain values for both clients: its beginning, or a name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from cellgate.client.errors import NotIdentified
from cellgate.client.requests import Collection
from cellgate.contract.api.pipelines import BestF1, ExperimentWaiting
from cellgate.contract.visible import visible

COLLECTIONS: Mapping[str, Collection] = {
    "exp": "experiments",
    "job": "jobs",
    "run": "runs",
    "ds": "datasets",
    "bun": "bundles",
    "upl": "uploads",
}
PREFIXES: Mapping[Collection, str] = {collection: prefix for prefix, collection in COLLECTIONS.items()}
NOUNS: Mapping[Collection, str] = {
    "experiments": "experiment",
    "jobs": "job",
    "runs": "run",
    "datasets": "data set",
    "bundles": "bundle",
    "uploads": "upload",
}
# Of a ULID, the characters after the prefix.
LENGTH = 26
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BEGINNING = re.compile(rf"(?P<prefix>{'|'.join(COLLECTIONS)})_(?P<rest>[0-9A-Za-z]{{0,{LENGTH}}})")
MOST_CANDIDATES = 10


class Listed(BaseModel):
    """What every item of a list tells of itself."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str | None = None
    created_at: datetime


class Outlook(BaseModel):
    """How far an experiment is as a whole, as lists tell it; servers of older releases tell nothing of it."""

    model_config = ConfigDict(frozen=True)

    id: str
    progress: float | None = None
    eta_s: float | None = None
    f1: BestF1 | None = None
    waiting: ExperimentWaiting | None = None


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A thing of the server.

    Args:
        collection: Where it is listed.
        id: Its whole id.
    """

    collection: Collection
    id: str


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """The beginning of an id, or all of it.

    Args:
        collection: Where such ids are listed.
        text: As ids are written.
    """

    collection: Collection
    text: str

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the id is missing."""
        return len(self.text.partition("_")[2]) == LENGTH

    @property
    def cursor(self) -> str:
        """A cursor after which the ids with this beginning come first: ids sort by their characters, Z last."""
        return self.text.ljust(len(self.text.partition("_")[0]) + 1 + LENGTH, "Z")


def cursor_before(identifier: str) -> str:
    """Return the cursor after which a list, newest first, begins with this id."""
    prefix, _, rest = identifier.partition("_")
    number = int(rest, base=36) + 1
    digits = ""
    while len(digits) < LENGTH:
        number, digit = divmod(number, 36)
        digits = DIGITS[digit] + digits
    return f"{prefix}_{digits}"


def beginning_of(wanted: str) -> Beginning | None:
    """Return what a text is the beginning of; None where it is none of any id."""
    found = _BEGINNING.fullmatch(wanted.strip())
    if found is None:
        return None
    return Beginning(collection=COLLECTIONS[found["prefix"]], text=f"{found['prefix']}_{found['rest'].upper()}")


def is_named(item: Listed, wanted: str) -> bool:
    """Return whether an item has this name, in whatever case."""
    return item.name is not None and item.name.strip().casefold() == wanted.strip().casefold()


def only_one(
    wanted: str, collections: Sequence[Collection], found: Sequence[tuple[Collection, Listed]], *, more: bool = False
) -> Identity:
    """Return the one thing that was found.

    Args:
        wanted: What the person wrote.
        collections: Where it was looked for.
        found: What there is.
        more: Whether there is more than was found.

    Raises:
        NotIdentified: There is none, or there are several; the message lists them, the newest last.
    """
    if len(found) == 1:
        collection, item = found[0]
        return Identity(collection=collection, id=item.id)
    if not found:
        raise nothing_of(wanted, collections)
    newest = sorted(found, key=lambda one: (one[1].created_at, one[1].id))[-MOST_CANDIDATES:]
    lines = [
        f"  {item.id}  {item.created_at:%Y-%m-%d %H:%M}  {NOUNS[collection]} {visible(item.name or '')}".rstrip()
        for collection, item in newest
    ]
    count = f"more than {len(found)}" if more else str(len(found))
    which = "" if len(newest) == len(found) and not more else f"; the newest {len(newest)} are"
    message = f"{visible(wanted)} stands for {count} things, give more of one's id{which}:"
    raise NotIdentified("\n".join([message, *lines]), candidates=[item.id for _, item in newest])


def nothing_of(wanted: str, collections: Sequence[Collection]) -> NotIdentified:
    """Return the error for a text that stands for nothing."""
    kinds = _one_of([NOUNS[collection] for collection in collections])
    prefixes = _one_of([f"{PREFIXES[collection]}_…" for collection in collections])
    return NotIdentified(
        f"there is no {kinds} named {visible(wanted)}, nor one whose id begins so: give a name or an id ({prefixes})"
    )


def of_another_kind(found: Beginning, collections: Sequence[Collection]) -> NotIdentified:
    """Return the error for an id of what is not meant here."""
    kinds = _one_of([f"{NOUNS[collection]} ({PREFIXES[collection]}_…)" for collection in collections])
    return NotIdentified(
        f"{found.text} is the id of a thing of another kind ({NOUNS[found.collection]}), expected {kinds}"
    )


def _one_of(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last
