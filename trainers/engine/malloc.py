"""The settings of malloc."""

import ctypes

# From malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
# The largest that its integers hold, for what lies free; half of it for one tensor.
_KEPT_FREE = 2**31 - 1
_KEPT_TENSOR = 2**30


def keep_freed_memory() -> bool:
    """Have malloc keep freed memory, as every training step allocates the same again; return whether it will.

    By default glibc maps every tensor beyond some megabytes anew, page by page: a fifth of a small text model's
    training time on a CPU. Other C libraries are left alone.

    Source:
        mallopt(3): https://man7.org/linux/man-pages/man3/mallopt.3.html.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _KEPT_TENSOR)) and bool(mallopt(_M_TRIM_THRESHOLD, _KEPT_FREE))
