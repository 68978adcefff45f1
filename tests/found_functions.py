"""What a text is divided into, as tests write it down."""

from trainers.source_functions.division import divide

Named = tuple[str, int, int]


def named(text: str, suffix: str = ".c") -> list[Named]:
    """Return the name, first line and last line of each function."""
    return [(one.name, one.start_line, one.end_line) for one in divide(text, suffix=suffix).functions]
