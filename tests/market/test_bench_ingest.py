"""The benchmark of ingest at its smallest: what it measures, and the uses that come twice."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from kernel.settings import Settings
from market.bench import twice
from market.bench.ingest import bench_ingest
from market.bench.twice import bench_twice
from market.cli import bench as bench_command

EVENTS = 1_000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load({"MARKET_HOME": str(tmp_path), "MARKET_SECRET_KEY": "test"})


def say(_: str) -> None:
    """Keep silent."""


def test_every_way_takes_all_uses_in_and_is_told_as_a_ratio(
    settings: Settings, server: str
) -> None:
    found = bench_ingest(settings, server, events=EVENTS, batch=250, rounds=1, say=say)
    assert (found["events"], found["batch"]) == (EVENTS, 250)
    assert found["ratio"] == pytest.approx(found["copy_s"] / found["http_s"], rel=0.1)
    assert found["file_ratio"] == pytest.approx(found["copy_s"] / found["file_import_s"], rel=0.1)
    assert found["csv_ratio"] > 0 and found["events_per_s"] > 0


def test_the_same_uses_twice_are_duplicates_and_the_bill_is_the_same(
    settings: Settings, server: str
) -> None:
    """R28, R39: over HTTP and as a file, whole months, compared byte by byte."""
    found = bench_twice(settings, server, events=EVENTS, batch=250, say=say)
    assert found["same"]
    for way in (found["http"], found["file"]):
        assert (way["events"], way["received"], way["duplicates"]) == (EVENTS, 2 * EVENTS, EVENTS)
        assert way["same_bill"] and way["bill_lines"] > 0


def test_other_uses_the_second_time_are_found_out(
    settings: Settings, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the uses the first time, all the second: neither duplicates nor bill agree."""
    sent = iter((2, 1))
    send, taken = twice.send, twice.import_file
    monkeypatch.setattr(
        twice, "send", lambda given, bodies: send(given, bodies[: len(bodies) // next(sent)])
    )
    found = bench_twice(settings, server, events=EVENTS, batch=250, say=say)
    assert taken is twice.import_file and found["file"]["same_bill"]
    assert (found["http"]["duplicates"], found["http"]["same_bill"]) == (EVENTS // 2, False)
    assert not found["same"]


@pytest.mark.parametrize(("same", "status"), [(True, 0), (False, 1)])
def test_the_command_fails_when_the_second_time_made_a_difference(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, same: bool, status: int
) -> None:
    monkeypatch.setattr(bench_command, "load_settings", lambda: settings)
    monkeypatch.setattr(bench_command, "database_url", lambda _: "postgresql://nowhere")
    monkeypatch.setattr(bench_command, "bench_twice", lambda *_, **__: {"same": same})
    ran = CliRunner().invoke(bench_command.bench, ["ingest", "--twice", "--json"])
    assert (ran.exit_code, json.loads(ran.stdout)) == (status, {"same": same})
