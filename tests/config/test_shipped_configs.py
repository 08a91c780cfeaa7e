"""The configurations that come with the project, and those in the docs, are valid."""

import json
from pathlib import Path

import pytest
import yaml

from distillery.config.reading import check_config, load_config
from distillery.sources.own_files import check_own_files

ROOT = Path(__file__).parents[2]


def test_the_published_study(monkeypatch):
    monkeypatch.chdir(ROOT)
    study = load_config("config.yaml")
    assert len(study["classes"]) == 10
    assert study["seeds"] == study["teacher"]["seeds"] == study["split"]["draws"] == 8
    assert all(len(c["queries"]) == 30 and len(c["prompts"]) == 10 for c in study["classes"].values())
    totals = {name: sum(scenario["train"].values()) for name, scenario in study["scenarios"].items()}
    free = {"small_openverse", "small_commons", "small_free"}  # sources that need no account, as small_bing
    assert len(totals) == 13 + 4 + len(free) + 1
    small = {"small_google", "small_bing", "small_web", "small_sd2", "small_sd3"}
    varied = {name for name in totals if name.endswith("_varied")}
    assert varied == {f"{size}_{model}_varied" for size in ("small", "large") for model in ("sd2", "sd3")}
    assert {name for name, n in totals.items() if n == 800} - varied - free == small | {"small_sd2_kept"}
    assert {name for name, n in totals.items() if n == 400} == {"small_web_color", "small_web_rotation"}
    assert {name for name, n in totals.items() if n == 4000} == {"medium_web", "medium_web_sd"}
    assert {n for name, n in totals.items() if name.startswith("large")} == {8000}
    assert set(study["arms"]) == {"scratch", "kd", "kd_tuned", "published_scratch", "published_kd"}
    published = {name: s["published"] for name, s in study["scenarios"].items() if "published" in s}
    assert set(published) == set(totals) - varied - free - {"small_sd2_kept"}
    assert all(len(said["site"]) == len(said["notebook"]) == 2 for said in published.values())
    sources = study["sources"]
    composed = [name for name in sources if sources[name].get("prompt_style") == "composed"]
    assert composed == ["sd2_varied", "sd3_varied", "sd2_kept"]
    # the sources differ only in the selection of images, so the pair of scenarios compares only that
    varied, kept = ({**sources[name], "per_class": 0, "keep": 0} for name in ("sd2_varied", "sd2_kept"))
    assert varied == kept and study["comparisons"]["choosing"]["scenarios"] == ["small_sd2_varied", "small_sd2_kept"]


def test_the_root_configuration_has_the_exact_queries_and_prompts_of_the_published_study(monkeypatch):
    facts = ROOT.parent / "shared" / "facts" / "study.yaml"
    if not facts.exists():
        pytest.skip("the facts of the published study are missing")
    monkeypatch.chdir(ROOT)
    study, facts = load_config("config.yaml"), yaml.safe_load(facts.read_text())
    asked = {name: {key: words[key] for key in ("queries", "prompts")} for name, words in study["classes"].items()}
    assert json.dumps(asked) == json.dumps(facts["classes"])  # also in the same order
    for result in facts["results"]:
        published = study["scenarios"][result["id"]]["published"]
        assert (published["site"], published["notebook"]) == (result["site"], result["notebook"])
        assert published["test"] == result["test"]


def test_the_demonstration(monkeypatch):
    monkeypatch.chdir(ROOT / "demo")
    study = load_config("config.yaml")
    assert len(study["classes"]) == 10 and study["seeds"] == 3 and "demo" in study
    assert {s["augment"] for s in study["scenarios"].values()} == {"none", "color", "rotation"}
    kinds = [{study["sources"][name]["kind"] for name in s["train"]} for s in study["scenarios"].values()]
    assert all(kind in kinds for kind in ({"google"}, {"bing"}, {"google", "bing"}, {"diffusion"}))


def test_the_documented_study_that_tries_a_new_search_is_valid():
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("```yaml\n")[2].partition("```")[0]
    study = check_config(yaml.safe_load(text.replace("kind: example", "kind: bing")))
    assert "demo" in study and list(study["sources"]) == ["example"]


@pytest.mark.parametrize(
    ("number", "scenarios", "kind"), [(0, {"own", "more", "web"}, "folder"), (1, {"web", "generated"}, "sources")]
)
def test_the_examples_in_the_docs_are_valid(tmp_path, monkeypatch, number, scenarios, kind):
    text = (ROOT / "docs" / "new_study.md").read_text().split("```yaml\n")[1 + number].partition("```")[0]
    (tmp_path / "config.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    study = load_config("config.yaml")
    assert set(study["scenarios"]) == scenarios and study["teacher"]["data"]["kind"] == kind
    if kind == "folder":
        for part in ("images", "labeled/train", "labeled/test"):
            for label in study["classes"]:
                Path(part, label).mkdir(parents=True)
                for image in range(300):
                    Path(part, label, f"{image}.jpg").touch()
        Path("phone").mkdir()
    assert check_own_files(study) == []
