"""Token ids of a whole data set: made once, memory-mapped by every seed."""

# Shapes: R requested rows, F functions of the data set.
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cellgate.contract.files import atomic_file

BATCH = 1_000


@dataclass(frozen=True, kw_only=True)
class TokenizedDataset:
    """Every function's token ids, special tokens included, none longer than the limit.

    Args:
        first_F: Place of each function's first id, and one more at the end, int64, (F + 1,).
        ids: All ids, one function after another, int32.
        truncated_F: Whether each function was too long, bool.
    """

    first_F: NDArray[np.int64]
    ids: NDArray[np.int32]
    truncated_F: NDArray[np.bool_]

    def lengths(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of ids of each row, (R,)."""
        return self.first_F[rows + 1] - self.first_F[rows]

    def of(self, row: int) -> NDArray[np.int32]:
        """Return one function's ids."""
        return self.ids[self.first_F[row] : self.first_F[row + 1]]

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Map a file written by `write`; null when there is none, or none that is whole."""
        try:
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            column: Any = table["ids"].chunk(0)
            truncated_F = table["truncated"].to_numpy()
            found = cls(first_F=column.offsets.to_numpy(), ids=column.values.to_numpy(), truncated_F=truncated_F)
        except (OSError, KeyError, IndexError, TypeError, ValueError, pa.ArrowException):
            return None
        # Its time of modification is that of its last use, by which the service lets it go.
        with suppress(OSError):
            os.utime(path)
        return found

    def write(self, path: Path) -> None:
        """Write an Arrow IPC file, atomically."""
        column = pa.LargeListArray.from_arrays(pa.array(self.first_F), pa.array(self.ids))
        table = pa.table({"ids": column, "truncated": pa.array(self.truncated_F, pa.bool_())})
        with atomic_file(path) as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)


def tokenize(sources: Sequence[str], tokenizer: Any, *, max_tokens: int) -> TokenizedDataset:
    """Return the ids of all functions; of one that is too long its head and its tail.

    Args:
        tokenizer: Of the transformers library.
        max_tokens: With special tokens.

    Source:
        Head + tail beats either alone: Sun et al. 2019, arXiv 1905.05583, section 5.3.1.
    """
    parts: list[NDArray[np.int32]] = []
    truncated: list[bool] = []
    for first in range(0, len(sources), BATCH):
        # Whole, and cut here: the library's truncation keeps the head alone.
        encoded = tokenizer(
            list(sources[first : first + BATCH]),
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]
        truncated.extend(len(ids) > max_tokens for ids in encoded)
        parts.extend(np.array(head_and_tail(ids, max_tokens), dtype=np.int32) for ids in encoded)
    lengths = np.array([0, *(len(part) for part in parts)], dtype=np.int64)
    return TokenizedDataset(
        first_F=np.cumsum(lengths), ids=np.concatenate(parts), truncated_F=np.array(truncated, dtype=np.bool_)
    )


def head_and_tail(ids: list[int], max_tokens: int) -> list[int]:
    """Return the first and the last half of a text that is too long; special tokens at its ends stay."""
    if len(ids) <= max_tokens:
        return ids
    head = (max_tokens + 1) // 2
    return ids[:head] + ids[len(ids) - (max_tokens - head) :]
