"""Dates as sets write them: ISO 8601, seconds or milliseconds since 1970, and what git and mail write."""

import re
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime

# Years that a commit or a CVE may be of: they tell seconds, milliseconds and 20190102 apart.
FIRST_YEAR, LAST_YEAR = 1970, 2100
_COMPACT = re.compile(r"(?:19|20)\d{6}")
_NUMBER = re.compile(r"\d{5,19}(?:\.\d*)?")
_DAY_FIRST_YEAR = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[ T].*)?")
_FORMATS = (
    "%a %b %d %H:%M:%S %Y %z",  # git
    "%a %b %d %H:%M:%S %Y",
    "%Y-%m-%d %H:%M:%S %z",  # git --date=iso
    "%b %d, %Y",
    "%d %b %Y",
    "%B %d, %Y",
    "%d %B %Y",
    "%d-%b-%Y",
)
MAX_CHARS = 64
_SECONDS_PER_UNIT = (1.0, 1e-3, 1e-6, 1e-9)


def iso_date(value: object) -> str | None:
    """Return a date as YYYY-MM-DD, in UTC where a zone is given; None where it cannot be read in one way only.

    02/01/2006 is such a one: a day and a month, or a month and a day.
    """
    if isinstance(value, datetime):
        return _day(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return None
    text = str(value)[: MAX_CHARS + 1].strip()
    if len(text) > MAX_CHARS:
        return None
    if _COMPACT.fullmatch(text):
        return _compact(text)
    if _NUMBER.fullmatch(text):
        return _since_1970(float(text))
    return _written(text)


def _day(moment: datetime) -> str:
    return (moment.astimezone(UTC) if moment.tzinfo else moment).date().isoformat()


def _compact(text: str) -> str | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:])).isoformat()
    except ValueError:
        return None


def _since_1970(number: float) -> str | None:
    for unit in _SECONDS_PER_UNIT:
        try:
            moment = datetime.fromtimestamp(number * unit, UTC)
        except (ValueError, OverflowError, OSError):
            continue
        if FIRST_YEAR <= moment.year <= LAST_YEAR:
            return _day(moment)
    return None


def _written(text: str) -> str | None:
    try:
        return _day(datetime.fromisoformat(text.removesuffix(" UTC")))
    except ValueError:
        pass
    if found := _DAY_FIRST_YEAR.fullmatch(text):
        return _compact(f"{found[1]}{int(found[2]):02}{int(found[3]):02}")
    for form in _FORMATS:
        # Where no zone is given, the day is as written.
        try:
            return _day(datetime.strptime(text, form))
        except ValueError:
            continue
    try:
        return _day(parsedate_to_datetime(text))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
