"""How commands end: the exit status, one line of error with the way out, and no trace."""

import os
import subprocess
import sys

import click
import pytest

from kernel.errors import SchemaOutdated
from market.cli import main as entry
from market.cli.main import COMMANDS, FAILED, INTERRUPTED, MISUSED, cli
from market.schema import require_schema


def test_every_command_can_be_loaded_and_explains_itself(market):
    shown = market("--help")
    assert shown.status == 0
    for name in COMMANDS:
        assert name in shown.out
        assert market(name, "--help").status == 0


def test_what_is_not_understood_exits_2(market):
    assert market("sell").status == MISUSED
    assert market("import", "ships").status == MISUSED
    assert market("import", "schools").status == MISUSED
    assert market("approve").status == MISUSED
    assert market("admit").status == MISUSED


@pytest.mark.parametrize(
    "arguments",
    [
        ("source", "admit", "a\0b", "--name", "x", "--trust", "player"),
        ("source", "admit", "a", "--name", "x\0y", "--trust", "player"),
        ("approve", "--as", "no:\0"),
    ],
)
def test_nul_in_an_argument_is_not_understood(market, arguments):
    found = market(*arguments)
    assert found.status == MISUSED and "NUL" in found.err


@pytest.mark.parametrize("floor", [10**20, -1, 100_001])
def test_a_floor_that_no_school_has_is_not_understood(market, floor):
    rule = ("fund", "rule", "--region", "990121", "--from", "2026-01-01", "--share", "0.05")
    found = market(*rule, "--origin", "x", "--floor", floor)
    assert found.status == MISUSED and "0<=x<=100000" in found.err


@pytest.mark.parametrize("command", ["settle", "confirm"])
@pytest.mark.parametrize("period", ["9999-12", "0001-01"])
def test_a_period_at_the_end_of_the_calendar_is_none(market, command, period):
    found = market(command, period)
    assert found.status == MISUSED and f"“{period}” is not a period." in found.err


def test_an_answer_is_one_line_on_stderr_with_the_way_out(market, tmp_path):
    found = market("import", "schools", tmp_path / "nowhere.csv")
    assert (found.status, found.out) == (FAILED, "")
    assert found.err.count("\n") == 1
    assert found.err.startswith("market: nowhere.csv can't be read") and "Check" in found.err


def test_a_defect_is_one_line_that_names_the_log(market, monkeypatch, home):
    def broken() -> None:
        raise ZeroDivisionError("a\nb")

    monkeypatch.setattr(cli, "get_command", lambda _ctx, _name: click.Command("x", callback=broken))
    found = market("verify")
    log = home / "logs" / "market.log"
    assert found.status == FAILED
    assert found.err == f"market: ZeroDivisionError: a. This is a defect; its trace is in {log}.\n"
    assert "Traceback" in log.read_text()


def test_ctrl_c_exits_130(market, monkeypatch):
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(
        cli, "get_command", lambda _ctx, _name: click.Command("x", callback=interrupted)
    )
    assert market("verify").status == INTERRUPTED


def test_a_setting_that_does_not_exist_stops_every_command(market, monkeypatch):
    monkeypatch.setenv("MARKET_COLOUR", "blue")
    found = market("verify")
    assert found.status == FAILED and "MARKET_COLOUR" in found.err


def test_a_database_that_does_not_answer_says_so(market, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    found = market("verify")
    assert found.status == FAILED
    assert "does not answer" in found.err and found.err.count("\n") == 1


def test_a_schema_of_another_version_is_refused_with_the_command_that_mends_it(market, monkeypatch):
    monkeypatch.setattr("market.schema.needed_revision", lambda: "9999")
    found = market("verify")
    assert found.status == FAILED and "market db upgrade" in found.err


def test_a_database_without_a_schema_names_its_place(engine, monkeypatch):
    monkeypatch.setattr("market.schema.current_revision", lambda _: None)
    with pytest.raises(SchemaOutdated, match=r"\(/elsewhere/var/pg\) is at revision none"):
        require_schema(engine, place="/elsewhere/var/pg")
    with pytest.raises(SchemaOutdated, match="MARKET_HOME"):
        require_schema(engine)


@pytest.mark.parametrize("name", ["MARKET_HOME", "DATABASE_URL"])
def test_help_needs_neither_home_nor_database(name, tmp_path):
    environment = {**os.environ, "MARKET_HOME": str(tmp_path / "home"), name: "/nowhere/x"}
    done = subprocess.run(
        [sys.executable, "-m", entry.__name__, "import", "regions", "--template"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "code,name,level,parent_code\n330101,示例县,county,330100\n"
    assert not (tmp_path / "home").exists()
