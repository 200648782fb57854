"""The table of requirements says neither more nor less than the tests."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tests.support.repository import parsed, python_files, read

PAGE = "docs/requirements.md"
NUMBERS = [f"R{number}" for number in range(1, 66)]

ROW = re.compile(r"\| (R\d+) \| ([^|]+) \| ([^|]+) \| ([^|]*)\|")
STATE = re.compile(r"shown|not yet|in part: \S.*")
TEST = re.compile(r"`(tests/[a-z0-9_/]+\.py)::([A-Za-z0-9_:]+)`")
NUMBER = re.compile(r"\bR\d+\b")


@dataclass(frozen=True, slots=True)
class Row:
    number: str
    asked: str
    state: str
    tests: tuple[str, ...]


@cache
def rows() -> tuple[Row, ...]:
    found = (ROW.fullmatch(line) for line in read(PAGE).splitlines())
    return tuple(
        Row(
            number=match[1],
            asked=match[2].strip(),
            state=match[3].strip(),
            tests=tuple(f"{file}::{test}" for file, test in TEST.findall(match[4])),
        )
        for match in found
        if match
    )


def functions(
    nodes: list[ast.stmt], *, outer: str = ""
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield the tests among `nodes` and in their classes, named as pytest names them."""
    for node in nodes:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from functions(node.body, outer=f"{outer}{node.name}::")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
            "test_"
        ):
            yield outer + node.name, node


@cache
def known_tests() -> dict[str, str]:
    """Return the docstring (or nothing) of every test there is, by its full name."""
    return {
        f"{name}::{test}": ast.get_docstring(node) or ""
        for name in python_files("tests")
        if name.rpartition("/")[2].startswith("test_")
        for test, node in functions(parsed(name).body)
    }


def test_every_requirement_stands_in_the_table_once():
    counted = Counter(row.number for row in rows())

    assert sorted(counted) == sorted(NUMBERS)
    assert [number for number, times in counted.items() if times > 1] == []
    assert len(rows()) == read(PAGE).count("\n| R"), "a row that can't be read"


def test_every_requirement_is_one_sentence_and_has_a_state():
    assert [row.number for row in rows() if not STATE.fullmatch(row.state)] == []
    assert [row.number for row in rows() if not row.asked.endswith(".")] == []


def test_every_named_test_exists_and_is_named_once_in_its_row():
    assert [
        f"{row.number}: {test}" for row in rows() for test in row.tests if test not in known_tests()
    ] == []
    assert [row.number for row in rows() if len(set(row.tests)) < len(row.tests)] == []


def test_what_is_claimed_names_its_tests_and_what_is_not_names_none():
    claimed = {row.number for row in rows() if row.state != "not yet"}

    assert {row.number for row in rows() if row.tests} == claimed


def test_a_test_that_names_a_requirement_stands_beside_it():
    beside = {row.number: row.tests for row in rows()}

    assert [
        f"{test}: {number}"
        for test, docstring in known_tests().items()
        for number in NUMBER.findall(docstring)
        if test not in beside.get(number, ())
    ] == []


def test_no_test_speaks_of_a_requirement_that_there_is_not():
    known = set(NUMBERS)

    assert [
        f"{name}: {number}"
        for name in python_files("tests")
        for number in NUMBER.findall(read(name))
        if number not in known
    ] == []
