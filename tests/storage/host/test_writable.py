"""A folder that cannot be written and a full disk of temporary files end a run in one line, before it starts."""

import errno
import shutil
import subprocess
import tempfile

import pytest
from running import ROOT, command, environment

from distillery.jobs import UserError
from distillery.storage.host.writable import require_room_for_temporary_files, require_writable


def test_a_folder_that_cannot_be_written_names_the_option(tmp_path):
    require_writable(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"Nothing can be written to .*file \(Not a directory\).*--directory FOLDER"):
        require_writable(tmp_path / "file")


def test_a_folder_of_temporary_files_that_is_full_or_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    require_room_for_temporary_files()

    def full(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(UserError, match=rf"{tmp_path} \(No space left on device\)\. .*set TMPDIR"):
        require_room_for_temporary_files()
    monkeypatch.undo()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    with pytest.raises(UserError, match="missing.*No such file or directory"):
        require_room_for_temporary_files()


def test_a_user_without_a_home_and_with_fewer_cores_than_asked_runs_a_study(tmp_path):
    shutil.copyfile(ROOT / "demo" / "config.yaml", tmp_path / "config.yaml")
    bare = {name: value for name, value in environment().items() if name not in ("HOME", "XDG_CACHE_HOME")}
    asked = command(tmp_path, "--cores", "999", "results/plan.md")
    done = subprocess.run(asked, env=bare | {"HOME": "/nonexistent"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert (tmp_path / "results" / "plan.md").exists()
