"""How a function of a data set is called as a file, so that what an analyser says of the file is known to be of it."""

import hashlib

NAME_DIGITS = 24


def file_stem(function_id: str) -> str:
    """Return the name of a function's file, without a suffix: ids may hold anything, names of files may not.

    Args:
        function_id: Id in the data set.
    """
    return hashlib.sha256(function_id.encode("utf-8", "surrogatepass")).hexdigest()[:NAME_DIGITS]
