"""Whether a study was begun on a machine without a GPU, and so trains the networks that suit one.

Decided once, by the first command, so that a study keeps its networks wherever it goes on.
"""

from __future__ import annotations

from pathlib import Path

from distillery.jobs import UserError
from distillery.storage.files import atomic_write

FILE = Path("resources/preflight/machine.json")  # below the study's folder
WITHOUT = '{"gpu": false}\n'  # its content
BEGUN = ("results/teacher/model.safetensors", "results/runs", "results/tuning")  # of any training
_of_dryrun: set[Path] = set()  # studies that a dry-run would begin without a GPU


def begin(gpus: int, folder: str | Path = ".", *, dryrun: bool = False) -> None:
    """Remember that there is no GPU, if nothing of the study has been trained yet.

    Args:
        gpus: that its jobs may use.
        folder: of the study.
        dryrun: remember it for this process alone.
    """
    path = Path(folder, FILE)
    if gpus or path.exists() or any(Path(folder, part).exists() for part in BEGUN):
        return
    if dryrun:
        _of_dryrun.add(path)
    else:
        atomic_write(path, WITHOUT)


def begun_without_gpu(folder: str | Path = ".") -> bool:
    """Whether the study was begun without a GPU.

    Raises:
        UserError: the file that says so is damaged. Without it all networks would become others.
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
        f"{path} is damaged: it says that this study was begun without a GPU. Make it {WITHOUT.strip()} again, or"
        " delete it to train the networks for a GPU."
    )


def machine_note(gpus: int, teacher: str, student: str) -> str:
    """What to tell the user of a study that was begun without a GPU, in one line.

    Args:
        gpus: of the machine that it goes on with.
        teacher, student: its networks.
    """
    smaller = f"teacher {teacher} and student {student} (without_gpu in the configuration)"
    if gpus:
        return f"This study was begun without a GPU and trains {smaller}. To run it whole on this GPU: delete {FILE}."
    return f"No GPU here: this study trains {smaller}, and leaves the diffusion models to a GPU."
