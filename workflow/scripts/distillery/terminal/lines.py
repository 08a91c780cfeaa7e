"""Print a run on the terminal: one line for each finished job, each warning once, and the reasons of failures last.

Snakemake's log file still has its own messages. `show_lines` replaces the handler of Snakemake's logger that writes to
the terminal; Snakemake itself is not imported.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from distillery.jobs import WARNINGS_LATER
from distillery.wording import plural

# this module only writes to the terminal, so no result depends on it
CHANGES_NO_RESULT = True

SNAKEMAKE_LOG, HANDLER = "snakemake.logging", "DefaultStreamHandler"
LISTED_JOBS = 40  # a dry-run lists up to this many jobs with their reasons; otherwise only the table of their numbers
# messages that are of no use to a user, or repeat the lines here
OMITTED = (
    "Using workflow specific profile", "Assuming unrestricted shared filesystem", "Building DAG of jobs", "Using shell",
    "Conda environments: ignored", "Singularity containers: ignored",
    "Select jobs to execute", "Removing output files of failed job", "Reasons:",
    "Exiting because a job execution failed", "At least one job did not complete", "Complete log", "Elapsed time",
    "Some jobs were triggered by provenance", "Rules with provenance triggered jobs",
    "Shutting down, this might", "SpawnedJobError", "RuleException",
    "WorkflowError:\nAt least one job did not complete", "Not modifying path of file",
)  # fmt: skip
# Snakemake repeats this after each job, once it got the signal TERM
STOPPING = "Will exit after finishing"
STOPS = "No more jobs start. The run ends when the running ones are done; Ctrl-C ends it at once."
# the system kills a process without a message if memory is short
NO_REASON = (
    "it gave no reason. It was killed or could not start, in most cases for lack of memory: run fewer jobs at a time"
    " (--cores 1), or use a machine with more memory"
)
ENDED = "it was ended with the run"
# warnings that differ only in class and numbers are shown once
OF_ONE_CLASS = re.compile(r"class [\w-]+|\d[\d,.]*")
# a line of a job's log, as `jobs.start_logging` writes it
LOGGED = re.compile(r"^\S+ \S+ (WARNING|ERROR|OUTCOME) (.*)$")


@dataclass(frozen=True)
class StartedJob:
    """A job that has started.

    Attributes:
        name: its rule and wildcards, see `job_name`.
        logs: its log files.
        start: time of its start, in seconds of the monotonic clock.
    """

    name: str
    logs: Sequence[str]
    start: float


def job_name(rule: str, wildcards: Mapping[str, str]) -> str:
    """The name of a job: its rule and the values of its wildcards; numbers follow the wildcard's name."""
    values = (f"{name} {value}" if value.isdigit() else value for name, value in wildcards.items())
    return " ".join([rule, *values])


def duration(seconds: float) -> str:
    """A duration in a convenient unit: 42 s, 3 min, 1.5 h, 12 days."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 72 else f"{hours / 24:,.0f} days"


def logged(path: str | Path, level: str) -> list[str]:
    """The messages of a level (WARNING, ERROR or OUTCOME) in a job's log; none if it cannot be read."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [found[2] for line in lines if (found := LOGGED.match(line)) and found[1] == level]


class Terminal(logging.StreamHandler[TextIO]):
    """Writes Snakemake's events as short lines.

    Args:
        stream: the output stream.
        dryrun: whether Snakemake only lists the jobs.
    """

    def __init__(self, stream: TextIO, dryrun: bool):
        super().__init__(stream)
        self.dryrun = dryrun
        self.total = 0  # jobs of the run; 0 before it is known
        self.stopping = False  # whether no more jobs start
        self.started: dict[int, StartedJob] = {}
        self.ended: list[str] = []  # lines of jobs that have finished since the last event of progress
        self.failed: dict[str, str] = {}  # name of the job → reason
        self.warned: Counter[str] = Counter()  # warning without class and numbers → how often it occurred
        self.start = time.monotonic()
        self._events: dict[str, Callable[[logging.LogRecord], Iterable[str]]] = {
            "run_info": self._stats,
            "job_info": self._job,
            "job_finished": self._finished,
            "progress": self._progress,
            "job_error": self._failed,
            "group_error": lambda record: [str(record.msg)],
        }

    def emit(self, record: logging.LogRecord) -> None:
        """Write the lines of an event; most events have none."""
        try:
            event = getattr(record, "event", None)
            if event is None or str(event) == "error":
                lines = self._message(str(record.msg or "").rstrip())
            else:
                lines = list(self._events.get(str(event), lambda _: ())(record))
            for line in filter(None, lines):
                self.stream.write(line + self.terminator)
            self.flush()
        except Exception:
            self.handleError(record)

    def _message(self, text: str) -> list[str]:
        if text.startswith(STOPPING):
            known, self.stopping = self.stopping, True
            return [] if known else [STOPS]
        return [] if text.startswith(OMITTED) else [text]

    def _stats(self, record: logging.LogRecord) -> Iterator[str]:
        if not self.total:  # only once, as a dry-run repeats the event
            self.total = record.__dict__["stats"]["total"]
            yield str(record.msg).rstrip()
            if self.dryrun and self.total > LISTED_JOBS:
                yield "Each job with its reason: --printshellcmds"

    def _job(self, record: logging.LogRecord) -> Iterator[str]:
        found = record.__dict__
        name = job_name(found["rule_name"], found["wildcards"])
        self.started[found["jobid"]] = StartedJob(name, found["log"], time.monotonic())
        if self.dryrun and self.total <= LISTED_JOBS:
            yield f"  {name}: {short_reason(found['reason'])}"

    def _finished(self, record: logging.LogRecord) -> Iterator[str]:
        if job := self.started.pop(record.__dict__["job_id"], None):
            outcome = [message for path in job.logs for message in logged(path, "OUTCOME")]
            self.ended.append(": ".join([f"{job.name}, {duration(time.monotonic() - job.start)}", *outcome[-1:]]))
            yield from self._new_warnings(job)

    def _new_warnings(self, job: StartedJob) -> Iterator[str]:
        for message in dict.fromkeys(message for path in job.logs for message in logged(path, "WARNING")):
            kind = OF_ONE_CLASS.sub("", message)
            self.warned[kind] += 1
            if self.warned[kind] == 1:
                yield f"WARNING: {message}"

    def _progress(self, record: logging.LogRecord) -> Iterator[str]:
        done, total = record.__dict__["done"], record.__dict__["total"]
        for number, line in enumerate(self.ended, start=done - len(self.ended) + 1):
            yield f"{time.strftime('%H:%M')} {number:>{len(str(total))}} of {total}: {line}"
        self.ended.clear()

    def _failed(self, record: logging.LogRecord) -> Iterator[str]:
        found = record.__dict__
        job = self.started.pop(found["jobid"], StartedJob(found["rule_name"], found["log"], 0))
        yield from self._new_warnings(job)
        reasons = [message for path in job.logs for message in logged(path, "ERROR")]
        where = f" (log: {', '.join(job.logs)})" if job.logs else ""
        self.failed[job.name] = (reasons[-1] if reasons else ENDED if self.stopping else NO_REASON) + where
        yield f"{time.strftime('%H:%M')} failed: {job.name}"

    def end(self, digest: Sequence[str], logs: Sequence[str], *, success: bool) -> None:
        """Write the end of a run.

        Args:
            digest: lines of `run_digest`.
            logs: Snakemake's log files.
            success: whether all jobs have succeeded.
        """
        lines = ["", *digest, f"This run took {duration(time.monotonic() - self.start)}."]
        if more := self.warned.total() - len(self.warned):
            lines += [f"{more} more warnings like those above: grep -rn WARNING results/logs"]
        lines += [f"Full log: {os.path.abspath(path)}" for path in logs]
        if not success and not self.failed:
            lines += ["It ended before all jobs were done. The same command goes on from here."]
        elif not success:
            lines += [f"{plural(len(self.failed), 'job')} failed. Fix the causes and run the same command again:"]
            lines += [f"  {name}: {reason}" for name, reason in self.failed.items()]
        for line in lines:
            self.stream.write(line + self.terminator)
        self.flush()


def short_reason(reason: str) -> str:
    """Snakemake's reason for a job, with only the first name of three or more files."""
    kinds = []
    for part in reason.split("; "):
        kind, _, files = part.partition(": ")
        names = files.split(", ")
        kinds.append(part if len(names) < 3 else f"{kind}: {names[0]} and {len(names) - 1} more")
    return "; ".join(kinds)


def show_lines(settings: Any) -> Terminal | None:
    """Replace Snakemake's lines on the terminal by short ones.

    Args:
        settings: the workflow's output settings. With `--printshellcmds` or `--verbose` Snakemake's own lines stay.

    Returns:
        The new handler; None if Snakemake's own lines stay, or another logger was chosen.
    """
    snakemake = logging.getLogger(SNAKEMAKE_LOG)
    own = next((handler for handler in snakemake.handlers if handler.name == HANDLER), None)
    if settings.printshellcmds or settings.verbose or not isinstance(own, logging.StreamHandler):
        return None
    terminal = Terminal(own.stream, settings.dryrun)
    terminal.name = HANDLER
    terminal.setLevel(logging.INFO)
    snakemake.removeHandler(own)
    snakemake.addHandler(terminal)
    os.environ[WARNINGS_LATER] = "1"
    return terminal
