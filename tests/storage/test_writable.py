"""A folder that cannot be written and a full disk of temporary files end a run in one line, before it starts."""

import errno
import tempfile

import pytest

from distillery.jobs import UserError
from distillery.storage.writable import require_room_for_temporary_files, require_writable


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
