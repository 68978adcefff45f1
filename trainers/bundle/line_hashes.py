"""The hash by which GitHub knows the line of a finding again when lines above it come and go.

Source:
    "SARIF support for code scanning", docs.github.com, which names the script that computes `primaryLocationLineHash`
    (github/codeql-action, src/fingerprints.ts): of each line the rolling hash, in 64 bits to the base 37, of the 100
    UTF-16 units from its first that is no blank, blanks and tabs left out, then a colon and how often that hash has
    come up in the file.
"""

# Shapes: U units of the file, L lines, W units of a window.
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

WINDOW = 100
BASE = 37
LINE_END = 0x0A
END_OF_FILE = 0xFFFF
# Lines whose windows are in memory together: 4 MB.
LINES_AT_ONCE = 4096


def line_hashes(content: bytes, wanted: Iterable[int]) -> Mapping[int, str]:
    """Return the hashes of some lines of a file.

    Args:
        content: Of the whole file.
        wanted: Numbers of lines, from 1; those beyond the end have no hash.
    """
    lines = set(wanted)
    if not lines:
        return {}
    units_U = _units(content)
    starts_L = np.concatenate([[0], np.flatnonzero(units_U[:-1] == LINE_END) + 1])[: max(lines)]
    padded_U = np.concatenate([units_U, np.zeros(WINDOW, dtype=np.uint64)])
    counts: Counter[int] = Counter()
    hashes = {}
    for first in range(0, len(starts_L), LINES_AT_ONCE):
        chunk_L = starts_L[first : first + LINES_AT_ONCE]
        for number, value in enumerate(_hashed(padded_U, chunk_L), start=first + 1):
            counts[value] += 1
            if number in lines:
                hashes[number] = f"{value:x}:{counts[value]}"
    return hashes


def _units(content: bytes) -> NDArray[np.uint64]:
    text = content.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    for blank in (" ", "\t"):
        text = text.replace(blank, "")
    units_U = np.frombuffer(text.encode("utf-16-le"), dtype="<u2").astype(np.uint64)
    return np.append(units_U, np.uint64(END_OF_FILE))


def _hashed(padded_U: NDArray[np.uint64], starts_L: NDArray[np.int64]) -> list[int]:
    powers_W = np.array([pow(BASE, WINDOW - 1 - place, 1 << 64) for place in range(WINDOW)], dtype=np.uint64)
    windows_LW = padded_U[starts_L[:, None] + np.arange(WINDOW)]
    # Unsigned arithmetic wraps, as the hash asks for.
    hashes: list[int] = (windows_LW * powers_W).sum(axis=1, dtype=np.uint64).tolist()
    return hashes
