"""Training curves are means over seeds with their intervals."""

import numpy as np
import pandas as pd
import pytest

from distillery.analysis.study_tables import curves
from distillery.jobs import UserError


def test_curves_are_means_over_seeds(tmp_path):
    paths = []
    for seed, loss in ((0, 1.0), (1, 3.0)):
        path = tmp_path / "a" / "kd" / f"seed{seed}" / "history.csv"
        path.parent.mkdir(parents=True)
        path.write_text(f"step,loss,lr,val_accuracy\n5,{loss},0.1,\n10,{loss / 2},0.1,0.{seed + 4}\n")
        paths.append(path)
    curves.tabulate_curves(paths, tmp_path / "curves.csv", scenarios=["a"], arms=["kd"], label="x")
    table = pd.read_csv(tmp_path / "curves.csv").set_index("step")
    assert table["loss"].tolist() == [2, 1] and table["n_seeds"].tolist() == [2, 2]
    assert np.isnan(table.loc[5, "val_percent"]) and table.loc[10, "val_percent"] == 45
    # two seeds give intervals of more than 12 standard errors, cut to possible values of accuracy and loss
    assert table.loc[10, ["val_low", "val_high"]].tolist() == [0, 100]
    assert table.loc[5, "loss_low"] == 0 and table.loc[5, "loss_high"] == pytest.approx(2 + 12.706, abs=0.01)
    paths[0].write_text("step,loss\n1,2\n")
    with pytest.raises(UserError, match="history.csv is damaged"):
        curves.tabulate_curves(paths, tmp_path / "curves.csv", scenarios=["a"], arms=["kd"])
