"""Kill the demo at many moments, and check that the next run ends with the same results.

    python tests/faults/campaign.py FOLDER [--cores 2] [--moments 20]

Takes 90 minutes on two cores, less with fewer moments (evenly spaced). Creates FOLDER, about 1 GB.

1. Run the demo undisturbed, then again in another folder with one core. Every result must be the same.
2. In a third folder, start the demo and kill it (SIGKILL to the whole process group) a random time after a job of a
   certain rule has begun. Finish a copy of that folder on one core with the same command, after `--unlock` if Snakemake
   requests it. Every result must equal that of the undisturbed run. Meanwhile the killed folder continues to the next
   moment, so that its kills accumulate.

Nothing is retried. Prints one line a moment and a summary; exits with status 1 if any result differs.
"""

import argparse
import random
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from compare_results import contents, differences
from running import Run, finish, lay_out_demo, processes_of, unlock

TARGETS = ("results/summary.png", "all")
# (rule whose job is killed, the most seconds until it is killed), in the order of the pipeline
MOMENTS = (
    *(("crawl", 1), ("crawl", 2), ("crawl", 3), ("generate_sd2", 4), ("generate_sd2", 8), ("prepare_teacher_data", 4)),
    *(("train_teacher", 6), ("train_teacher", 9), ("curate", 3), ("curate", 5), ("split", 1), ("plan_scenario", 1)),
    *(("train_student", 4), ("train_student", 6), ("train_student", 8), ("train_student", 8), ("tabulate_scenario", 1)),
    *(("tabulate_study", 1), ("plot", 2), ("write_page", 2)),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--moments", type=int, default=len(MOMENTS), choices=range(1, len(MOMENTS) + 1))
    options = parser.parse_args()
    moments = [MOMENTS[number * len(MOMENTS) // options.moments] for number in range(options.moments)]
    options.folder.mkdir(parents=True)
    undisturbed = lay_out_demo(options.folder / "undisturbed")
    started = time.monotonic()
    finish(undisturbed, *TARGETS, cores=options.cores)
    expected = contents(undisturbed)
    print(f"undisturbed: {time.monotonic() - started:.0f} s, {len(expected)} results", flush=True)
    with ThreadPoolExecutor(options.cores) as others:
        again = lay_out_demo(options.folder / "again")
        ends = [others.submit(end, "undisturbed again, on one core", again, expected)]
        disturbed = lay_out_demo(options.folder / "disturbed")
        for number, (what, left) in enumerate(kill(disturbed, moments, options.cores), start=1):
            ends.append(others.submit(end, f"{number} of {len(moments)}: killed {what}", left, expected))
        same = [found.result() for found in ends]
    print(f"{sum(same)} of {len(same)} ended with the results of the undisturbed run")
    return not all(same)


def kill(folder: Path, moments: Sequence[tuple[str, int]], cores: int) -> Iterator[tuple[str, Path]]:
    """Yields for each moment which jobs were killed, and a copy of the folder as they left it."""
    rng = random.Random(0)
    for number, (rule, seconds) in enumerate(moments):
        run = Run(folder, *TARGETS, cores=cores)
        wait_for_one_of([later for later, _ in MOMENTS[MOMENTS.index((rule, seconds)) :]], run)
        time.sleep(rng.uniform(0, seconds))
        run.kill()
        if left := processes_of(folder):
            sys.exit(f"{number + 1} of {len(moments)}: processes were left: {left}")
        copy = folder.with_name(f"killed{number + 1}")
        shutil.copytree(folder, copy, copy_function=shutil.copy2)
        yield f"{' and '.join(run.running) or f'just after {run.ended[-1]}'}, {len(run.ended)} jobs done", copy
        unlock(folder)


def wait_for_one_of(rules: Sequence[str], run: Run) -> None:
    """Wait until a job runs of the first of these rules that still has jobs."""
    run.wait_until(lambda run: bool(run.running), "the first job")
    run.wait_for(next(rule for rule in rules if rule in run.planned and rule not in run.ended))


def end(what: str, folder: Path, expected: dict[str, str]) -> bool:
    """Finish on one core, print a line, and return whether all results are as expected; keep the folder if not."""
    try:
        run, locked = finish(folder, *TARGETS, cores=1)
    except AssertionError as error:
        print(f"{what}; DID NOT END, see {folder}: {error}", flush=True)
        return False
    different = differences(contents(folder), expected)
    verdict = f"DIFFERENT, see {folder}: {', '.join(different[:8])}" if different else "same results"
    print(f"{what}; {'unlocked, ' * locked}{len(run.ended)} jobs to the end; {verdict}", flush=True)
    if not different:
        shutil.rmtree(folder)
    return not different


if __name__ == "__main__":
    sys.exit(main())
