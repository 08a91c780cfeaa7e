"""Work in parallel, in threads or processes, with the results in order."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
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


def in_processes(
    function: Callable[[T], R],
    items: Iterable[T],
    processes: int,
    seconds: float | None = None,
    overdue: Callable[[T], R] | None = None,
) -> Iterator[R]:
    """The function's results for all items, in order, computed in several processes.

    Where Python starts processes afresh (from 3.14 on, and on macOS) each one runs the main script, whose work must
    therefore stand under `if __name__ == "__main__"`.

    Args:
        function: to call; it can be pickled.
        items: to call it with.
        processes: number of processes. With one and no limit, the function is called in this process.
        seconds: CPU time for one item. Its process is ended after that, even inside a library's code.
        overdue: gives the result of an item that took longer.

    Raises:
        UserError: a process was killed.
    """
    if processes <= 1 and seconds is None:
        yield from map(function, items)
        return
    call = partial(_each, function, seconds)
    waiting: deque[tuple[list[T], Future[list[R]]]] = deque()
    batches = batched(items, BATCH)
    with ExitStack() as stack:
        executor = stack.enter_context(ProcessPoolExecutor(max(1, processes)))
        while True:
            for batch in islice(batches, max(0, 2 * processes - len(waiting))):
                waiting.append((batch, executor.submit(call, batch)))
            if not waiting:
                return
            try:
                results = waiting[0][1].result()
            except BrokenProcessPool:
                # one item ended its process, and all others of the pool with it: find it one by one
                for batch, _ in waiting:
                    yield from (_alone(function, item, seconds, overdue) for item in batch)
                waiting.clear()
                executor = stack.enter_context(ProcessPoolExecutor(max(1, processes)))
                continue
            waiting.popleft()
            yield from results


def _each(function: Callable[[T], R], seconds: float | None, items: list[T]) -> list[R]:
    return [_limited(function, seconds, item) for item in items]


def _limited(function: Callable[[T], R], seconds: float | None, item: T) -> R:
    if seconds is None:
        return function(item)
    # a handler would wait for the library's code to return; the default action ends the process at once
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return function(item)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _alone(function: Callable[[T], R], item: T, seconds: float | None, overdue: Callable[[T], R] | None) -> R:
    """The function's result for one item, computed in a process of its own."""
    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=_send_result, args=(there, function, seconds, item), daemon=True)
    process.start()
    there.close()
    try:
        worked, result = here.recv()
    except EOFError:
        process.join()
        if process.exitcode == -signal.SIGPROF and overdue is not None:
            return overdue(item)
        raise UserError(
            "a worker process was killed, in most cases for lack of memory."
            " Run fewer jobs at a time, or use a machine with more memory."
        ) from None
    process.join()
    if not worked:
        raise result
    return result


def _send_result(pipe: Connection, function: Callable[[T], R], seconds: float | None, item: T) -> None:
    try:
        pipe.send((True, _limited(function, seconds, item)))
    except Exception as error:
        pipe.send((False, error))
