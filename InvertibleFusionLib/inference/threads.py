"""Work on several threads with the results in order."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

WORTH_A_THREAD = 1 << 24
"""Bytes to go through that take longer than starting threads, some milliseconds."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(work: Callable[[Item], Result], items: Sequence[Item], threads: int) -> Iterator[Result]:
    """Results of ``work`` in the order of the items, computed by ``threads`` threads a little ahead.

    Memory does not grow with the items. When the iterator is closed, or an item fails, no more items are begun.
    """
    threads = min(threads, len(items))
    if threads == 1:
        yield from map(work, items)
        return
    pending: deque[Future[Result]] = deque()
    with _single_threaded_torch(threads) as pool:
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def threads_for(count: int) -> int:
    """How many threads are worth starting for so many bytes."""
    return torch.get_num_threads() if count >= WORTH_A_THREAD else 1


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch compute on this thread alone: even a sigmoid's last bit depends on how many threads share an image."""
    before = torch.get_num_threads()
    if before > 1:  # a pool's thread has one already; to set it there would change what threads to come start with
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if before > 1:
            torch.set_num_threads(before)


def _single_threaded_torch(threads: int) -> ThreadPoolExecutor:
    """A pool in whose threads torch starts no further ones, which would wait for each other.

    torch keeps the number for the thread that sets it, and as a start for threads to come: that is set back.
    """
    outside = torch.get_num_threads()
    started = threading.Barrier(threads + 1)
    pool = ThreadPoolExecutor(threads, "slices", initializer=_one_torch_thread)
    for _ in range(threads):
        pool.submit(started.wait)
    started.wait()
    torch.set_num_threads(outside)
    return pool


def _one_torch_thread() -> None:
    torch.get_num_threads()  # asked for the first time, it would undo what was set before
    torch.set_num_threads(1)
