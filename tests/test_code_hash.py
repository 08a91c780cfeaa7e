"""A change of the library reruns only jobs whose code it changes."""

import ast
import re
from itertools import count
from pathlib import Path

import pytest

from distillery.code_hash import code_hash, imported_modules

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
RULES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))
# and a list that the user may edit
RETRIEVAL = {
    "collect_titles",
    "check_search",
    "check_model",
    "check_dataset",
    "time_training",
    "show_preflight",
    # its file may be edited, so that no new code writes it again
    "crawl",
    "fetch_addresses",
    "import_folder",
    "import_dataset",
    "adapt_model",  # GPU hours, as generating
    "generate",
    "generate_share",
}
TREE = {
    "train.py": "from lib.training import train\n\ntrain()\n",
    "lib/__init__.py": '"""The library."""\n',
    "lib/training.py": "import lib.losses\nfrom lib import messages, networks\n\n\ndef train():\n    return networks\n",
    "lib/losses.py": "kd = 1\n",
    "lib/networks.py": "def build():\n    from lib.deep import blocks\n\n    return blocks.BLOCK\n",
    "lib/deep/__init__.py": "",
    "lib/deep/blocks.py": "from . import template\nfrom ..losses import kd\n\nBLOCK = kd\n",
    "lib/deep/template.py": "from pathlib import Path\n\nHERE = Path(__file__).parent / 'page.html'\n",
    "lib/deep/page.html": "<p>",
    "lib/messages.py": "import lib.colors\n\nCHANGES_NO_RESULT = True\n\nHELLO = 'hello'\n",
    "lib/colors.py": "RED = 1\n",
    "lib/figures.py": "INK = 'black'\n",
    "lib/sheets/style.css": "p {}",
    "lib/sheets/__init__.py": "",
}
numbers = count()


@pytest.fixture
def hash_of(tmp_path):
    """The hash of train.py in a tree with some files replaced, or removed if None."""

    def of(changes=None, without=()):
        library = tmp_path / str(next(numbers))
        for name, text in {**TREE, **(changes or {})}.items():
            if text is not None:
                (library / name).parent.mkdir(parents=True, exist_ok=True)
                (library / name).write_text(text)
        return code_hash(library / "train.py", library, without)

    return of


def test_a_hash_is_16_hex_digits_wherever_the_library_lies(hash_of):
    assert re.fullmatch("[0-9a-f]{16}", hash_of()) and hash_of() == hash_of()


@pytest.mark.parametrize(
    "name",
    [
        "train.py",  # the script itself
        "lib/__init__.py",  # runs before each of its modules
        "lib/training.py",  # from a.b import function
        "lib/losses.py",  # import a.b
        "lib/networks.py",  # from a import module
        "lib/deep/__init__.py",
        "lib/deep/blocks.py",  # within a function
        "lib/deep/template.py",  # from . import module
    ],
)
def test_a_module_that_a_script_imports_changes_its_hash(hash_of, name):
    assert hash_of({name: TREE[name] + "\nNEW = 1\n"}) != hash_of()


@pytest.mark.parametrize("name", ["lib/figures.py", "lib/sheets/__init__.py"])
def test_a_module_that_it_does_not_import_changes_nothing(hash_of, name):
    assert hash_of({name: TREE[name] + "\nNEW = 1\n"}) == hash_of({name: None}) == hash_of()


def test_a_name_moved_to_another_module_changes_the_hash(hash_of):
    moved = {"lib/losses.py": "", "lib/__init__.py": "kd = 1\n"}
    assert hash_of(moved) != hash_of()


@pytest.mark.parametrize(
    "text",
    [
        "# why\nkd = 1  # and so on\n",
        '"""The loss."""\n\nkd = 1\n',
        "\n\n\nkd = 1",
        "kd = (\n    1\n)\n",
        'kd = 1\n"""The divergence."""\n',
    ],
)
def test_comments_docstrings_and_lines_change_nothing(hash_of, text):
    assert hash_of({"lib/losses.py": text}) == hash_of()


def test_docstrings_of_functions_and_classes_change_nothing(hash_of):
    plain = "class A:\n    x = 1\n\n    def f(self):\n        return 1\n\n    async def g(self):\n        return 2\n"
    documented = re.sub(r"(\n *|^)((?:class|async def|def) .*:\n)( *)", r'\1\2\3"""Say it."""\n\3', plain)
    assert documented.count("Say it") == 3 and ast.dump(ast.parse(documented)) != ast.dump(ast.parse(plain))
    assert hash_of({"lib/losses.py": documented}) == hash_of({"lib/losses.py": plain})


@pytest.mark.parametrize("pair", [("'a'", "'b'"), ("None", "''"), ("1", "1.0"), ("1", "True"), ("[1]", "[[1]]")])
def test_constants_change_the_hash(hash_of, pair):
    first, second = (hash_of({"lib/losses.py": f"kd = {value}\n"}) for value in pair)
    assert first != second


@pytest.mark.parametrize("name", ["TYPE_CHECKING", "typing.TYPE_CHECKING"])
def test_imports_for_a_type_checker_alone_change_nothing(hash_of, name):
    start = "import typing\nfrom typing import TYPE_CHECKING\n\n"
    checked = f"{start}if {name}:\n    from lib.figures import INK\nelse:\n    import lib.sheets\n"
    before = hash_of({"lib/losses.py": checked})
    assert hash_of({"lib/losses.py": checked, "lib/figures.py": "INK = 'white'\n"}) == before
    assert hash_of({"lib/losses.py": checked.replace("import INK", "import OTHER")}) == before
    assert hash_of({"lib/losses.py": checked, "lib/sheets/__init__.py": "NEW = 1\n"}) != before


def test_neither_a_module_that_changes_no_result_nor_its_imports_change_the_hash(hash_of):
    assert hash_of({"lib/messages.py": TREE["lib/messages.py"].replace("hello", "good day")}) == hash_of()
    assert hash_of({"lib/colors.py": "RED = 2\n"}) == hash_of()
    for unmarked in ("", "CHANGES_NO_RESULT = False\n"):
        text = TREE["lib/messages.py"].replace("CHANGES_NO_RESULT = True\n", unmarked)
        assert hash_of({"lib/messages.py": text}) != hash_of()
        assert hash_of({"lib/messages.py": text, "lib/colors.py": "RED = 2\n"}) != hash_of({"lib/messages.py": text})


def test_data_files_in_the_packages_of_imported_modules_change_the_hash(hash_of):
    assert hash_of({"lib/deep/page.html": "<div>"}) != hash_of()
    assert hash_of({"lib/deep/page.html": None, "lib/deep/other.html": "<p>"}) != hash_of()
    assert hash_of({"lib/sheets/style.css": "a {}"}) == hash_of()
    assert hash_of({"notes.txt": "beside the scripts"}) == hash_of()


@pytest.mark.parametrize("name", [".DS_Store", "page.html~", "template.pyc", "__pycache__/template.cpython-311.pyc"])
def test_files_that_editors_and_python_leave_do_not_count(hash_of, name):
    assert hash_of({f"lib/deep/{name}": "left"}) == hash_of()


def test_circular_imports_end(hash_of):
    circle = {"lib/losses.py": "import lib.training\n\nkd = 1\n"}
    assert hash_of(circle) == hash_of(circle) != hash_of()
    assert hash_of({**circle, "lib/deep/page.html": "<div>"}) != hash_of(circle)


def test_a_package_can_be_left_out(hash_of):
    change = {"lib/deep/blocks.py": "BLOCK = 2\n"}
    assert hash_of(change) != hash_of()
    assert hash_of(change, ("lib.deep",)) == hash_of(None, ("lib.deep",)) != hash_of()


# code whose syntax tree differs between versions of Python: empty lists, type parameters, nested f-strings
SYNTAX = r"""
import os.path as path
from math import *

@property
async def f(a, /, b: int = 1, *args, c, d=None, **rest) -> "int":
    global found
    async with a as x, b: pass
    async for _ in b: yield
    return [i async for i in a if i] or {**rest, "k": (yield)} or {1, *args}

class C(Base, metaclass=Meta):
    x: int
    y: str = f"{path!r:>{1 + 1}} {'ä'}" "\n\u200b\U0001f600" rf"{path = }\d" u"kind" f"{path:}"
    z = -1.5e-300 + 2j, b"\x00\xff", ..., None, True, 10**30, ()

try:
    match found:
        case {"a": [1, *_], **rest} if rest: del found[0:1, ::2]
        case C(x=None) | "s" | -1 as other: pass
except* (OSError, ValueError) as error:
    raise error from None
else:
    assert (lambda *, k: k)(k=1), not 1 < 2 <= 3
finally:
    while (n := 1): break
"""


def test_the_hash_is_the_same_on_every_python(hash_of):
    """Recorded with Python 3.11; 3.12.1 and 3.13.0 give the same. A newer Python retrains nothing."""
    assert hash_of({"lib/losses.py": SYNTAX}) == "a564d36215bff4c2"


def test_every_import_of_the_library_is_a_statement():
    for path in SCRIPTS.rglob("*.py"):
        assert not re.search(r"import_module|__import__|runpy", path.read_text()), path


def test_few_modules_change_no_result():
    marked = {
        path.relative_to(SCRIPTS / "distillery").as_posix()
        for path in SCRIPTS.rglob("*.py")
        if re.search(r"^CHANGES_NO_RESULT = True$", path.read_text(), re.M)
    }
    of_host = (f"host/{name}" for name in ("run_lock", "usage", "writable"))
    of_storage = {f"storage/{name}.py" for name in ("files", "hub_access", *of_host)}
    of_terminal = {f"terminal/{name}.py" for name in ("lines", "run_digest", "forecast")}
    assert marked == {"code_hash.py", "file_digests.py", "jobs.py", "devices.py", *of_storage} | of_terminal


def modules_of(script, without=()):
    return set(imported_modules(SCRIPTS / f"{script}.py", SCRIPTS, without))


@pytest.mark.parametrize(
    "script",
    ["train_student", "train_teacher", "run_trial", "select_hyperparameters", "evaluate_teacher", "evaluate_students"],
)
def test_a_training_depends_on_training_code_alone(script):
    found = modules_of(script)
    assert {"distillery.models.architectures", "distillery.storage.arrays"} <= found
    assert ("distillery.training.loop" in found) == (not script.startswith("evaluate_"))
    for package in (
        "analysis",
        "figures",
        "page",
        "sources",
        "generation",
        "curation",
        "deployment",
        "config",
        "jobs",
        "usage",
    ):
        assert not [name for name in found if re.match(rf"distillery(\.{package}|_demo)\b", name)], package
    assert not [name for name in found if "usage" in name]
    assert "distillery.storage.host.usage_file" in modules_of("tabulate_costs")


def rule_scripts():
    """For every rule with a script: the script and its `code=`; a rule made with `use rule` inherits them."""
    for path in RULES:
        rules = re.split(r"^ *(?:use )?rule\b", path.read_text(), flags=re.M)[1:]
        for text in rules:
            if found := re.search(r'script:\s+"\.\./scripts/(\w+)\.py"', text):
                yield found[1], re.findall(r"^ +code=(.*),$", text, re.M)


def test_every_rule_that_computes_passes_the_hash_of_its_own_script():
    rules = dict(rule_scripts())
    assert set(rules) == {path.stem for path in SCRIPTS.glob("*.py")}
    for script, code in rules.items():
        assert code == ([] if script in RETRIEVAL else [f'code_of("{script}")']), script


def test_drawing_counts_only_if_the_teacher_trains_on_drawn_images():
    (demo,) = re.findall(r'== "drawn" else \("(\w+)",\)', (ROOT / "workflow" / "rules" / "common.smk").read_text())
    drawn, real = modules_of("prepare_teacher_data"), modules_of("prepare_teacher_data", (demo,))
    assert drawn > real and all(re.match(r"distillery_demo\b", name) for name in drawn - real)
    for name in real:
        assert not re.match(r"distillery(_demo|\.(config|analysis|training|models))\b", name)
    for script in {script for script, code in rule_scripts() if code} - {"prepare_teacher_data"}:
        assert modules_of(script, (demo,)) == modules_of(script), script
