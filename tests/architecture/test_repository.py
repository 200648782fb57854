"""Rules for the repository as a whole: what no file may contain, and where some things may be.

A rule that is broken names the file and the line. An exception is listed here, with its reason.
"""

import ast
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from itertools import chain
from pathlib import Path

from kernel.settings import Settings
from market.checks.settings_page import PAGE, with_table
from tests.support.repository import PACKAGES, ROOT, parsed, python_files, read, tracked

MIGRATIONS = "market/migrations/"
LONGEST_MODULE = 400

# May ask the machine for the time: the clock itself.
CLOCK = {"kernel/clock.py"}

# Commit outside a unit of work: the unit, and what makes or moves whole databases.
COMMITS = {
    "kernel/unit.py",
    "market/migrations/env.py",  # a migration run by Alembic's own command
    "market/imports/usage.py",  # ends the transaction in which a session's lock was taken
}

FLOATS = {"settlement/ranking/"}  # scores are no money
STRIPE = {"settlement/payments/stripe_gateway.py"}

LOCKED = re.compile(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+( ; .+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
ORIGIN = re.compile(r"    # via( [A-Za-z0-9._\[\],()-]+( \(pyproject\.toml\))?)?|    #   [^/:\\]+")
ADDRESS = re.compile(r"https?:|file:|find-links|index-url|--(extra-)?index|\.(com|org|io|net|cn)/")
MACHINE_PATH = re.compile(r"(?<![\w.$}-])/(work|root|home/[a-z]+|Users)/|\"/tmp/|'/tmp/")
SILENCED = re.compile(r"#\s*(noqa|type:\s*ignore)(?P<rest>.*)")
WITH_REASON = re.compile(r"(:\s*[A-Z]+[0-9]+(,\s*[A-Z]+[0-9]+)*|\[[a-z, -]+\])\s*[#—(-]+\s*\w.{5,}")


def comments(name: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(read(name)).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def has_reason(name: str, line: int, rest: str) -> bool:
    """Whether a silenced lint says why, behind it or in a comment on the line above."""
    above = read(name).splitlines()[line - 2].strip()
    return bool(WITH_REASON.match(rest)) or above.startswith("# ")


def calls(name: str) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of each call, such as `(12, "datetime.now")`."""
    for node in ast.walk(parsed(name)):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


def test_lock_names_packages_and_hashes_and_no_address():
    lines = read("requirements.lock").splitlines()

    assert [line for line in lines if ADDRESS.search(line)] == []
    assert [
        line
        for line in lines
        if not (LOCKED.fullmatch(line) or HASH.fullmatch(line) or ORIGIN.fullmatch(line))
    ] == []


def test_lock_holds_every_dependency():
    project = tomllib.loads(read("pyproject.toml"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    locked = {line.split("==")[0].split("[")[0] for line in read("requirements.lock").splitlines()}

    assert {re.split(r"[\[<>=~! ]", one)[0] for one in wanted} - locked == set()


def test_each_dependency_has_its_reason():
    project = tomllib.loads(read("pyproject.toml"))["project"]
    named = list(chain(project["dependencies"], *project["optional-dependencies"].values()))
    wanted = {re.split(r"[\[<>=~! ]", one)[0] for one in named}
    given = set(re.findall(r"^\| ([a-z][a-z0-9-]+) \|", read("docs/dependencies.md"), re.MULTILINE))

    assert given == wanted


def test_no_file_names_a_path_of_one_machine():
    here = Path(__file__).relative_to(ROOT).as_posix()
    found = [
        f"{name}:{number}: {line.strip()}"
        for name in tracked()
        if name != here
        for number, line in enumerate(read(name).splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]

    assert found == []


def test_each_silenced_lint_has_its_reason():
    found = [
        f"{name}:{line}: {comment}"
        for name in python_files(*PACKAGES, "tests", "bench")
        for line, comment in comments(name)
        if (silenced := SILENCED.search(comment)) and not has_reason(name, line, silenced["rest"])
    ]

    assert found == []


def test_no_module_is_too_long():
    lengths = {
        name: len(read(name).splitlines())
        for name in python_files(*PACKAGES, "tests", "bench")
        if not name.startswith(MIGRATIONS)
    }

    assert {name: n for name, n in lengths.items() if n > LONGEST_MODULE} == {}


def test_only_the_clock_asks_the_machine_for_the_time():
    asking = re.compile(r"(.*\.)?(datetime\.(now|utcnow|today)|date\.today|time\.time)")
    found = [
        f"{name}:{line}: {called}()"
        for name in python_files()
        if name not in CLOCK
        for line, called in calls(name)
        if asking.fullmatch(called)
    ]

    assert found == []


def test_only_the_unit_of_work_commits():
    found = [
        f"{name}:{line}"
        for name in python_files()
        if name not in COMMITS
        for line, called in calls(name)
        if called.endswith(".commit")
    ]

    assert found == []


def test_money_is_never_a_float():
    found = [
        f"{name}:{line}"
        for name in python_files("settlement", "procurement")
        if not name.startswith(tuple(FLOATS))
        for line, called in calls(name)
        if called == "float"
    ]

    assert found == []


def test_only_its_gateway_imports_stripe():
    importing = re.compile(r"^\s*(import stripe\b|from stripe\b)", re.MULTILINE)

    assert {name for name in python_files() if importing.search(read(name))} <= STRIPE


def test_each_setting_is_documented():
    page = (ROOT / PAGE).read_text(encoding="utf-8")

    assert page == with_table(page)
    assert [one.metadata["name"] for one in fields(Settings) if not one.metadata["help"]] == []
