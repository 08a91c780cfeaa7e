"""Every test that docs/security.md names as evidence exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = re.findall(r"`((?:tests/|test_)[\w/.]+)`", (ROOT / "docs" / "security.md").read_text())
TESTS = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}


@pytest.mark.parametrize("name", sorted(set(NAMED)))
def test_a_named_test_is_there(name):
    if name.startswith("tests/"):
        assert (ROOT / name).exists()
    elif name.endswith(".py"):
        assert name in TESTS
    else:
        assert any(f"def {name}(" in text for text in TESTS.values())


def test_every_row_names_a_test():
    promises = (ROOT / "docs" / "security.md").read_text().split("## Damaged files")[0]
    rows = re.findall(r"^\| (?!threat|---).*\|$", promises, re.M)
    assert len(rows) >= 15 and all(re.search(r"`(tests/|test_)", row) for row in rows)
