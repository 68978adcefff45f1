"""The language of a file: by its suffix, of a header by its content."""

from enum import StrEnum


class Language(StrEnum):
    """What a file is read as."""

    C = "c"
    CPP = "c++"


# By suffix in lower case. Headers are in neither: their content decides.
C_SUFFIXES = frozenset({".c", ".i", ".m"})
CPP_SUFFIXES = frozenset(
    {".cc", ".cpp", ".cxx", ".c++", ".cp", ".hh", ".hpp", ".hxx", ".h++", ".ii", ".inl", ".ipp", ".tpp", ".tcc"}
    | {".txx", ".ixx", ".cppm", ".cu", ".cuh", ".ino", ".mm"}
)
HEADER_SUFFIXES = frozenset({".h", ".inc"})
SUFFIXES = C_SUFFIXES | CPP_SUFFIXES | HEADER_SUFFIXES
