"""Act as a user whom the file system can refuse: root, as which tests may run, can read everything."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that every user may read; pytest's own may be read by one alone."""
    folder = Path(tempfile.mkdtemp(prefix="distillery-permissions-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        for place in [folder, *folder.rglob("*")]:
            if place.is_dir():
                place.chmod(0o755)
        shutil.rmtree(folder)


@contextmanager
def without_privileges() -> Iterator[None]:
    """Lower this process's rights to those of an ordinary user."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
