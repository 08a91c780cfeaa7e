"""The demo with profiles/slurm on a real Slurm cluster gives the results of one machine, even if jobs are lost."""

import os
import subprocess
import time
from pathlib import Path

import pytest
from running import ROOT, command, lay_out_demo

ONE_NODE = (  # this machine's Slurm has no accounting, no slow shared disk and no memory for a large model
    *("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "3"),
    *("--seconds-between-status-checks", "3", "--latency-wait", "5", "--max-threads", "2", "--slurm-no-account"),
    *("--set-resources", "generate_sd2:mem=4GB", "train_teacher:mem=4GB"),
)
TARGETS = ("results/summary.png", "all")


def by_slurm(folder: Path) -> list[str]:
    return command(folder, "--workflow-profile", str(ROOT / "profiles" / "slurm"), *ONE_NODE, "--", *TARGETS)


def run(arguments: list[str]) -> str:
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-6000:]
    return done.stderr


def made(folder: Path) -> dict[str, bytes]:
    """Every table and every network's weights."""
    results = folder / "results"
    files = [*results.glob("tables/*.csv"), *results.rglob("*.safetensors"), *results.glob("scenarios/*.csv")]
    # costs differ from run to run
    return {str(path.relative_to(results)): path.read_bytes() for path in files if path.name != "costs.csv"}


@pytest.fixture(scope="module")
def on_one_machine(running_slurm, tmp_path_factory):
    folder = lay_out_demo(tmp_path_factory.mktemp("local") / "demo")
    run(command(folder, "--cores", "2", "--", *TARGETS))
    return made(folder)


def test_a_study_under_slurm_equals_the_same_study_on_one_machine(running_slurm, on_one_machine, tmp_path):
    folder = lay_out_demo(tmp_path / "demo")
    run(by_slurm(folder))
    jobs = running_slurm.jobs()
    trained = [job for job in jobs if "train_student" in job["Comment"]]
    assert len(trained) == 36 and {job["JobState"] for job in jobs} == {"COMPLETED"}
    assert all(job.get("TresPerJob") == "gres:gpu:1" for job in trained)
    assert not [job for job in jobs if "crawl" in job["Comment"] or "plot" in job["Comment"]]  # on the login node
    ours = made(folder)
    assert set(ours) == set(on_one_machine) and len(ours) > 40
    assert [name for name in ours if ours[name] != on_one_machine[name]] == []


def test_jobs_that_are_canceled_or_lose_their_node_run_again(running_slurm, on_one_machine, tmp_path):
    folder = lay_out_demo(tmp_path / "demo")
    before = {job["JobId"] for job in running_slurm.jobs()}
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(by_slurm(folder), cwd=ROOT, stdout=log, stderr=log)
        try:
            first = started(running_slurm, "train_teacher", before)
            time.sleep(5)
            running_slurm.ask("scancel", first["JobId"])
            second = started(running_slurm, "train_student", before)
            running_slurm.ask("scontrol", "update", f"NodeName={os.uname().nodename}", "State=DOWN", "Reason=test")
            time.sleep(5)
            running_slurm.ask("scontrol", "update", f"NodeName={os.uname().nodename}", "State=RESUME")
            assert process.wait(timeout=1800) == 0, (tmp_path / "log").read_text()[-6000:]
        finally:
            process.kill()
    states = {job["JobId"]: job for job in running_slurm.jobs() if job["JobId"] not in before}
    assert states[first["JobId"]]["JobState"] == "CANCELLED"
    assert int(states[second["JobId"]]["Restarts"]) >= 1 or states[second["JobId"]]["JobState"] == "NODE_FAIL"
    ours = made(folder)
    assert [name for name in on_one_machine if ours[name] != on_one_machine[name]] == []


def started(running_slurm, rule: str, before: set[str]) -> dict[str, str]:
    """Wait for a running job of a rule."""
    found = []

    def runs() -> bool:
        found[:] = [
            job
            for job in running_slurm.jobs()
            if job["JobId"] not in before and rule in job["Comment"] and job["JobState"] == "RUNNING"
        ]
        return bool(found)

    running_slurm.wait_for(f"a running job of {rule}", runs, seconds=900)
    return found[0]
