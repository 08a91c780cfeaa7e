"""Forget refusals, so that the usual command asks the sources that refused again, and no others.

    python -m distillery.retry
    python -m distillery.retry --source google

Give it once access has come: a license accepted, a token set, a quota renewed, a connection or a GPU. Nothing that the
store holds is retrieved again, and nothing is trained again whose images do not change. Standard library only.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from distillery.jobs import UserError
from distillery.new import next_command
from distillery.storage.attempts import FILE, count_attempt
from distillery.storage.refusals import refusal_of
from distillery.storage.refused_pools import NOTE
from distillery.storage.verdicts import FOLDER, Verdict, read_verdict


def refused_pools_of(folder: str | Path = ".") -> dict[str, dict[str, str]]:
    """The refusals in a study's pools: source → class → reason.

    Args:
        folder: of the study.
    """
    found: dict[str, dict[str, str]] = {}
    for records in sorted(Path(folder, "resources", "pools").glob("*/*.jsonl")):
        if reason := _refusal_in(records):
            found.setdefault(records.parent.name, {})[records.stem] = reason
    return found


def _refusal_in(records: Path) -> str:
    """The reason if a pool holds a refusal, which is then its only record."""
    with records.open(encoding="utf-8") as file:
        try:
            return refusal_of(json.loads(file.readline() or "{}").get("failure", ""))
        except ValueError:
            return ""  # damaged: the job that reads it says so


def refused_looks(folder: str | Path = ".") -> dict[str, Verdict]:
    """The refused verdicts of looks at sources, by source."""
    found = (read_verdict(path) for path in sorted(Path(folder, FOLDER).glob("*.json")) if path.name != FILE.name)
    return {verdict.source: verdict for verdict in found if verdict and verdict.verdict == "refused"}


def forget_expired(folder: str | Path = ".") -> None:
    """Forget the refusals of sources whose refused verdict is more than a day old: they are looked at again."""
    if expired := [name for name, verdict in refused_looks(folder).items() if verdict.expired()]:
        retry(folder, expired)


def retry(folder: str | Path = ".", sources: Sequence[str] = ()) -> dict[str, dict[str, str]]:
    """Forget the refusals of sources.

    Args:
        folder: of the study.
        sources: to ask again; all that refused if none are named.

    Returns:
        What is forgotten: source → class → reason; no classes if only the look at the source was refused.

    Raises:
        UserError: a named source has not refused.
    """
    looks = refused_looks(folder)
    refused: dict[str, dict[str, str]] = {name: {} for name in looks}
    refused |= refused_pools_of(folder)
    for name in sources:
        if name not in refused:
            others = f"those that did are {', '.join(refused)}" if refused else "none has"
            raise UserError(f"source {name} has not refused; {others}. Name another, or leave --source out.")
    forgotten = {name: classes for name, classes in refused.items() if not sources or name in sources}
    for name, classes in forgotten.items():
        Path(folder, "resources", "store", name, NOTE).unlink(missing_ok=True)
        if name in looks:  # an accepted verdict stays: without it, the classes that are whole would be asked again
            Path(folder, FOLDER, f"{name}.json").unlink(missing_ok=True)
        count_attempt(name, classes, Path(folder, FILE))
    return forgotten


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; a mistake ends it in one line."""
    parser = argparse.ArgumentParser(prog="python -m distillery.retry", description="Request refused sources again.")
    parser.add_argument("--source", action="append", default=[], help="one that refused; may be given several times")
    parser.add_argument("--directory", default=".", help="the study's folder; the current one by default")
    given = parser.parse_args(arguments)
    try:
        forgotten = retry(given.directory, given.source)
    except UserError as error:
        sys.exit(str(error))
    if not forgotten:
        print("No source has refused: there is nothing to ask again.")
        return
    for name, classes in forgotten.items():
        reasons = Counter(classes.values())
        said = ", ".join(f"{reason} ({count} of its classes)" for reason, count in reasons.items())
        print(f"source {name} is asked again: {said or 'refused at the first look'}")
    print(f"Then:\n  {next_command(Path(given.directory))}")


if __name__ == "__main__":
    main()
