"""Request only the sources that refused once more; then report what came, and which command trains what was missing.

    python -m distillery.retry
    python -m distillery.retry --source google --cores 4

Run it once the reason is gone: the license is accepted, the token is set, the quota is renewed, or there is a network
or a GPU. Snakemake's options may follow: give those of the usual command. The retry runs up to the plans and trains
nothing. The usual command then runs only the trainings whose plan has changed. If one run did both, Snakemake would
repeat every training that depends on a retrieval.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from distillery.jobs import UserError
from distillery.new.next_command import ROOT, next_command
from distillery.storage.host.run_lock import require_no_run
from distillery.storage.retrieved.attempts import FILE, count_attempt
from distillery.storage.retrieved.refusals import refusal_of
from distillery.storage.retrieved.refused_pools import NOTE
from distillery.storage.retrieved.source_checks import FOLDER, SourceCheck, read_check

Refused = dict[str, dict[str, str]]  # source → class → reason
LAST = "plan_scenario"  # the rule that ends a retry


def refused_pools_of(folder: str | Path = ".") -> Refused:
    """The refusals in a study's pools: source → class → reason.

    Args:
        folder: of the study.
    """
    found: Refused = {}
    for records in sorted(Path(folder, "resources", "pools").glob("*/*.jsonl")):
        if reason := _refusal_in(records):
            found.setdefault(records.parent.name, {})[records.stem] = reason
    return found


def _refusal_in(records: Path) -> str:
    """The reason of a pool's refusal, which is then the pool's only record; empty if it holds none."""
    with records.open(encoding="utf-8") as file:
        try:
            return refusal_of(json.loads(file.readline() or "{}").get("failure", ""))
        except ValueError:
            return ""  # damaged: the job that reads it reports that


def refused_checks(folder: str | Path = ".") -> dict[str, SourceCheck]:
    """The preflight checks that found a refusal, by source."""
    found = (read_check(path) for path in sorted(Path(folder, FOLDER).glob("*.json")) if path.name != FILE.name)
    return {check.source: check for check in found if check and check.verdict == "refused"}


def old_refusals(folder: str | Path = ".") -> list[str]:
    """A line that names the sources that refused their preflight check more than a day ago; empty if there are none.

    The usual command does not request them again: in the same run, it would repeat all trainings.
    """
    old = [name for name, check in refused_checks(folder).items() if check.expired()]
    text = f"{_listed(old)} refused more than a day ago; to try again: python -m distillery.retry"
    return [f"source {text}" if len(old) == 1 else f"sources {text}"] if old else []


def refusals_to_forget(folder: str | Path = ".", sources: Sequence[str] = ()) -> Refused:
    """The refusals of sources: source → class → reason; no classes if the source refused only its preflight check.

    Args:
        folder: of the study.
        sources: to request again; all that refused if none are named.

    Raises:
        UserError: a named source has not refused.
    """
    refused: Refused = {name: {} for name in refused_checks(folder)}
    refused |= refused_pools_of(folder)
    for name in sources:
        if name not in refused:
            others = f"those that have: {', '.join(refused)}" if refused else "no source has"
            raise UserError(f"source {name} has not refused; {others}. Name another, or leave --source out.")
    return {name: classes for name, classes in refused.items() if not sources or name in sources}


def forget_refusals(folder: str | Path, refused: Refused) -> None:
    """Forget refusals, so that the next run requests these classes again, and no others.

    Args:
        folder: of the study.
        refused: see `refusals_to_forget`.
    """
    checks = refused_checks(folder)
    for name, classes in refused.items():
        Path(folder, "resources", "store", name, NOTE).unlink(missing_ok=True)
        if name in checks:  # an ok stays: without it, all classes of the source would be requested again
            Path(folder, FOLDER, f"{name}.json").unlink(missing_ok=True)
        count_attempt(name, classes, Path(folder, FILE))


def plans_not_run(folder: str | Path = ".") -> dict[str, str]:
    """The planned scenarios of a study, each with the reason why it is not run; empty if it is."""
    from distillery.splits.scenario_plan import not_run_reason

    return {path.stem: not_run_reason(path) for path in sorted(Path(folder, "results", "plans").glob("*.parquet"))}


def snakemake_command(folder: str | Path, options: Sequence[str]) -> list[str]:
    """The command that runs Snakemake on a study, up to its plans.

    Args:
        folder: of the study.
        options: of Snakemake, as the user gives them.
    """
    given = {option[:2] if option[1:2] != "-" else option.partition("=")[0] for option in options if option[:1] == "-"}
    command = [sys.executable, "-m", "snakemake", "--directory", str(folder)]
    if not given & {"--snakefile", "-s"}:
        command += ["--snakefile", str(ROOT / "Snakefile")]
    if not given & {"--cores", "-c", "--jobs", "-j", "--profile", "--workflow-profile"}:
        command += ["--cores", "all"]
    return [*command, *options, "--until", LAST]


def retry_report(asked: Refused, plans: Mapping[str, str], folder: str | Path = ".") -> list[str]:
    """What a retry has changed, in lines of text.

    Args:
        asked: the refusals that were forgotten.
        plans: result of `plans_not_run` before the retry.
        folder: of the study.
    """
    lines, pools, checks, now = [], refused_pools_of(folder), refused_checks(folder), plans_not_run(folder)
    for source, classes in asked.items():
        refused = pools.get(source, {})
        if came := [label for label in classes if label not in refused]:
            lines.append(f"source {source} gave images of {_listed(came)}")
        if refused:
            why = _listed(dict.fromkeys(refused.values()))
            remedy = f". {checks[source].remedy}" if source in checks else ""
            lines.append(f"source {source} still refuses {_listed(refused)}: {why}{remedy}")
    if ready := [name for name, reason in now.items() if not reason and plans.get(name)]:
        lines.append(f"can be trained now: {_listed(ready)}")
    return lines + [f"still not run: {name}: {reason}" for name, reason in now.items() if reason]


def _listed(names: Iterable[str]) -> str:
    """Names with commas, at most ten of them."""
    names = list(names)
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; a `UserError` ends it with one line."""
    parser = argparse.ArgumentParser(
        prog="python -m distillery.retry",
        description="Request refused sources again.",
        epilog="Other options are passed on to Snakemake.",
        allow_abbrev=False,
    )
    parser.add_argument("--source", action="append", default=[], help="one that refused; may be given several times")
    parser.add_argument("--directory", "-d", default=".", help="the study's folder; the current one by default")
    parser.add_argument("--dry-run", "-n", action="store_true", help="print what would be requested again, and exit")
    given, options = parser.parse_known_args(arguments)
    folder = Path(given.directory)
    try:
        asked = refusals_to_forget(folder, given.source)
        for name, classes in asked.items():
            reasons = _listed(dict.fromkeys(classes.values())) or "in the preflight check"
            labels = _listed(classes) or "all classes"
            print(f"source {name} is requested again: {labels} (refused: {reasons})", flush=True)
        if not asked:
            print("No source has refused: there is nothing to request again.", flush=True)
        if given.dry_run or not (asked or Path(folder, FILE).exists()):  # a retry that was killed continues
            return
        require_no_run(folder)
        plans = plans_not_run(folder)
        forget_refusals(folder, asked)
        status = subprocess.run(snakemake_command(folder, options), check=False).returncode
        for line in retry_report(asked, plans, folder):
            print(line)
    except UserError as error:
        sys.exit(str(error))
    if status:
        sys.exit("The retry did not finish; the reason is above. Retrieved images are kept: run the command again.")
    print(f"Now run the usual command, which trains only what is missing:\n  {next_command(folder)}")


if __name__ == "__main__":
    main()
