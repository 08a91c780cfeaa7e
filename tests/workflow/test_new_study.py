"""A new user's study, from one command to the page, with imitated searches."""

import pandas as pd
import yaml

from distillery.new.searched import new_study

from .conftest import Study

TINY = {"network": "resnet8_half", "steps": 8, "batch": 8}


def shrink(config):
    """The same study with fewer images, steps and seeds, and with searches imitated on this machine."""
    config |= {"image_size": 16, "seeds": 1, "demo": {"label": "A test on drawn images", "results_per_query": 24}}
    for name, source in config["sources"].items():
        source["per_class"] = {"bing": 24, "openverse": 16}.get(name, 8)
    config["split"] |= {"test": {"bing": 8, "openverse": 8}, "val": {"bing": 2, "openverse": 2}}
    for part in ("teacher", "student"):
        config[part] |= TINY
    config["student"]["tune"] = {"lr": [0.1], "weight_decay": [0.0005]}
    for scenario in config["scenarios"].values():
        scenario["train"] = dict.fromkeys(scenario["train"], 6)
    config["scenarios"]["bing_more"]["train"] = {"bing": 12}
    return config


def test_from_nothing_to_the_page(tmp_path):
    path = new_study(tmp_path / "animals", ["cat", "ship"], subject="")
    study = Study(path.parent, shrink(yaml.safe_load(path.read_text())))
    study.run()
    page = (path.parent / "results" / "report.html").read_text()
    assert "Openverse" in page and "Bing" in page
    summary = pd.read_csv(path.parent / "results" / "tables" / "summary.csv").set_index(["scenario", "arm"])
    assert set(summary.index.get_level_values("scenario")) == {"bing", "openverse", "both", "bing_more"}
    assert summary.at[("openverse", "kd"), "train"] == "6 Openverse"
    assert summary.at[("both", "scratch"), "train"] == "6 Bing + 6 Openverse"
    teacher = pd.read_csv(path.parent / "results" / "tables" / "teacher.csv")
    assert {"own", "bing", "openverse"} == set(teacher["test"])
