"""Explain syntax errors of YAML in plain words: which line is wrong, and what to write instead.

The parser's own messages use terms such as tokens and simple keys, and often name the line after the wrong one.
"""

from __future__ import annotations

import re

import yaml

FLOW = {"[": "]", "{": "}"}
CONFLICT = ("<<<<<<<", "=======", ">>>>>>>")  # marks of a merge conflict


def explain_yaml_error(text: str, error: yaml.YAMLError) -> str:
    """What is wrong with a text that is not valid YAML. It begins with the line: `line 7 has no colon; …`.

    Args:
        text: the whole file.
        error: the parser's error for it.
    """
    if isinstance(error, yaml.reader.ReaderError):
        line = text[: error.position].count("\n") + 1
        return f"line {line}: a control character, which cannot be seen; delete it"
    problem, mark = getattr(error, "problem", None) or str(error), getattr(error, "problem_mark", None)
    if mark is None:
        return problem
    lines, here = text.splitlines(), mark.line
    before = getattr(error, "context_mark", None)
    begin = before.line if before else here
    explanations = (
        _character(lines, here, problem),
        _quote(lines, begin, here, problem),
        _colon(lines, begin, here, problem),
        _bracket(lines, before, here, problem),
        _structure(here, problem),
    )
    return next(filter(None, explanations), f"line {here + 1}: {problem}")


def _character(lines: list[str], here: int, problem: str) -> str | None:
    """Explain a character with a special meaning in YAML; None if that is not the mistake."""
    if found := re.match(r"found character '(.+)' that cannot start", problem):
        if found[1] == "\\t":
            is_indent = not lines[here][: lines[here].find("\t")].strip()
            return f"line {here + 1}: a tab; {'indent with' if is_indent else 'write'} spaces"
        return f"line {here + 1}: text that begins with {found[1]} must be in quotes"
    if problem.startswith("found undefined alias"):
        return f"line {here + 1}: text that begins with * must be in quotes"
    if problem.startswith("could not determine a constructor for the tag"):
        return f"line {here + 1}: text that begins with ! must be in quotes"
    if problem.startswith("found unknown escape character"):
        return f"line {here + 1}: a \\ in double quotes changes the letter after it; use single quotes"
    if problem.startswith("expected chomping or indentation indicators"):
        return f"line {here + 1}: text after | or > starts on the next line; put it in quotes to keep it on this one"
    return None


def _quote(lines: list[str], begin: int, here: int, problem: str) -> str | None:
    """Explain a quote that is not closed, or text beside a quoted text; None if that is not the mistake."""
    if problem.startswith(("found unexpected end of stream", "found unexpected document separator")):
        return f"line {begin + 1}: the quote that opens here is not closed"
    if "'<scalar>'" not in problem:
        return None
    # an open quote ends at the next quote, so the parser's error is some lines below
    for number in range(begin, here):
        if _without_comment(lines[number]).replace('\\"', "").count('"') % 2:
            return f"line {number + 1}: the quote that opens here is not closed"
    if lines[here].count("'") % 2:
        return f"line {here + 1}: a ' inside single quotes ends the text; put the text in double quotes"
    if "block end" in problem:
        return f"line {here + 1}: text after a closing quote; put all of the text in one pair of quotes"
    return f"line {here + 1}: a comma is missing after a closing quote"


def _colon(lines: list[str], begin: int, here: int, problem: str) -> str | None:
    """Explain a missing or extra colon; None if that is not the mistake."""
    if problem.startswith("could not find expected ':'"):
        return _lacks_colon(lines, begin)
    if not problem.startswith("mapping values are not allowed"):
        return None
    above = next((number for number in reversed(range(here)) if _without_comment(lines[number]).strip()), None)
    if above is not None and not re.search(r":(\s|$)|^\s*-\s", _without_comment(lines[above])):
        return _lacks_colon(lines, above)
    if len(re.findall(r":(?:\s|$)", _without_comment(lines[here]))) > 1:
        return f"line {here + 1} has two colons; put the text after the first one in quotes"
    return f"line {here + 1} is indented more than the line above, which has a value already; align the two"


def _lacks_colon(lines: list[str], number: int) -> str:
    line = lines[number].strip()
    if line.startswith(CONFLICT):
        return f"line {number + 1}: a mark of an unresolved merge; choose one of its two versions and delete the marks"
    if line.startswith("//"):
        return f"line {number + 1} has no colon; a comment begins with #"
    if found := re.match(r"([\w-]+):\S", line):
        return f"line {number + 1} has no space after the colon of {found[1]}"
    return f"line {number + 1} has no colon; write a key, a colon, a space and its value"


def _bracket(lines: list[str], before: yaml.Mark | None, here: int, problem: str) -> str | None:
    """Explain an unmatched bracket, or a missing comma inside brackets; None if that is not the mistake."""
    if found := re.search(r"but found '([\]}])'", problem):
        return f"line {here + 1}: a {found[1]} that nothing opens"
    found = re.match(r"expected ',' or '.', but got '(.+)'", problem)
    if not found or before is None:
        return None
    opened, got = lines[before.line][before.column], found[1]
    if got in FLOW.values():
        return f"line {here + 1}: a {got} before the {opened} of line {before.line + 1} is closed"
    if here > before.line:
        return f"line {before.line + 1}: the {opened} that opens here is not closed"
    return f"line {here + 1}: a comma is missing between two parts of {opened}{FLOW[opened]}"


def _structure(here: int, problem: str) -> str | None:
    """Explain lines that do not fit together, such as wrong indentation; None if that is not the mistake."""
    if problem.startswith("found unhashable key"):
        return f"line {here + 1}: braces in place of a key; put the text in quotes"
    if problem.startswith("sequence entries are not allowed"):
        return f"line {here + 1}: a list begins beside its key; write [a, b], or each - on a line of its own"
    if problem.startswith("but found another document"):
        return f"line {here + 1}: a second document begins; a configuration is one, without ---"
    if problem.endswith("but found '<block mapping start>'"):
        return f"line {here + 1} is indented unlike its neighbors; the keys of a section begin in one column"
    if problem.endswith("but found '-'"):
        return f"line {here + 1}: an item of a list among keys; indent it below its key, or write [a, b]"
    if problem.endswith("but found '?'"):
        return f"line {here + 1}: a key among the items of a list; begin it with - or take it out of the list"
    return None


def _without_comment(line: str) -> str:
    return re.sub(r"(^|\s)#.*", "", line)
