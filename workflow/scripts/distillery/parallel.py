"""Work in parallel, in threads or processes, with the results in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from distillery.jobs import UserError

T = TypeVar("T")
R = TypeVar("R")
BATCH = 16  # items a task: enough to hide the cost of a task, few enough to keep memory small


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items; the last one may be shorter."""
    items = iter(items)
    while batch := list(islice(items, size)):
        yield batch


def ordered(executor: Executor, function: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[R]:
    """Results in order, with at most `ahead` items in flight; Executor.map would hold a whole source in memory."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(executor.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


class DaemonThreads(Executor):
    """Threads that nobody waits for: at shutdown, tasks not yet begun are dropped, and the others end with the process.

    Python waits for the threads of a ThreadPoolExecutor even at its end, and a silent server may take minutes.
    """

    def __init__(self, count: int):
        self._tasks: SimpleQueue[tuple[Future, Callable[[], Any]] | None] = SimpleQueue()
        self._count = count
        for _ in range(count):
            threading.Thread(target=self._work, daemon=True).start()

    def submit(self, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        """Have a thread call the function."""
        future: Future[R] = Future()
        self._tasks.put((future, lambda: function(*args, **kwargs)))
        return future

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = True) -> None:
        """Drop the tasks that wait and let the threads end; returns at once, even with `wait`."""
        try:
            while task := self._tasks.get_nowait():
                task[0].cancel()
        except Empty:
            pass
        for _ in range(self._count):
            self._tasks.put(None)

    def _work(self) -> None:
        while task := self._tasks.get():
            future, call = task
            try:
                future.set_result(call())
            except BaseException as error:  # `result` raises it again
                future.set_exception(error)


def in_processes(function: Callable[[T], R], items: Iterable[T], processes: int) -> Iterator[R]:
    """The function's results for all items, in order, computed in several processes.

    Where Python starts processes afresh (from 3.14 on, and on macOS) each one runs the main script, whose work must
    therefore stand under `if __name__ == "__main__"`.

    Raises:
        UserError: a process was killed.
    """
    if processes <= 1:
        yield from map(function, items)
        return
    with ProcessPoolExecutor(processes) as executor:
        try:
            for batch in ordered(executor, partial(_each, function), batched(items, BATCH), ahead=2 * processes):
                yield from batch
        except BrokenProcessPool as error:
            raise UserError(
                "a worker process was killed, in most cases for lack of memory."
                " Run fewer jobs at a time, or use a machine with more memory."
            ) from error


def _each(function: Callable[[T], R], items: list[T]) -> list[R]:
    return [function(item) for item in items]
