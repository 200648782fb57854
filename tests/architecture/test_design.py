"""Rules of the design that no linter knows: keys, tables, errors, imports, templates, handlers.

A rule that is broken names the place. An exception is listed here, with its reason.
"""

import ast
import inspect
import re
from collections import Counter
from collections.abc import Iterator

import pytest
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from sqlalchemy import BigInteger, Column, Table, UniqueConstraint

import kernel.errors
from kernel.clock import SystemClock
from kernel.db import Base, open_engine
from kernel.errors import MarketError
from kernel.jobs import RecordingDispatcher
from kernel.settings import Settings
from kernel.unit import Units
from market.asgi import create_app
from market.models import ALL
from tests.support.repository import PACKAGES, files, parsed, python_files, read

# Tables that grow with use: their keys begin with the payer, so that they can be spread by it.
GROWING_KEYS = {
    "usage_event": "primary key",
    "period": "primary key",
    "statement": "unique",
    "statement_line": "index",
}

# Amounts that may be missing, and what a missing one means.
NULLABLE_AMOUNTS = {
    "agreement_school.ceiling_fen": "the school has no ceiling of its own, only the agreement's",
    "statement_breakdown.rated_fen": "no school of the line has a ceiling of its own",
    "statement_breakdown.above_ceiling_fen": "no school of the line has a ceiling of its own",
}

# Handlers that answer on the event loop: they open no unit and wait for nothing.
ON_THE_LOOP = {
    "market.probes.healthz": "says that the process lives",
    "market.probes.metrics": "shows counters kept in memory",
    "market.public.pages.static_file": "serves bytes read at the start",
}
OPEN_UNITS = {"units", "pages"}

KEBAB = re.compile(r"[a-z]+[0-9]*(-[a-z0-9]+)*")
FOREIGN = re.compile(
    r"""(?: \b(?:src|srcset|poster|data)\s*=\s*["']?
          | <(?:link|use|image)\b[^>]*\bhref\s*=\s*["']?
          | url\(\s*["']?
          | @import\s+["']
          | \b(?:from|import)\s*\(?\s*["']
          | \bfetch\(\s*["'`]
        ) (?:https?:)?//""",
    re.IGNORECASE | re.VERBOSE,
)
INLINE = re.compile(
    r"<script\b(?![^>]*\bsrc=)|<style\b|\sstyle\s*=|\son[a-z]+\s*=\s*[\"']|javascript:",
    re.IGNORECASE,
)
COMMENT = re.compile(r"\{#.*?#\}|<!--.*?-->", re.DOTALL)


def nodes(
    *kinds: type[ast.AST], within: tuple[str, ...] = PACKAGES
) -> Iterator[tuple[str, ast.AST]]:
    """Yield file and node of every node of these kinds."""
    for name in python_files(*within):
        for node in ast.walk(parsed(name)):
            if isinstance(node, kinds):
                yield name, node


def tables() -> list[Table]:
    assert ALL, "importing market.models is what fills the metadata"
    return list(Base.metadata.tables.values())


def columns() -> Iterator[Column]:
    return (column for table in tables() for column in table.columns)


def test_each_module_opens_by_saying_what_it_decides():
    found = [
        name
        for name in python_files(*PACKAGES, "tests", "bench")
        if parsed(name).body and not ast.get_docstring(parsed(name))
    ]

    assert found == []


def test_imports_stand_at_the_top_and_are_absolute():
    found = []
    for name in python_files(*PACKAGES, "tests", "bench"):
        top = {id(node) for node in parsed(name).body}
        found += [
            f"{name}:{node.lineno}"
            for node in ast.walk(parsed(name))
            if isinstance(node, ast.Import | ast.ImportFrom)
            and (id(node) not in top or getattr(node, "level", 0))
        ]

    assert found == []


def test_types_are_imported_as_anything_else():
    """Litestar and SQLAlchemy read annotations at run time."""
    found = [
        f"{name}:{node.lineno}"
        for name, node in nodes(ast.Name, ast.Attribute, ast.alias)
        if "TYPE_CHECKING" in {getattr(node, field, "") for field in ("id", "attr", "name")}
    ]

    assert found == []


def test_rows_are_queried_and_never_walked_to():
    """No relationships: what loads lazily is a query nobody sees."""
    lazy = {"relationship", "backref", "dynamic_loader", "association_proxy"}
    found = [
        f"{name}:{node.lineno}: {ast.unparse(node.func)}()"
        for name, node in nodes(ast.Call)
        if ast.unparse(node.func).rpartition(".")[2] in lazy
        or any(keyword.arg == "lazy" for keyword in node.keywords)
    ]

    assert found == []
    assert [mapper for mapper in Base.registry.mappers if mapper.relationships] == []


def first_columns(table: Table, kind: str) -> list[str]:
    """Return the leading column of each key of a kind."""
    if kind == "primary key":
        keys = [table.primary_key]
    elif kind == "unique":
        keys = [one for one in table.constraints if isinstance(one, UniqueConstraint)]
    else:
        keys = list(table.indexes)
    return [next(iter(key.columns)).name for key in keys]


@pytest.mark.parametrize("name", GROWING_KEYS)
def test_keys_of_what_grows_with_use_begin_with_the_payer(name: str):
    assert "payer_id" in first_columns(Base.metadata.tables[name], GROWING_KEYS[name])


def test_each_table_has_a_primary_key():
    assert [table.name for table in tables() if not table.primary_key.columns] == []


def test_amounts_are_whole_fen_and_never_missing():
    amounts = {str(column): column for column in columns() if column.name.endswith("_fen")}

    assert "statement_line.amount_fen" in amounts
    assert [
        name for name, column in amounts.items() if not isinstance(column.type, BigInteger)
    ] == []
    assert {name for name, column in amounts.items() if column.nullable} == set(NULLABLE_AMOUNTS)


def test_no_column_holds_a_binary_fraction():
    """A price or a rate is a NUMERIC; a float would round where nobody sees it."""
    assert [str(column) for column in columns() if column.type.python_type is float] == []


def test_each_time_has_its_zone():
    times = [column for column in columns() if column.type.python_type.__name__ == "datetime"]

    assert times
    assert [str(column) for column in times if not column.type.timezone] == []


def errors() -> list[type[MarketError]]:
    return [
        one
        for _, one in inspect.getmembers(kernel.errors, inspect.isclass)
        if issubclass(one, MarketError)
    ]


def test_each_error_has_a_code_and_a_summary_of_its_own():
    unnamed = [one.__name__ for one in errors() if not {"code", "summary"} <= vars(one).keys()]
    codes = Counter(one.code for one in errors())

    assert unnamed == []
    assert [code for code, times in codes.items() if times > 1] == []
    assert [code for code in codes if not KEBAB.fullmatch(code)] == []
    assert [one.__name__ for one in errors() if not one.summary.strip()] == []


def test_errors_are_answers_of_http():
    assert [one.__name__ for one in errors() if one.status not in range(400, 600)] == []


def test_errors_stand_in_one_tree():
    """Outside `kernel.errors` nobody makes an error that people are to read."""
    known = {one.__name__ for one in errors()}
    found = [
        f"{name}:{node.lineno}: {node.name}"
        for name, node in nodes(ast.ClassDef)
        if not name.startswith("kernel/errors/")
        and known & {ast.unparse(base).rpartition(".")[2] for base in node.bases}
    ]

    assert found == []


def without_comments(name: str) -> str:
    return COMMENT.sub("", read(name))


def test_nothing_is_loaded_from_another_host():
    found = [
        f"{name}: {match.group()}"
        for name in files(".html", ".css", ".js", ".svg")
        for match in FOREIGN.finditer(without_comments(name))
    ]

    assert found == []


def test_templates_hold_no_inline_script_or_style():
    templates = list(files(".html"))
    found = [
        f"{name}: {match.group().strip()}"
        for name in templates
        for match in INLINE.finditer(without_comments(name))
    ]

    assert templates
    assert found == []


def handlers() -> dict[str, HTTPRouteHandler]:
    """Return the application's own handlers by the full name of their function."""
    settings = Settings.load({"MARKET_SECRET_KEY": "test"})
    engine = open_engine("postgresql://nobody@127.0.0.1:1/nothing")  # never connects
    units = Units(engine, SystemClock(), settings, RecordingDispatcher())
    found = {}
    for route in create_app(settings, units).routes:
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            function = getattr(handler.fn, "func", handler.fn)  # on a thread, Litestar wraps it
            if function.__module__.partition(".")[0] in PACKAGES:
                found[f"{function.__module__}.{function.__name__}"] = handler
    return found


def test_handlers_wait_on_threads_and_never_on_the_event_loop():
    found = handlers()
    waiting = {
        name
        for name, handler in found.items()
        if OPEN_UNITS & handler.parsed_fn_signature.parameters.keys()
    }

    assert "market.probes.readyz" in waiting
    assert {name for name, one in found.items() if one.sync_to_thread is not True} == set(
        ON_THE_LOOP
    )
    assert waiting & set(ON_THE_LOOP) == set()


def test_no_test_is_empty():
    """A test that asserts nothing but a constant proves nothing."""
    constant = [
        f"{name}:{node.lineno}"
        for name, node in nodes(ast.Assert, within=("tests",))
        if isinstance(node.test, ast.Constant)
    ]
    nothing = [
        f"{name}:{node.lineno}: {node.name}"
        for name, node in nodes(ast.FunctionDef, within=("tests",))
        if node.name.startswith("test_") and not _does_anything(node)
    ]

    assert constant == []
    assert nothing == []


def _does_anything(test: ast.FunctionDef) -> bool:
    return any(
        isinstance(node, ast.Assert | ast.Call)
        for statement in test.body
        for node in ast.walk(statement)
    )
