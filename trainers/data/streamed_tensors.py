"""A safetensors file that is written a part at a time; the library's own writer takes whole arrays only."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

_NAMES = {"int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8"}
_ALIGNMENT = 8


class TensorWriter:
    """Writes tensors whose sizes are known before their content, in the library's own order and to the same bytes.

    Args:
        path: Replaced.
        shapes: The type and the shape of each tensor.

    Source:
        https://github.com/huggingface/safetensors, section "Format"; wider types come first, then the alphabet decides.
    """

    def __init__(self, path: Path, shapes: Mapping[str, tuple[np.dtype[np.generic], tuple[int, ...]]]) -> None:
        self._places: dict[str, int] = {}
        header: dict[str, object] = {}
        begin = 0
        for name in sorted(shapes, key=lambda name: (-shapes[name][0].itemsize, name)):
            dtype, shape = shapes[name]
            end = begin + dtype.itemsize * int(np.prod(shape))
            header[name] = {"dtype": _NAMES[dtype.name], "shape": list(shape), "data_offsets": [begin, end]}
            self._places[name] = begin
            begin = end
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % _ALIGNMENT)
        self._file = path.open("wb")
        self._file.write(len(text).to_bytes(_ALIGNMENT, "little") + text)
        self._first = _ALIGNMENT + len(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, name: str, array: np.ndarray) -> None:
        """Write the next part of a tensor."""
        self._file.seek(self._first + self._places[name])
        self._file.write(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).data)
        self._places[name] += array.nbytes


def write_tensors(
    path: Path,
    whole: Mapping[str, np.ndarray],
    parts: Iterator[Mapping[str, np.ndarray]],
    length_of: Callable[[str], int],
) -> None:
    """Write tensors of which some come a part at a time.

    Args:
        whole: Those that come whole.
        parts: The others, at least one part of each.
        length_of: Returns how many entries along the first axis one of the others has in all.
    """
    first = next(parts)
    shapes = {name: (array.dtype, array.shape) for name, array in whole.items()}
    shapes |= {name: (array.dtype, (length_of(name), *array.shape[1:])) for name, array in first.items()}
    with TensorWriter(path, shapes) as writer:
        for part in itertools.chain((whole, first), parts):
            for name, array in part.items():
                writer.append(name, array)
