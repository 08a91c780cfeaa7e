"""Remember whether a study was started without a GPU, and so trains the networks that suit such a machine.

The first command decides it, so that a study keeps its networks when it continues on another machine.
"""

from __future__ import annotations

from pathlib import Path

from distillery.jobs import UserError
from distillery.storage.files import atomic_write

FILE = Path("resources/preflight/machine.json")  # below the study's folder
WITHOUT = '{"gpu": false}\n'  # its content
BEGUN = ("results/teacher/model.safetensors", "results/runs", "results/tuning")  # exist once a training has started
_of_dryrun: set[Path] = set()  # studies that a dry-run would begin without a GPU


def begin(gpus: int, folder: str | Path = ".", *, dryrun: bool = False) -> None:
    """Record that a study starts without a GPU, unless it has trained something already.

    Args:
        gpus: number of GPUs that its jobs may use; nothing is recorded if there are any.
        folder: of the study.
        dryrun: record it for this process only.
    """
    path = Path(folder, FILE)
    if gpus or path.exists() or any(Path(folder, part).exists() for part in BEGUN):
        return
    if dryrun:
        _of_dryrun.add(path)
    else:
        atomic_write(path, WITHOUT)


def begun_without_gpu(folder: str | Path = ".") -> bool:
    """Whether the study was started without a GPU.

    Raises:
        UserError: the file that records it is damaged. If it were ignored, all networks would change.
    """
    path = Path(folder, FILE)
    if path in _of_dryrun:
        return True
    try:
        if path.read_text(encoding="utf-8") == WITHOUT:
            return True
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        pass
    raise UserError(
        f"{path} is damaged. It records that this study was started without a GPU. Replace its content with"
        f" {WITHOUT.strip()}, or delete it to train the networks for a GPU."
    )


def machine_note(gpus: int, teacher: str, student: str) -> str:
    """A line for the user of a study that was started without a GPU.

    Args:
        gpus: number of GPUs of the machine that it runs on now.
        teacher, student: its networks.
    """
    smaller = f"teacher {teacher} and student {student} (without_gpu in the configuration)"
    if gpus:
        return (
            f"This study was started without a GPU and trains {smaller}. To run all of it on this GPU: delete {FILE}."
        )
    return f"No GPU here: this study trains {smaller}, and leaves the diffusion models to a GPU."
