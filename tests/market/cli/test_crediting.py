"""`market credits`, `rates` and their exports, as an operator and a bureau use them."""

import csv
import json
from pathlib import Path

from kernel.clock import FixedClock
from kernel.unit import Units
from tests.market.cli.conftest import Market
from tests.support.credit_builders import a_contribution, an_article, read


def test_credits_are_booked_and_exported(
    market: Market, units: Units, clock: FixedClock, tmp_path: Path
):
    """R48: a row for each teacher and year, for the teacher's file."""
    given = a_contribution(units)
    read(units, given.reader, an_article(units, given.market, "TXT-1"), clock)
    assert market("credits", "book", "--json").json == {"changes": 1, "left_out": {}}
    assert market("credits", "book", "--json").json == {"changes": 0, "left_out": {}}

    out = tmp_path / "credits.csv"
    assert market("export", "credits", "--year", "2026", "-o", out, "--as", "auditor-1").status == 0
    (row,) = csv.DictReader(out.read_text(encoding="utf-8-sig").splitlines())
    assert str(given.reader.person_id) in row.values()
    assert "0.0625" in row.values()
    assert market("verify").status == 0


def test_a_region_records_its_own_table(market: Market, units: Units, tmp_path: Path):
    a_contribution(units)
    (shipped, small) = market("rates", "show", "credits", "--json").json
    assert (shipped["table"]["reading"], small["version"]) == (625, "small")
    table = tmp_path / "table.toml"
    body = {**small["table"], "reading_cap": 2_000}
    table.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in body.items()))
    record = ("rates", "record", "credits", table, "--from", "2027-01-01", "--source", "文件")
    assert market(*record, "--version", "next", "--region", small["region"]).status == 0
    refused = market(*record, "--version", "next")
    assert (refused.status, "exists already" in refused.err) == (1, True)
    assert len(market("rates", "show", "credits", "--json").json) == 3


def test_withheld_tax_is_exported_for_filing(market: Market, units: Units):
    a_contribution(units)
    exported = market("export", "withholding", "2026-03")
    assert exported.status == 0
    assert len(exported.out.strip().splitlines()) == 1, "the columns, and no income"
