"""Finished trainings, kept outside the workflow's declared outputs so that none is repeated. Imports no torch.

A job that runs again restores their files from copies. It runs again if an input was rewritten with the same content,
if another training of the same job was killed, or if the study has one more seed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from distillery.code_hash import code_hash
from distillery.jobs import log
from distillery.storage.files import atomic_write

LIBRARY = Path(__file__).parents[2]  # holds the package
# these and all that they import
TRAINING_MODULES = ("distillation/student.py", "distillation/methods/registry.py", "distillation/teachers/trained.py")
RECORD = "finished.json"


@cache
def code_version() -> str:
    """A hash of all code that trains. Without it, a training resumed after an update could change its loss midway."""
    return " ".join(code_hash(LIBRARY / "distillery" / module, LIBRARY) for module in TRAINING_MODULES)


@dataclass(frozen=True)
class FinishedTraining:
    """The files of one training, kept once it has finished.

    Attributes:
        folder: of this training alone.
        key: over everything that decides its files; files with another key are not used.
    """

    folder: Path
    key: str

    def keep(self, files: Mapping[str, str | Path]) -> None:
        """Keep copies of a training's files, by name. A full disk raises no error: the files themselves exist."""
        try:
            (self.folder / RECORD).unlink(missing_ok=True)
            contents = {name: Path(path).read_bytes() for name, path in files.items()}
            for name, content in contents.items():
                atomic_write(self._kept(name), content)
            digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
            atomic_write(self.folder / RECORD, json.dumps({"key": self.key, "files": digests}, indent=1) + "\n")
        except OSError as error:
            log.info("the finished training is not kept in %s (%s)", self.folder, error.strerror)

    def put_back(self, files: Mapping[str, str | Path]) -> bool:
        """Write a training's files from their copies.

        Args:
            files: where to write each, by name.

        Returns:
            Whether this training has finished before and all copies are whole. Nothing is written otherwise.
        """
        try:
            record = json.loads((self.folder / RECORD).read_text(encoding="utf-8"))
            if record["key"] != self.key:
                log.info("the training kept in %s is not used: it is of another configuration or version", self.folder)
                return False
            contents = {name: self._kept(name).read_bytes() for name in files}
            for name, content in contents.items():
                if record["files"][name] != hashlib.sha256(content).hexdigest():
                    raise ValueError(f"{name} has another content")
        except FileNotFoundError:
            return False
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.info("the training kept in %s is not used: it is damaged (%s)", self.folder, error)
            return False
        for name, content in contents.items():
            atomic_write(files[name], content)
        return True

    def _kept(self, name: str) -> Path:
        return self.folder / "finished" / name
