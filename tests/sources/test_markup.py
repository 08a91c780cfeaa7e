"""Any HTML is read, in CPU time that is linear in its length."""

import html
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distillery.sources.engines.markup import Tags, plain_text

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
# a quadratic parser takes more than 5 s for 24 kB, so it would take half an hour for 400 kB
READ_HOSTILE = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from distillery.jobs import UserError
from distillery.sources.engines import ENGINES
from distillery.sources.engines.markup import plain_text

for piece in {pieces!r}:
    page = (piece * (400_000 // len(piece) + 1))[:400_000]
    for engine in ENGINES.values():
        try:
            engine.parse(page)
        except UserError:
            pass
    plain_text(page.decode("utf-8", "replace"))
print("read")
"""
PIECES = [
    *(
        b"<a ",
        b"<a",
        b"<",
        b"<!--",
        b"<![CDATA[",
        b"<!",
        b"<?",
        b"&",
        b"&#",
        b"&amp",
        b"<a b=",
        b'<a b="',
        b"\0",
        b"\xff",
    ),
    *(b"<p>", b"<b>", b"</b>", b"<table>", b"<form><a>", b"<script>", b"<script></scr", b"<a><b><p>", b"<x-a>"),
    *(b'{"ou":', b'"ou":', b'["http:', b'["http:\\', b'"2003":[null,"', b'["http://a.bc/defgh",', b"\\x22http"),
    *(
        b'<a class="iusc" m="{',
        b'<a href="/imgres?&',
        b"{",
        b"[",
        b'{"query":',
        b"9",
        b'class="nowrap"',
        b'class="iusc ',
        b" iusc",
    ),
    *(
        b"<a data-ou= ",
        b" data-ou=",
        b'<img class="iPVvYb ',
        b" iPVvYb",
        b'<img class="',
        b" class='",
        b'{"ischj":{"a":',
    ),
    *(
        b"<a data-docid= data-lpage= ",
        b" data-docid=",
        b"/imgres?",
        b"&quot;http:",
        b'\\"http:',
        b"\\\\u0022https:",
        b"\\",
    ),
    *(
        b'<img class="iPVvYb" ' + b" iPVvYb" * 9,
        b"<a data-ou=" + b" data-ou=" * 9000,
        b"<img class='" + b"iPVvYb " * 9000,
    ),
]


@pytest.mark.parametrize("part", range(4))
def test_no_page_takes_more_time_than_its_length_needs(part):
    code = READ_HOSTILE.format(pieces=PIECES[part::4])
    run = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(SCRIPTS)}, capture_output=True, text=True)
    assert run.stdout == "read\n", (run.returncode, run.stderr)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60))
def test_text_and_attributes_are_read_as_they_were_meant(text):
    page = Tags(f'<a href="{html.escape(text)}" download>x</a><img>')
    assert page.links == [{"href": text, "download": ""}] and page.count("img") == page.count("a") == 1
    assert plain_text(f"<b>{html.escape(text)}</b>").split() == text.split()


def test_scripts_are_read_as_they_are():
    page = Tags('<p>x<script>if (a < b && "</p><a href=x>") c()</script>y<script></script><script>d()')
    assert page.scripts == ['if (a < b && "</p><a href=x>") c()', "", "d()"] and not page.links


@given(st.text(max_size=200) | st.text("<>/!-a &;='\"[]?", max_size=200))
def test_any_text_can_be_read(text):
    page = Tags(text)
    assert page.count("a") == len(page.links) and "\n" not in plain_text(text)


@pytest.mark.parametrize("value", [None, 3, "", "  ", "<>", "<!---->", "\0"])
def test_what_holds_no_text_is_empty(value):
    assert plain_text(value).strip("<>\ufffd") == ""
