"""Weights are saved in reproducible bytes and loaded unchanged; foreign and damaged files end in one line."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from distillery.file_digests import forget_digests
from distillery.jobs import UserError
from distillery.models.architectures import NormalizedModel, build_network
from distillery.models.weights import TrainedNetwork, load_weights, save_weights


@pytest.fixture
def trained():
    network = NormalizedModel(
        build_network("resnet8_half", 2), torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.4, 0.5, 0.6])
    )
    return TrainedNetwork(network, "resnet8_half", ("cat", 'größe, "x"'), 24, "student", 7)


def test_saving_and_loading_keeps_network_and_metadata(trained, tmp_path):
    path = tmp_path / "model.safetensors"
    save_weights(path, trained)
    back = load_weights(path, trained.classes)
    assert (back.name, back.classes, back.image_size, back.kind, back.steps) == (
        "resnet8_half", trained.classes, 24, "student", 7,
    )  # fmt: skip
    images = torch.rand(2, 3, 24, 24)
    assert torch.equal(back.network.eval()(images), trained.network.eval()(images))
    assert load_file(path)["mean"].flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])


def test_the_same_weights_give_the_same_bytes_every_time(trained, tmp_path):
    for number in range(12):  # safetensors orders metadata differently at each call
        save_weights(tmp_path / f"{number}.safetensors", trained)
    assert len({path.read_bytes() for path in tmp_path.glob("*.safetensors")}) == 1


def test_channels_last_weights_give_the_same_bytes_as_contiguous_ones(trained, tmp_path):
    save_weights(tmp_path / "a.safetensors", trained)
    trained.network.to(memory_format=torch.channels_last)
    save_weights(tmp_path / "b.safetensors", trained)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.parametrize("length", [0, 5, 100, 5000])
def test_a_truncated_file_gives_a_one_line_error(trained, tmp_path, length):
    path = tmp_path / "model.safetensors"
    save_weights(path, trained)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UserError, match=r"model\.safetensors is damaged: .* Delete it and run again"):
        load_weights(path)
    forget_digests([path])  # as with files of an earlier version
    with pytest.raises(UserError, match=r"model\.safetensors are damaged .* Delete it and run again") as error:
        load_weights(path)
    assert "\n" not in str(error.value)


def test_foreign_files_give_a_one_line_error(trained, tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(UserError, match="not this study's"):
        load_weights(tmp_path / "foreign.safetensors")
    save_weights(tmp_path / "model.safetensors", trained)
    metadata = {"network": "resnet20", "classes": '["a"]', "image_size": "24", "kind": "student", "steps": "1"}
    save_file(load_file(tmp_path / "model.safetensors"), tmp_path / "other.safetensors", metadata)
    with pytest.raises(UserError, match="not this study's") as error:
        load_weights(tmp_path / "other.safetensors")
    assert "\n" not in str(error.value)


def test_other_classes_give_a_one_line_error(trained, tmp_path):
    save_weights(tmp_path / "model.safetensors", trained)
    with pytest.raises(UserError, match="are for classes cat, .*, not dog"):
        load_weights(tmp_path / "model.safetensors", ["dog"])
