"""How commands speak: results on stdout (for people or as JSON), everything else on stderr."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from kernel.clock import parse_day
from kernel.errors import InvalidInput
from kernel.money import parse_fen, yuan

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
as_option = click.option(
    "--as", "who", metavar="LOGIN", help="Act as this person: a login, or no:PERSON_NO."
)
payer_option = click.option(
    "--payer", "payer_code", metavar="CODE", help="Only this payer (a school's or bureau's code)."
)


def emit(data: Any, lines: Iterable[str], *, as_json: bool) -> None:
    """Print a result: `data` as indented JSON, or `lines` for people."""
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(data), indent=2).decode())
    else:
        for line in lines:
            click.echo(line)


@contextmanager
def naming_options(options: Mapping[str, str]) -> Iterator[None]:
    """Have what is wrong with a value name the option that it came by: `options` by field."""
    try:
        yield
    except InvalidInput as error:
        option = options.get(str(error.facts.get("field")))
        if option is None:
            raise
        raise type(error)(**{**error.facts, "field": option}) from error


def read_day(option: str, text: str) -> date:
    """Read a day; raise `InvalidInput` naming the option that it came by."""
    try:
        return parse_day(text)
    except InvalidInput as error:
        raise InvalidInput(field=option, value=text, expected="a day such as 2026-09-01") from error


def read_fen(option: str, text: str) -> int:
    """Read an amount in yuan as fen; raise `InvalidInput` naming the option that it came by."""
    try:
        return parse_fen(text)
    except InvalidInput as error:
        raise InvalidInput(field=option, value=text, expected="0.00 or more") from error


def note(text: str) -> None:
    """Tell the person at the terminal something that is no result."""
    click.echo(text, err=True)


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Yield `report(done, total)`: a bar on a terminal's stderr, nothing elsewhere.

    A total that is not known is 0.
    """
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def summary_lines(summary: dict[str, Any]) -> list[str]:
    """Show a summary in two columns: amounts in yuan, what is nested under its name."""
    rows: list[tuple[str, object]] = []
    for name, value in summary.items():
        if isinstance(value, dict):
            rows += [(f"{name}.{inner}", found) for inner, found in value.items()]
        elif name.endswith("_fen") and isinstance(value, int):
            rows.append((name.removesuffix("_fen"), f"{yuan(value)} yuan"))
        elif not isinstance(value, list):
            rows.append((name, value))
    width = max((len(name) for name, _ in rows), default=0)
    return [f"{name:<{width}}  {value}" for name, value in rows]
