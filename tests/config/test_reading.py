"""A file is read as a configuration, or refused in one line that names the place."""

import json

import pytest
from small_config import STUDY

from distillery.config.reading import check_config, load_config, read_config
from distillery.jobs import UserError


def test_two_scenarios_of_one_name_are_an_error(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(STUDY + "  one: {train: {bing: 80}}\n")
    with pytest.raises(UserError, match="config.yaml, line 15: the name one is given twice"):
        read_config(path)


def test_json_may_hold_tabs_and_a_slip_in_it_has_a_line(tmp_path, study):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(study, indent="\t"))
    assert load_config(path) == check_config(study)
    path.write_text('{"title":\n}')
    with pytest.raises(UserError, match="config.json, line 2"):
        read_config(path)


def test_a_file_that_is_no_configuration_is_an_error(tmp_path):
    path = tmp_path / "config.yaml"
    for text, message in {"- a": "must hold keys", "a: [": "line 1", "a: \x00": "config.yaml"}.items():
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            load_config(path)
    with pytest.raises(UserError, match="missing.yaml cannot be read"):
        load_config(tmp_path / "missing.yaml")
