"""A real Slurm cluster on this machine: a controller and a node with a fake GPU. Needs root and Debian's packages."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONFIGURATION = """
ClusterName=local
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
MinJobAge=3600
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={megabytes} Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
GPU = "NodeName={host} Name=gpu Count=1 File=/dev/null\n"
CGROUP = "CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\n"
ETC = Path("/etc/slurm")


def missing() -> str:
    """Why Slurm cannot be started on this machine; empty if it can."""
    if os.geteuid():
        return "starting a Slurm needs root"
    absent = [name for name in ("slurmctld", "slurmd", "munged") if not shutil.which(name)]
    return f"{', '.join(absent)} not installed; `make test-slurm` installs them" if absent else ""


@contextmanager
def cluster(folder: Path) -> Iterator[None]:
    """A running Slurm with its state in `folder`; at the end it is stopped with all its jobs."""
    host = socket.gethostname().split(".")[0]
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    megabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 * 8 // 10
    facts = {"host": host, "folder": folder, "cpus": os.cpu_count(), "megabytes": megabytes}
    files = {"slurm.conf": CONFIGURATION, "gres.conf": GPU, "cgroup.conf": CGROUP}
    ETC.mkdir(exist_ok=True)
    for name, text in files.items():
        (ETC / name).write_text(text.format(**facts))
    start_munge(folder)
    try:
        subprocess.run(["slurmctld", "-c"], check=True)
        wait_for("the controller", lambda: ask("scontrol", "ping").count("UP"))
        subprocess.run(["slurmd", "-N", host], check=True)
        wait_for("the node", lambda: "idle" in ask("sinfo", "--noheader", "--format=%T"))
        yield
    finally:
        subprocess.run(["scancel", "--user=root"], capture_output=True)
        for name in ("slurmd", "slurmctld", "munged"):
            stop(folder / f"{name}.pid")
        for name in files:
            (ETC / name).unlink()


def start_munge(folder: Path) -> None:
    """Start the daemon that authenticates Slurm's parts to each other."""
    runtime = Path("/run/munge")
    runtime.mkdir(exist_ok=True)
    shutil.chown(runtime, "munge", "munge")
    runtime.chmod(0o755)
    pid = runtime / "munged.pid"
    subprocess.run(["runuser", "-u", "munge", "--", "munged", "--force", f"--pid-file={pid}"], check=True)
    (folder / "munged.pid").symlink_to(pid)


def ask(*command: str) -> str:
    """The output of a Slurm command."""
    return subprocess.run(command, capture_output=True, text=True).stdout


def jobs() -> list[dict[str, str]]:
    """Every job that Slurm remembers, with the keys of `scontrol show job`."""
    blocks = ask("scontrol", "show", "job", "--oneliner").splitlines()
    return [dict(part.split("=", 1) for part in block.split() if "=" in part) for block in blocks if "JobId=" in block]


def wait_for(what: str, ready, seconds: float = 60) -> None:
    """Wait until `ready()` is true, or raise a TimeoutError that names `what`."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} was not there after {seconds:g} s")
        time.sleep(0.3)


def stop(pid_file: Path) -> None:
    """End the daemon of a pid file, and wait until it is gone."""
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    os.kill(pid, signal.SIGTERM)
    wait_for(f"the end of {pid_file.stem}", lambda: not Path(f"/proc/{pid}").exists())
