"""The label audit flags planted label errors and leaves out images that the teacher trained on."""

import numpy as np
import pytest
from tiny_study import CLASSES, draw

from distillery.analysis.data_quality.label_audit import SCHEMA, audit_labels
from distillery.curation.curated import CURATED_SCHEMA
from distillery.curation.leakage import LEAKAGE_SCHEMA
from distillery.jobs import UserError
from distillery.splits.split import SPLITS_SCHEMA
from distillery.storage.parquet import read_parquet, write_parquet
from distillery.training.run_files import predictions_schema


def empty(schema, count):
    return {field.name: [""] * count if str(field.type) == "string" else [0] * count for field in schema}


@pytest.fixture
def audited(study, tmp_path):
    """Audit 60 images of the study's colors: rows 0 to 4 are mislabeled, the teacher trained on rows 2 and 30."""
    truth = np.arange(60) % 3
    labels = np.where(np.arange(60) < 5, (truth + 1) % 3, truth)

    def audit(classes=CLASSES, side=16, parts=("train",), test_seed=5):
        tested = np.resize(np.array(parts), 60) == "test"
        pixels = np.where(tested[:, None, None, None], draw(truth, test_seed, side), draw(truth, 5, side))
        np.save(tmp_path / "web.npy", pixels)
        split = {"source": ["web"] * 60, "row": range(60), "split": np.resize(np.array(parts), 60)}
        write_parquet(tmp_path / "splits.parquet", empty(SPLITS_SCHEMA, 60) | split, SPLITS_SCHEMA)
        columns = empty(CURATED_SCHEMA, 61) | {"row": [*range(60), -1], "kept": [True] * 60 + [False]}
        columns |= {"class": [classes[label] for label in labels] + ["red"], "key": [f"k{i}" for i in range(61)]}
        columns["clip_score"] = [0.25, *[-1] * 60]
        write_parquet(tmp_path / "web.parquet", columns, CURATED_SCHEMA)
        known = empty(LEAKAGE_SCHEMA, 3) | {"source": ["web", "web", "web"], "row": [2, 30, 4]}
        write_parquet(
            tmp_path / "leakage.parquet", known | {"teacher_split": ["train", "train", "test"]}, LEAKAGE_SCHEMA
        )
        # logits of the teacher's own test images, labeled red, green, blue in turn; rows 0 and 4 contradict the label
        own_labels = np.arange(30) % 3
        logits = 6.0 * np.eye(3, dtype=np.float32)[np.where(np.isin(np.arange(30), (0, 4)), 2, own_labels)]
        own = {"source": ["own_test"] * 30 + ["web"], "row": [*range(30), 0], "label": [*own_labels, 0]}
        own |= {"predicted": [*logits.argmax(1), 0], "logits": np.concatenate([logits, logits[:1]])}
        write_parquet(tmp_path / "predictions.parquet", own, predictions_schema(3))
        paths = [tmp_path / name for name in ("web.npy", "web.parquet", "leakage.parquet", "splits.parquet")]
        outputs = tmp_path / "audit.parquet", tmp_path / "own.parquet"
        audit_labels(*paths, study.teacher, tmp_path / "predictions.parquet", *outputs, source="web", threads=1)
        return truth, read_parquet(outputs[0], SCHEMA.names)

    return audit


def test_planted_label_errors_are_flagged(audited):
    truth, found = audited()
    assert found["row"].tolist() == list(range(60)) and found["key"][7] == "k7" and set(found["source"]) == {"web"}
    assert np.flatnonzero(found["audited"] == 0).tolist() == [2, 30]
    assert np.flatnonzero(found["is_label_issue"]).tolist() == [0, 1, 3, 4]
    assert [found["likely"][row] for row in (0, 1, 3, 4)] == [CLASSES[truth[row]] for row in (0, 1, 3, 4)]
    assert found["likely"][2] == found["class"][2] and found["confident"][2] == ""  # not audited, so not flagged
    assert found["clip"].tolist() == [0.25, *[-1] * 59]
    assert set(found["confident"]) <= {*CLASSES, ""}
    p = np.array(found["p_claimed"].tolist())
    assert (p >= 0).all() and (p <= 1).all() and p[[0, 1, 3, 4]].max() < np.median(p[5:])


def test_the_teacher_s_own_test_images_are_audited_in_the_same_way(audited, tmp_path):
    audited()
    own = read_parquet(tmp_path / "own.parquet", SCHEMA.names)
    assert own["row"].tolist() == list(range(30)) and set(own["source"]) == {"own_test"} and own["audited"].all()
    assert np.flatnonzero(own["is_label_issue"]).tolist() == [0, 4]
    assert own["likely"][[0, 4]].tolist() == [CLASSES[2]] * 2 and own["class"][:3].tolist() == list(CLASSES)


PARTS = ("train", "train", "train", "test", "test", "test", "val", "train", "unused")


def test_test_images_are_audited_but_change_no_other_result(audited):
    _, found = audited(parts=PARTS)
    _, other = audited(parts=PARTS, test_seed=6)
    others = np.resize(np.array(PARTS), 60) != "test"
    assert (found["p_claimed"][~others] != other["p_claimed"][~others]).any()
    for name in ("p_claimed", "confident", "likely", "is_label_issue"):
        assert found[name][others].tolist() == other[name][others].tolist()
    assert np.flatnonzero(found["is_label_issue"]).tolist() == [0, 1, 3, 4]  # 3 and 4 are test images


def test_a_source_without_train_images_is_audited_by_all_its_images(audited):
    (_, trained), (_, tested) = audited(), audited(parts=("test",))
    assert tested["is_label_issue"].tolist() == trained["is_label_issue"].tolist() and tested["is_label_issue"].any()


def test_the_audit_is_repeatable_byte_for_byte(audited, tmp_path):
    audited()
    before = (tmp_path / "audit.parquet").read_bytes()
    audited()
    assert (tmp_path / "audit.parquet").read_bytes() == before


def test_a_teacher_of_other_classes_or_sizes_ends_in_one_line(audited):
    with pytest.raises(UserError, match="the teacher does not know pink"):
        audited(classes=["red", "green", "pink"])
    with pytest.raises(UserError, match="another size than the teacher's"):
        audited(side=18)
