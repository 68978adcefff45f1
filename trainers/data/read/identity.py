"""One id per function: ids that begin anew in every file of a set are told apart by the file's name."""


class Identities:
    """The ids that were given, and the key of the function of each."""

    def __init__(self) -> None:
        self._given: dict[str, bytes] = {}
        self._in_file: dict[str, bytes] = {}
        self._file = ""

    def begin(self, file: str) -> None:
        """Go on with another file."""
        self._file = file
        self._in_file = {}

    def claim(self, row_id: str, key: bytes) -> str | None:
        """Return the id for a function: its own; or, where another file has that for another one, with the file's name.

        Copies of one function may share an id.

        Args:
            key: Which copies share.

        Returns:
            None where the file itself has the id for another function.
        """
        if self._in_file.setdefault(row_id, key) != key:
            return None
        if self._given.setdefault(row_id, key) == key:
            return row_id
        longer = f"{self._file}-{row_id}"
        return longer if self._given.setdefault(longer, key) == key else None
