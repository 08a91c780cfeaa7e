"""Work done side by side, its results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from functools import partial
from itertools import islice
from typing import TypeVar

T, R = TypeVar("T"), TypeVar("R")
BATCH = 32  # pictures a task: enough to hide the hand-over, few enough to keep memory small


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items, the last one shorter."""
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch


def ordered(executor: Executor, function: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[R]:
    """Results in order, with at most `ahead` items in flight: Executor.map would hold all of a source in memory."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(executor.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def in_processes(function: Callable[[T], R], items: Iterable[T], processes: int) -> Iterator[R]:
    """The function's result of every item, in order, in several processes."""
    if processes <= 1:
        yield from map(function, items)
        return
    with ProcessPoolExecutor(processes) as executor:
        for batch in ordered(executor, partial(_each, function), batches(items, BATCH), ahead=4 * processes):
            yield from batch


def _each(function: Callable[[T], R], items: list[T]) -> list[R]:
    return [function(item) for item in items]
