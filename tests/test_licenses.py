"""The table of licenses lists every package that a study installs, with the license from its metadata."""

import re
from email.message import Message
from pathlib import Path
from types import SimpleNamespace

import pytest

from distillery.licenses import license_table, main, named_packages, needed_packages, stated_license

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "requirements.txt"


def test_the_page_names_every_requirement_with_its_license():
    page = (ROOT / "docs" / "licenses.md").read_text()
    named = page.partition("## Their dependencies")[0]
    assert re.findall(r"^\| ([\w-]+) \| .+ \|$", named, re.M)[1:] == named_packages(REQUIREMENTS)
    assert "not stated" not in named


def test_the_command_writes_the_page_of_what_is_installed(tmp_path):
    (tmp_path / "requirements.txt").write_text("jsonschema==4.26.0  # a reason\n")
    main([str(tmp_path / "requirements.txt"), str(tmp_path / "page.md")])
    assert "| jsonschema | MIT |" in (tmp_path / "page.md").read_text()
    assert {"attrs", "referencing"} <= set(needed_packages(["jsonschema"])) and "jsonschema" not in needed_packages(
        ["jsonschema"]
    )
    assert license_table(["attrs"]).splitlines()[-1] == "| attrs | MIT |"


@pytest.mark.parametrize(
    "fields, name",
    [
        ({"License-Expression": "MIT", "License": "other"}, "MIT"),
        ({"Classifier": "License :: OSI Approved :: BSD License", "License": "x"}, "BSD License"),
        ({"Classifier": "License :: OSI Approved", "License": "Apache 2.0"}, "Apache 2.0"),
        ({"License": "\nLine one\nof many"}, "Line one"),
        ({"License": "x" * 300}, "not stated"),
        ({}, "not stated"),
    ],
)
def test_a_license_is_read_where_it_stands(fields, name):
    about = Message()
    for field, value in fields.items():
        about[field] = value
    assert stated_license(SimpleNamespace(metadata=about)) == name
