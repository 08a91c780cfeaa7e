"""Run functions in parallel threads or processes, with results in order."""

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
    """Results in order, with at most `ahead` items in flight; Executor.map would hold all items in memory."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(executor.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


class DaemonThreads(Executor):
    """An executor of daemon threads: a shutdown drops the tasks that have not started and does not wait for the others.

    At its end, Python waits for the threads of a ThreadPoolExecutor: minutes, if a server does not respond.
    """

    def __init__(self, count: int):
        self._tasks: SimpleQueue[tuple[Future, Callable[[], Any]] | None] = SimpleQueue()
        self._count = count
        for _ in range(count):
            threading.Thread(target=self._work, daemon=True).start()

    def submit(self, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        """Call the function in a thread."""
        future: Future[R] = Future()
        self._tasks.put((future, lambda: function(*args, **kwargs)))
        return future

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = True) -> None:
        """Drop the tasks that have not started, and let the threads end; returns at once, even with `wait`."""
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

    Where Python does not fork (macOS, and everywhere from 3.14 on), each process imports the main script, whose work
    must therefore be under `if __name__ == "__main__"`.

    Args:
        function: to call; must be picklable.
        items: to call it with.
        processes: number of processes. With one and no limit, the function is called in this process.
        seconds: limit of CPU time for one item. A process that exceeds it is killed, even inside a library's code.
        overdue: gives the result of an item that exceeded the limit.

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
                # one item killed its process, which breaks the whole pool: run the items one by one to find it
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
    """The function's result for one item, computed in a separate process."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=_send_result, args=(sender, function, seconds, item), daemon=True)
    process.start()
    sender.close()
    try:
        succeeded, result = receiver.recv()
    except EOFError:
        process.join()
        if process.exitcode == -signal.SIGPROF and overdue is not None:
            return overdue(item)
        raise UserError(
            "a worker process was killed, in most cases for lack of memory."
            " Run fewer jobs at a time, or use a machine with more memory."
        ) from None
    process.join()
    if not succeeded:
        raise result
    return result


def _send_result(pipe: Connection, function: Callable[[T], R], seconds: float | None, item: T) -> None:
    try:
        pipe.send((True, _limited(function, seconds, item)))
    except Exception as error:
        pipe.send((False, error))
