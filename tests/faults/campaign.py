"""Kill the demonstration at many moments, and see that the next run ends as if nothing had happened.

    python tests/faults/campaign.py FOLDER [--cores 2]        about an hour on two cores; FOLDER is made, some 300 MB

1. The demonstration undisturbed; then again in another folder with one core. Every result has to be the same.
2. In a third folder it is started and killed (SIGKILL to the whole process group) some seconds, drawn, after a job of a
   certain rule has begun. A copy of what is left is finished: Snakemake, the same command, after `--unlock` where it
   asks for it. Every result has to be that of the undisturbed run. Then the killed folder itself goes on to the next
   moment, so that later ones come on top of all earlier ones.

Nothing is tried twice. One line a moment, and a last one; exit status 1 if any differs.
"""

import argparse
import random
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from running import ROOT, Run, finish, processes_of, unlock
from sameness import contents, differences

TARGETS = ("results/summary.png", "all")
# (the rule whose job is killed, the most seconds to let it run): in the order of the pipeline
MOMENTS = (
    *(("crawl", 1), ("crawl", 2), ("crawl", 3), ("generate_sd2", 4), ("generate_sd2", 8), ("prepare_teacher_data", 4)),
    *(("train_teacher", 6), ("train_teacher", 9), ("curate", 3), ("curate", 5), ("split", 1), ("plan_scenario", 1)),
    *(("train_student", 4), ("train_student", 6), ("train_student", 8), ("train_student", 8), ("tabulate_scenario", 1)),
    *(("compare", 1), ("plot", 2), ("write_page", 2)),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    undisturbed = lay_out(options.folder / "undisturbed")
    started = time.monotonic()
    finish(undisturbed, *TARGETS, cores=options.cores)
    expected = contents(undisturbed)
    print(f"undisturbed: {time.monotonic() - started:.0f} s, {len(expected)} results", flush=True)
    failed = report("one core", try_one_core(options.folder / "one_core"), expected)
    for number, outcome in enumerate(kill_and_finish(options.folder, options.cores), start=1):
        failed += report(f"{number} of {len(MOMENTS)}: {outcome[0]}", outcome[1], expected)
    print(f"{len(MOMENTS) + 1 - failed} of {len(MOMENTS) + 1} ended with the results of the undisturbed run")
    return bool(failed)


def lay_out(folder: Path) -> Path:
    """The demonstration's own files in a folder."""
    folder.mkdir()
    shutil.copyfile(ROOT / "demo" / "config.yaml", folder / "config.yaml")
    shutil.copytree(ROOT / "demo" / "model", folder / "model")
    return folder


def report(what: str, found: dict[str, str], expected: dict[str, str]) -> bool:
    """Print one line; whether any result differs."""
    different = differences(found, expected)
    print(f"{what}; {'same results' if not different else 'DIFFERENT: ' + ', '.join(different[:8])}", flush=True)
    return bool(different)


def try_one_core(folder: Path) -> dict[str, str]:
    finish(lay_out(folder), *TARGETS, cores=1)
    return contents(folder)


def kill_and_finish(folder: Path, cores: int) -> Iterator[tuple[str, dict[str, str]]]:
    """For each moment: what was killed and what it took to the end, and the results then."""
    chance = random.Random(0)
    disturbed, copy = lay_out(folder / "disturbed"), folder / "copy"
    for number, (rule, seconds) in enumerate(MOMENTS):
        run = Run(disturbed, *TARGETS, cores=cores)
        wait_for_one_of([rule, *(later for later, _ in MOMENTS[number:])], run)
        time.sleep(chance.uniform(0, seconds))
        killed, done = " and ".join(run.running) or f"just after {run.ended[-1]}", len(run.ended)
        run.kill()
        left = processes_of(disturbed)
        shutil.copytree(disturbed, copy, copy_function=shutil.copy2)
        last, locked = finish(copy, *TARGETS, cores=cores)
        found = contents(copy) | {f"process left: {process}": "" for process in left}
        yield f"killed {killed}, {done} jobs done; {'unlocked, ' * locked}{len(last.ended)} jobs to the end", found
        shutil.rmtree(copy)
        unlock(disturbed)


def wait_for_one_of(rules: Sequence[str], run: Run) -> None:
    """Wait until a job runs of the first of these rules that has any left to do."""
    run.wait_until(lambda run: bool(run.running), "the first job")
    run.wait_for(next(rule for rule in rules if rule in run.planned and rule not in run.ended))


if __name__ == "__main__":
    sys.exit(main())
