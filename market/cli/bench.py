"""`market bench`: measures against the bounds, on scratch databases that it drops again."""

import click

from market.bench.ingest import bench_ingest
from market.bench.rank import bench_rank
from market.bench.search import bench_search
from market.bench.settle import bench_settle
from market.bench.twice import bench_twice
from market.cli.context import database_url, load_settings
from market.cli.output import emit, json_option, note, summary_lines


@click.group()
def bench() -> None:
    """Measure, as ratios within one run; your data is not touched."""


@bench.command()
@click.option("--events", type=click.IntRange(min=1_000), default=1_000_000, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
@json_option
def settle(events: int, rounds: int, as_json: bool) -> None:
    """The close of a month against the bare counting query on the same table."""
    settings = load_settings()
    found = bench_settle(settings, database_url(settings), events=events, rounds=rounds, say=note)
    emit(found, summary_lines(found), as_json=as_json)


@bench.command()
@click.option("--events", type=click.IntRange(min=1_000), default=1_000_000, show_default=True)
@click.option("--batch", type=click.IntRange(1, 5_000), default=1_000, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option(
    "--twice",
    is_flag=True,
    help="Take in the same uses twice: exit 1 unless all are duplicates and the bill is the same.",
)
@json_option
def ingest(*, events: int, batch: int, rounds: int, twice: bool, as_json: bool) -> None:
    """Reports over HTTP and files of usage against raw COPY of the same rows."""
    settings = load_settings()
    url = database_url(settings)
    if twice:
        found = bench_twice(settings, url, events=events, batch=batch, say=note)
    else:
        found = bench_ingest(settings, url, events=events, batch=batch, rounds=rounds, say=note)
    emit(found, summary_lines(found), as_json=as_json)
    if not found.get("same", True):
        click.get_current_context().exit(1)


@bench.command()
@click.option("--resources", type=click.IntRange(min=100), default=50_000, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True)
@json_option
def search(resources: int, rounds: int, as_json: bool) -> None:
    """Searches of a generated catalogue over HTTP against `/readyz`, and its import as a file."""
    settings = load_settings()
    url = database_url(settings)
    found = bench_search(settings, url, resources=resources, rounds=rounds, say=note)
    emit(found, summary_lines(found), as_json=as_json)


@bench.command()
@click.option("--events", type=click.IntRange(min=1_000), default=200_000, show_default=True)
@click.option("--vendors", type=click.IntRange(min=1), default=2_000, show_default=True)
@click.option("--cells", type=click.IntRange(min=1), default=200, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
@json_option
def rank(*, events: int, vendors: int, cells: int, rounds: int, as_json: bool) -> None:
    """The ranking of a month against the close of the same month."""
    settings = load_settings()
    url = database_url(settings)
    found = bench_rank(
        settings, url, events=events, vendors=vendors, cells=cells, rounds=rounds, say=note
    )
    emit(found, summary_lines(found), as_json=as_json)
