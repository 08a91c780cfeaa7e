"""Queries of the rules for sources, classes and settings of a checked configuration."""

from pathlib import Path

import pytest
import yaml
from mixed_study import STUDY

from distillery.config.checks import early_warnings
from distillery.config.choices import WEB_SEARCHES
from distillery.config.queries import report_queries, retrieval_queries, source_queries, training_queries
from distillery.config.reading import check_config


@pytest.fixture
def study():
    return check_config(yaml.safe_load(STUDY))


def test_sources_by_kind(study):
    assert source_queries.sources_of_kind(study, "bing") == ["bing", "extra"]
    assert source_queries.sources_of_kind(study, "diffusion", "google") == ["google", "sd", "varied"]
    assert source_queries.sources_of_kind(study, "urls") == []


def test_classes_of_sources_are_in_the_study_s_order(study):
    assert source_queries.classes_of(study, "mine") == ["dog"] and source_queries.classes_of(study, "sd") == [
        "cat",
        "dog",
    ]
    study["sources"]["mine"]["classes"] = ["dog", "cat"]
    assert source_queries.limits_of_sources(study, ["mine", "bing"]) == {"bing": 100}
    assert source_queries.classes_of_sources(study, ["mine", "bing"]) == {
        "mine": ["cat", "dog"],
        "bing": ["cat", "dog"],
    }


def test_scenarios_whose_images_the_teacher_labels_or_chooses(study):
    assert training_queries.scenarios_chosen_by_teacher(study) == []
    study["scenarios"]["one"]["clean"] = {"labels": True, "kinds": []}
    study["sources"]["mine"]["labels"] = "teacher"
    assert training_queries.scenarios_chosen_by_teacher(study) == ["one", "two"]
    study["sources"]["mine"]["labels"] = "none"  # the arms that distill read no label, and the others are refused
    study["scenarios"]["one"]["clean"] = {"labels": False, "kinds": ["photo"]}
    assert training_queries.scenarios_chosen_by_teacher(study) == []
    study["sources"]["sd"]["keep"] = {"by": "teacher"}
    assert training_queries.scenarios_chosen_by_teacher(study) == ["two"]


def test_trained_classes(study):
    assert source_queries.trained_classes(study, "one") == {"cat", "dog"}
    study["scenarios"]["two"]["train"] = {"mine": 5}
    assert source_queries.trained_classes(study, "two") == {"dog"}


def test_sources_that_a_study_or_a_scenario_uses(study):
    assert source_queries.used_sources(study) == ["google", "bing", "mine", "sd"]
    assert source_queries.pixel_sources(study, "one") == ["google"]
    assert source_queries.pixel_sources(study, "two") == ["google", "mine", "sd"]
    assert source_queries.generated_sources(study, "one") == [] and source_queries.generated_sources(study, "two") == [
        "sd"
    ]
    assert source_queries.other_test_sources(study) == ["bing"]
    assert source_queries.untrained_sources(study) == ["varied"]


def test_sources_of_the_teacher(study):
    assert source_queries.teacher_sources(study, "train", "test") == []
    study["teacher"]["data"] |= {"kind": "sources", "train_sources": ["extra"], "test_sources": ["varied"]}
    assert source_queries.teacher_sources(study, "train") == ["extra"]
    assert source_queries.teacher_sources(study, "train", "test") == ["extra", "varied"]


def test_the_crawl_policy_of_a_source_is_separate_from_what_it_retrieves(study):
    asked, policy = (
        retrieval_queries.web_source(study, {}, "google", "cat"),
        retrieval_queries.crawl_policy(study, "google"),
    )
    assert policy == {
        "contact": "someone@example.org", "connections_per_host": 1, "max_store_bytes": 0,
        "min_free_bytes": 1_000_000_000, "unavailable": "stop",
    }  # fmt: skip
    of_study = ("contact", "unavailable")
    assert asked | {key: policy[key] for key in policy if key not in of_study} == study["sources"]["google"]
    assert not set(asked) & set(policy) and list(asked)[:2] == ["kind", "per_class"]


def test_a_source_s_setting_for_refusals_overrides_the_study_s(study):
    assert (
        retrieval_queries.unavailable_of(study, "google")
        == retrieval_queries.crawl_policy(study, "google")["unavailable"]
        == "stop"
    )
    study["unavailable"] = "skip"
    study["sources"]["bing"]["unavailable"] = study["sources"]["sd"]["unavailable"] = "stop"
    assert [retrieval_queries.unavailable_of(study, name) for name in ("google", "bing", "sd")] == [
        "skip",
        "stop",
        "stop",
    ]
    assert retrieval_queries.crawl_policy(study, "bing")["unavailable"] == "stop"
    assert (
        "unavailable"
        not in retrieval_queries.web_source(study, {}, "bing", "cat")
        | retrieval_queries.generation_of(study, {}, "sd")["source"]
    )


def test_a_class_retried_after_a_refusal_has_other_parameters(study):
    attempts = {"google": {"dog": 2}, "sd": {"cat": 1, "dog": 1}}
    assert retrieval_queries.web_source(study, attempts, "google", "dog")["attempt"] == 2
    assert retrieval_queries.generation_of(study, attempts, "sd")["source"]["attempt"] == 2
    for name, label in (("google", "cat"), ("bing", "dog")):
        assert retrieval_queries.web_source(study, attempts, name, label) == retrieval_queries.web_source(
            study, {}, name, label
        )
    assert retrieval_queries.generation_of(study, attempts, "varied") == retrieval_queries.generation_of(
        study, {}, "varied"
    )


def test_each_source_that_the_study_uses_is_checked_before_it(study):
    assert retrieval_queries.preflight_sources(study) == ["google", "bing", "sd"]
    study["teacher"]["data"] |= {"kind": "sources", "train_sources": ["extra"], "test_sources": ["varied"]}
    assert retrieval_queries.preflight_sources(study) == ["google", "bing", "sd", "varied", "extra"]
    check = retrieval_queries.check_request(study, "google")
    assert (check.label, check.query, check.preflight) == ("cat", "cat", True)
    assert check.source == retrieval_queries.web_source(study, {}, "google", "cat")
    assert retrieval_queries.check_request(study, "sd").source["model"] == "some/model"


def test_the_imitated_web_of_a_demonstration(study):
    assert retrieval_queries.imitated_web(study) == {} and report_queries.label_of_figures(study) == ""
    study["demo"] = {"label": "Drawn", "seed": 3, "results_per_query": 40}
    assert retrieval_queries.imitated_web(study) == {"results_per_query": 40, "seed": 3}
    assert report_queries.label_of_figures(study) == "Drawn"


def test_a_source_depends_only_on_the_words_that_its_prompt_style_uses(study):
    assert retrieval_queries.words_of(study, "sd") == {"cat": {"prompts": ["a cat"]}, "dog": {"prompts": ["a dog"]}}
    assert retrieval_queries.words_of(study, "varied")["cat"] == {
        "subjects": ["a tabby cat"],
        "settings": ["on a sofa"],
    }
    assert retrieval_queries.words_of(study, "varied")["dog"] == {"subjects": [], "settings": []}


def test_generated_images_do_not_depend_on_the_number_of_jobs_that_share_the_work(study):
    found = retrieval_queries.generation_of(study, {}, "sd")
    assert found["source"] == {key: value for key, value in study["sources"]["sd"].items() if key != "shards"}
    assert (found["name"], found["seed"], found["store"]) == ("sd", 5, "resources/store/sd")
    assert found["classes"] == retrieval_queries.words_of(study, "sd")
    study["sources"]["sd"]["shards"] = 8
    assert retrieval_queries.generation_of(study, {}, "sd") == found


def test_the_wanted_train_images_of_a_source_are_the_most_that_a_scenario_uses(study):
    assert retrieval_queries.wanted_images(study) == {
        "test": {"google": 20, "bing": 20}, "val": {"google": 10}, "train": {"google": 80, "sd": 40, "mine": 5},
    }  # fmt: skip


def test_the_recipe_has_only_keys_that_change_a_result(study):
    recipe = training_queries.recipe_of(study, "student")
    assert recipe["steps"] == 7 and recipe["network"] == "resnet8x4"
    assert not {"checkpoint_every", "tune"} & set(recipe)
    teacher = training_queries.recipe_of(study, "teacher")
    assert set(teacher) == set(recipe) and teacher["lr"] == 0.2


def test_only_changed_settings_of_copies_are_a_parameter(study):
    assert training_queries.changed_copies(study) == {}
    study["copies"] |= {"hue": 0.0, "fill": "gray"}
    assert training_queries.changed_copies(study) == {"copies": {"hue": 0.0, "fill": "gray"}}


def test_settings_of_an_arm_are_sorted_and_without_its_grid(study):
    assert list(training_queries.settings_of_arm(study, "kd").items()) == [
        ("alpha", 0.9),
        ("method", "kd"),
        ("temperature", 2),
    ]
    assert training_queries.settings_of_arm(study, "scratch") == {"method": "ce"}


def test_which_grid_tunes_an_arm(study):
    assert training_queries.tuning_of(study, "one", "scratch") == ("one", study["student"]["tune"])
    assert training_queries.tuning_of(study, "one", "kd") == ("one.kd", study["arms"]["kd"]["tune"])
    assert training_queries.tuning_of(study, "one", "published_kd") is None  # it has its own settings
    del study["student"]["tune"]
    assert training_queries.tuning_of(study, "one", "scratch") is None


def test_figures_without_anything_to_show_are_left_out(study):
    names = ["accuracy", "comparisons", "faults", "published"]
    assert report_queries.figures_of_study(study, names) == ["accuracy", "comparisons", "faults"]
    study["scenarios"]["one"]["published"] = {"site": [1, 2]}
    assert report_queries.figures_of_study(study, names) == names
    study["scenarios"]["one"]["arms"] = study["scenarios"]["two"]["arms"] = ["kd"]
    study["comparisons"] = {}
    assert report_queries.figures_of_study(study, names) == ["accuracy", "published"]
    study["scenarios"]["one"]["arms"] = ["other"]
    assert report_queries.figures_of_study(study, names) == ["accuracy"]


def test_titles_of_sources_follow_their_kinds(study):
    titles = source_queries.titles_of_sources(study, study["sources"])
    assert (titles["google"], titles["extra"], titles["mine"]) == ("Google", "Bing (extra)", "mine")
    assert source_queries.name_on_sheets(study, "google") == "google"
    study["sources"]["google"]["kind"] = "openverse"
    assert source_queries.titles_of_sources(study, ["google"])["google"] == "Openverse"
    assert source_queries.name_on_sheets(study, "google") == "google (Openverse)"


def test_published_numbers_are_shown_beside_their_own_kind_of_source_alone(study):
    published = {"site": [1, 2], "notebook": [1, 2], "test": "200 Google"}
    study["scenarios"] = {
        name: {"train": dict.fromkeys(sources, 20), "arms": ["scratch"], "published": published}
        for name, sources in {"one": ["google"], "two": ["google", "bing"], "new": ["extra", "sd"]}.items()
    }
    assert report_queries.scenarios_as_shown(study) == study["scenarios"]
    for kind in ("openverse", "bing", "folder"):
        study["sources"]["google"]["kind"] = kind
        shown = report_queries.scenarios_as_shown(study)
        assert [name for name in shown if "published" in shown[name]] == ["new"]
    del study["scenarios"]["new"]
    assert report_queries.figures_of_study(study, ["published"]) == []


def test_all_published_numbers_of_the_root_configuration_are_shown():
    study = check_config(yaml.safe_load((Path(__file__).parents[3] / "config.yaml").read_text()))
    assert report_queries.scenarios_as_shown(study) == study["scenarios"]
    titles = source_queries.titles_of_sources(study, study["sources"])
    of_published = ["Google", "Bing", "SD2", "SD3"]
    others = ["sd2 varied", "sd3 varied", "sd2 kept", "Openverse", "Wikimedia Commons"]
    assert list(titles.values()) == [*of_published, *others]


def test_headings_of_figures_name_the_study(study):
    study["title"] = "A study"
    assert report_queries.heading_of_figure(study, {"title": "Sizes", "category": "Charts"}) == "Sizes: A study"
    assert report_queries.heading_of_figure(study, {"title": "Diversity", "category": "Images"}) == "Diversity: A study"


def test_limits_of_resources():
    limits = {f"{kind}_crawls": 1 for kind in (*WEB_SEARCHES, "url")} | {"dataset_imports": 1}
    assert retrieval_queries.resource_limits(0) == limits and retrieval_queries.resource_limits(2) == limits | {
        "gpu": 2
    }


@pytest.mark.parametrize("kind", WEB_SEARCHES)
def test_one_crawl_of_each_search_at_a_time(study, kind):
    study["sources"]["web"] = {"kind": kind}
    counts = retrieval_queries.crawl_counts(study, "web")
    assert [name for name, count in counts.items() if count] == [f"{kind}_crawls"] and sum(counts.values()) == 1
    assert counts.keys() <= retrieval_queries.resource_limits(0).keys()


def test_models_at_a_branch_are_a_warning_and_pinned_ones_and_folders_none(study, tmp_path):
    study["scenarios"]["two"]["train"]["varied"] = 10
    (line,) = early_warnings.study_warnings(study)
    assert line.startswith("sources sd, varied: their models are not pinned")
    study["sources"]["sd"]["revision"], study["sources"]["varied"]["model"] = "0a" * 20, str(tmp_path)
    assert early_warnings.study_warnings(study) == []
