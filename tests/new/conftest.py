"""An empty working directory of a machine without a GPU, and folders of images."""

from pathlib import Path

import pytest

from distillery.new import presets


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Of a study that does not exist yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(presets, "count_gpus", lambda: 0)
    return Path("tomatoes")


@pytest.fixture
def photos():
    """Makes a folder of images by their suffix, of a number for each class."""

    def make(folder, **counts):
        for name, count in counts.items():
            Path(folder, name).mkdir(parents=True)
            for number in range(count):
                Path(folder, name, f"{number}.jpg").touch()

    return make
