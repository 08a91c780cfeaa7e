"""The adapter between a job of the workflow and the library: log, progress, one-line errors.

Standard library only: every job imports this first, and a crawl must not wait for torch.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from distillery.devices import claim_gpu
from distillery.file_digests import digest_path, forget_digests, is_whole, record_digests

# log, progress, messages and the way an error ends a job; no computed value depends on it
CHANGES_NO_RESULT = True

log = logging.getLogger("distillery")
T = TypeVar("T")

OUTCOME = 25  # log level of a job's result in a few words, which the terminal shows on the line of the finished job
logging.addLevelName(OUTCOME, "OUTCOME")
LOG_EVERY_SECONDS = 10.0
# set for the jobs of a run that prints with `terminal.lines`, which reads warnings from the logs and prints each once
WARNINGS_LATER = "DISTILLERY_WARNINGS_LATER"
FIRST_PROGRESS_SECONDS, NEXT_PROGRESS_SECONDS = 60.0, 300.0  # between progress lines on the terminal of such a run
MORE_MEMORY = "Run fewer jobs at a time (--cores 1), or use a machine with more memory."
OUT_OF_MEMORY = ("allocate memory", "not enough memory", "bad_alloc", "Failed to allocate")
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
# how politely to crawl, how much disk to use, and whether a refusal stops the study: rules pass these as resources, so
# that a change reruns nothing
CRAWL_POLICY_KEYS = ("contact", "connections_per_host", "max_store_bytes", "min_free_bytes", "unavailable")


class UserError(Exception):
    """An error that a user can fix. Its message is one line: what is wrong, where, and what to do."""


def one_line(text: object, length: int | None = None) -> str:
    """The text of an error, another program or a file without line breaks, cut to `length` characters."""
    return " ".join(str(text).split())[:length]


@contextmanager
def forbidden_in_one_line() -> Iterator[None]:
    """Turn a missing permission into a `UserError` that names the file or folder."""
    try:
        yield
    except PermissionError as error:
        what, reason = error.filename or "a file", error.strerror or "not permitted"
        raise UserError(
            f"{what} cannot be opened ({reason}). Give yourself permission, or name another place."
        ) from error


def too_large(what: str, error: MemoryError) -> UserError:
    """The error for an intact file that does not fit into memory; `what` names the file."""
    return UserError(f"{what} does not fit into the memory that is free ({one_line(error, 120)}). {MORE_MEMORY}")


def _lacks_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out; numpy, torch, onnxruntime and the system report it differently."""
    no_room = isinstance(error, OSError) and error.errno == errno.ENOMEM
    named = type(error).__name__ == "OutOfMemoryError" or any(words in str(error) for words in OUT_OF_MEMORY)
    return isinstance(error, MemoryError) or no_room or named


def require_whole(paths: Iterable[str | os.PathLike]) -> None:
    """Raise a `UserError` for the first file that does not match its digest (`file_digests`)."""
    for path in paths:
        if not is_whole(path):
            raise UserError(
                f"{path} is damaged: its bytes are not those that were written. Delete it and run again; or, if you"
                f" changed it on purpose, delete {digest_path(path)} instead."
            )


def with_crawl_policy(snakemake: Any, source: dict[str, Any] | None = None) -> dict[str, Any]:
    """A source's settings, with the crawl policy that the job has as resources (`CRAWL_POLICY_KEYS`).

    Args:
        snakemake: the job.
        source: the settings; by default the job's parameter `source`.
    """
    given = {name: snakemake.resources.get(name) for name in CRAWL_POLICY_KEYS}
    return (source or snakemake.params.source) | {name: value for name, value in given.items() if value is not None}


@contextmanager
def job(snakemake: Any) -> Iterator[Any]:
    """Run one job's script: log to its log file, end an expected error in one line.

    Args:
        snakemake: the object that the workflow gives its scripts (input, output, params, wildcards, threads,
            resources, log). A job with the resource `gpu` gets one of several GPUs for itself.

    Yields:
        The same object. A `UserError` inside, or a full disk, ends the process with status 1 after one line on stderr
        and in the log; Ctrl-C ends it with status 130. Any other exception is logged with its traceback and raised.
        A damaged input is a `UserError`. At its end, the job records the digests of its outputs.
    """
    start_logging(snakemake.log[0] if len(snakemake.log) else None)
    if getattr(snakemake, "resources", {}).get("gpu") and (gpu := claim_gpu()):
        log.info("uses GPU %s", gpu)
    started = time.monotonic()
    inputs, outputs = (list(_paths(getattr(snakemake, name, ()))) for name in ("input", "output"))
    try:
        with forbidden_in_one_line():
            forget_digests(outputs)
            require_whole(inputs)
            yield snakemake
            _not_older(outputs, inputs)
            record_digests(outputs)
    except UserError as error:
        log.error("%s", error)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        log.error("interrupted. Run the same command again to continue.")
        raise SystemExit(128 + signal.SIGINT) from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            where = f" while writing {error.filename}" if error.filename else ""
            log.error("the disk is full%s. Complete files are kept. Free some space and run again.", where)
            raise SystemExit(1) from None
        if _lacks_memory(error):
            log.error("not enough memory (%s). %s", one_line(error, 160), MORE_MEMORY)
            raise SystemExit(1) from None
        what = f"{type(error).__name__}: {one_line(error, 200)}"
        log.exception("%s. This should not have happened; please report it with this log.", what)
        raise
    log.info("done in %.1f s", time.monotonic() - started)


def _paths(files: Any) -> Iterator[str | os.PathLike]:
    """The paths in a job's input or output: Snakemake's named list, which may hold lists, or a plain namespace."""
    if isinstance(files, str | os.PathLike):
        yield files
        return
    parts = files if isinstance(files, list | tuple) else getattr(files, "__dict__", files or {}).values()
    for part in parts:
        yield from _paths(part)


def _not_older(outputs: Iterable[str | os.PathLike], inputs: Iterable[str | os.PathLike]) -> None:
    """Give outputs the time of inputs dated in the future: Snakemake refuses outputs older than their inputs."""
    newest = max((os.stat(path).st_mtime_ns for path in inputs if os.path.isfile(path)), default=0)
    if newest <= time.time_ns():
        return
    log.warning("the clock was set back: an input is dated in the future, and the outputs get the same date")
    for path in filter(os.path.isfile, outputs):
        os.utime(path, ns=(newest, newest))


def start_logging(path: str | None) -> None:
    """Log to the file `path`, replacing it, and send warnings to stderr too: only errors if `WARNINGS_LATER` is set."""
    log.setLevel(logging.INFO)
    logging.raiseExceptions = False  # a log that cannot be written to a full disk is no reason for a traceback
    log.propagate = False
    log.handlers.clear()
    screen = logging.StreamHandler()
    screen.setLevel(logging.ERROR if path and os.environ.get(WARNINGS_LATER) else logging.WARNING)
    screen.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    log.addHandler(screen)
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(path, mode="w", encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(file)


def progress(items: Iterable[T], total: int | None = None, label: str = "", unit: str = "it") -> Iterator[T]:
    """Iterate and show progress: with a bar on a terminal, else with a log line every ten seconds.

    In a run of many jobs, lines of other jobs would interrupt a bar, so a long job prints a line every five minutes.

    Args:
        items: to iterate over.
        total: number of items, if `items` has no length.
        label: names the work.
        unit: names one item.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    in_run = bool(os.environ.get(WARNINGS_LATER))
    if sys.stderr.isatty() and not os.environ.get("CI") and not in_run:
        from tqdm import tqdm

        yield from tqdm(items, total=total, desc=label, unit=unit, mininterval=0.5)
        return
    started = last = time.monotonic()
    next_shown = started + FIRST_PROGRESS_SECONDS
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - last >= LOG_EVERY_SECONDS:
            last = now
            line = _progress_line(label, done, total, unit, now - started)
            log.info("%s", line)
            if in_run and now >= next_shown:
                next_shown = now + NEXT_PROGRESS_SECONDS
                print(f"{time.strftime('%H:%M')}   {line}", file=sys.stderr, flush=True)
        yield item


def _progress_line(label: str, done: int, total: int | None, unit: str, seconds: float) -> str:
    speed = done / seconds
    line = f"{label}: {done}{f' of {total}' if total else ''} {unit}, {speed:.1f} {unit}/s"
    if not (total and speed):
        return line
    left = (total - done) / speed / 60
    return line + (f", {left:.0f} min left" if left >= 1 else ", less than a minute left")
