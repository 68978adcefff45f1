"""Files of C and C++: found in folders, read, and divided into their functions."""

from collections.abc import Sequence
from pathlib import Path

from cellgate.contract.errors import DataError, InputError
from trainers.source_functions.division import FoundFunction, divide
from trainers.source_functions.language import SUFFIXES

# Above these a file, or a function, is not scored: the largest amalgamation in wide use has 9 MB.
MAX_FILE_BYTES = 32 << 20
MAX_FUNCTION_BYTES = 1 << 20


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files themselves, and of each folder the C and C++ files in it, by name; each once.

    Raises:
        DataError: A path is neither; all such are named.
    """
    problems = [
        InputError(where=str(path), found="nothing", expected="a file or a folder", fix="check the path")
        for path in paths
        if not path.exists()
    ]
    if problems:
        raise DataError("there is nothing to read", problems)
    files = [file for path in paths for file in (_files_in(path) if path.is_dir() else [path])]
    return list(dict.fromkeys(files))


def _files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def split_file(path: Path) -> list[FoundFunction]:
    """Return the functions of a file in their order; there may be none.

    Raises:
        DataError: The file cannot be read, or is no UTF-8 text.
    """
    return list(divide(_read(path), suffix=path.suffix).functions)


def _read(path: Path) -> str:
    fix = ""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise _undivided(path, "more bytes than that", f"at most {MAX_FILE_BYTES} bytes", "divide it")
        text = content.decode("utf-8-sig")
    except OSError as error:
        found, expected = str(error), "a readable file"
    except UnicodeDecodeError as error:
        found = f"byte 0x{error.object[error.start]:02x} at position {error.start}"
        expected, fix = "UTF-8 text", "convert it, for example with iconv -f latin1 -t utf-8"
    else:
        if "\0" not in text:
            return text
        found, expected = f"a zero byte at position {text.index(chr(0))}", "UTF-8 text"
    raise _undivided(path, found, expected, fix)


def _undivided(path: Path, found: str, expected: str, fix: str) -> DataError:
    problem = InputError(where=str(path), found=found, expected=expected, fix=fix)
    return DataError(f"{path} cannot be divided into functions", [problem])
