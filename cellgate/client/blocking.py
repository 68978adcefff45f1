"""What the clients do differently while they wait: `async_X` for one, `sync_X` for the other."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import BinaryIO, ParamSpec, TypeVar

CHUNK_BYTES = 1 << 18
P = ParamSpec("P")
R = TypeVar("R")
AsyncSleep = Callable[[float], Awaitable[None]]
SyncSleep = Callable[[float], None]
async_sleep = asyncio.sleep
sync_sleep = time.sleep
async_run = asyncio.to_thread


def sync_run(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function that blocks, and return its result."""
    return function(*args, **kwargs)


async def async_blocks(file: BinaryIO) -> AsyncIterator[bytes]:
    """Yield a file's content; a thread reads it."""
    while block := await asyncio.to_thread(file.read, CHUNK_BYTES):
        yield block


def sync_blocks(file: BinaryIO) -> Iterator[bytes]:
    """Yield a file's content."""
    while block := file.read(CHUNK_BYTES):
        yield block
