"""LoRA in a configuration: only safetensors, one adapter for each model, and adapted sources are generated later."""

from pathlib import Path

import pytest
import yaml
from mixed_study import STUDY

from distillery.config.queries import derived_sources as derived
from distillery.config.queries import retrieval_queries, source_queries
from distillery.config.reading import check_config, load_config
from distillery.config.targets import image_files
from distillery.jobs import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return yaml.safe_load(STUDY)


def mistake(config):
    with pytest.raises(UserError) as error:
        check_config(config)
    return str(error.value).removeprefix("config: sources.sd.")


@pytest.mark.parametrize(
    "path, told",
    [
        ("lost.safetensors", "there is no file lost.safetensors"),
        ("weights.bin", "weights.bin is no .safetensors file; other formats may run code when they are loaded"),
        ("some", "some is no .safetensors file; other formats may run code when they are loaded"),
        (".", ". is a folder; name the .safetensors file in it"),
    ],
)
def test_only_safetensors_are_taken(config, tmp_path, path, told):
    (tmp_path / "some").touch()
    config["sources"]["sd"]["lora"] = {"path": path}
    assert mistake(config) == f"lora.path: {told}"


def test_a_file_is_an_input_of_the_job_and_an_id_of_the_hub_is_not(config, tmp_path):
    (tmp_path / "own.safetensors").touch()
    for path, files in {"own.safetensors": ["own.safetensors"], "someone/lora": []}.items():
        config["sources"]["sd"]["lora"] = {"path": path}
        study = check_config(config)
        assert study["sources"]["sd"]["lora"] == {"path": path, "file": "", "revision": "", "weight": 1.0}
        assert image_files.lora_files(study, "sd") == files and derived.derived_sources(study) == []
    config["sources"]["sd"]["lora"]["file"] = "weights.bin"
    assert mistake(config).startswith("lora.file: weights.bin is no .safetensors file")


def test_an_adapted_source_is_made_after_the_split_of_the_one_it_is_adapted_to(config):
    config["sources"]["sd"]["adapt"] = {"source": "extra"}
    study = check_config(config)
    assert study["sources"]["sd"]["adapt"] == {
        "source": "extra", "steps": 500, "rank": 8, "batch": 4, "lr": 0.0001, "weight": 1.0,
    }  # fmt: skip
    assert derived.derived_sources(study) == ["sd"] and "extra" in derived.base_sources(study)
    split = {"splits": "results/base/splits.parquet", "refusals": "results/base/refusals.json"}
    assert image_files.train_files(study, "sd") == split | {"parents": image_files.pools(study, "extra", "tar")}
    adapter = {"adapter": "resources/adapted/sd.safetensors", "refusals": split["refusals"]}
    assert image_files.adapter_files(study, "sd") == adapter and image_files.adapter_files(study, "varied") == {}
    wanted = {"kind", "model", "revision", "size", "dtype", "components", "seed", "adapt"}
    assert set(retrieval_queries.adaptation_of(study, "sd")) == wanted
    assert derived.records_of_children(study) == []


@pytest.mark.parametrize(
    "change, told",
    [
        (
            {"adapt": {"source": "no"}},
            "adapt.source: unknown source no; known are google, bing, mine, sd, varied, extra",
        ),
        ({"adapt": {"source": "sd"}}, "adapt.source: sd cannot be made from itself; name another source"),
        (
            {"adapt": {"source": "bing"}, "from": {"source": "google"}},
            "adapt.source: key from names google; use one source for both",
        ),
        (
            {"adapt": {"source": "bing"}, "lora": {"path": "a/b"}},
            "lora: the key adapt also trains a LoRA for this model; remove one of the two",
        ),
    ],
)
def test_impossible_adaptations_are_errors(config, change, told):
    config["sources"]["sd"] |= change
    assert mistake(config) == told


@pytest.mark.parametrize("key", ["test", "val"])
def test_an_adapted_source_has_train_images_alone(config, key):
    config["sources"]["sd"]["adapt"] = {"source": "bing"}
    config["split"][key]["sd"] = 20
    with pytest.raises(UserError, match=f"split.{key}: sd is made by a model that saw bing, so its images are only"):
        check_config(config)


def test_a_study_without_these_keys_has_no_files_of_adapters(config):
    for study in (check_config(config), load_config(ROOT / "demo" / "config.yaml")):
        for source in source_queries.sources_of_kind(study, "diffusion"):
            assert not {"lora", "adapt", "prompts_from"} & set(study["sources"][source])
            assert image_files.lora_files(study, source) == [] and image_files.adapter_files(study, source) == {}
