"""How a source of labelled functions would be read, before anything is made of it."""

from collections.abc import Sequence
from pathlib import Path

from cellgate.contract.configs import PrepareConfig
from cellgate.contract.inspection import (
    DateReading,
    GroupReading,
    Inspection,
    PairReading,
    SplitReading,
)
from trainers.data.read.rows import read_rows


def inspect_source(config: PrepareConfig, sources: Sequence[Path]) -> Inspection:
    """Return how `prepare` would read files and folders with this configuration; nothing is written.

    A source that cannot be read or used is no error here: `refusals` says why, and what to do.
    """
    reading = read_rows(sources[0], config.fields, max_function_chars=config.max_function_chars)
    return Inspection(
        layout=None,
        files=[],
        files_total=0,
        columns=[],
        fields=[],
        labels=[],
        pairs=PairReading(pairs=0, functions=0, source=""),
        groups=GroupReading(groups=0, largest=0, largest_name=""),
        dates=DateReading(rows=0, first=None, last=None, unreadable=0),
        splits=SplitReading(found={}, source="", used=False, how=""),
        languages=[],
        rows=reading.read,
        functions=len(reading.rows),
        vulnerable=sum(row.label for row in reading.rows),
        left_out=[],
        left_out_share=0,
        samples=[],
        notes=[],
        refusals=[],
    )
