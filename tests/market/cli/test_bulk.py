"""`market bulk` and `market import bulk` on the command line (R24)."""

import csv
from pathlib import Path

import pytest

from kernel.unit import Units
from tests.support.bulk_builders import Buyer, a_buyer
from tests.support.funding_builders import COUNTY, VENDOR

DAYS = ("--from", "2026-09-01", "--until", "2026-12-31")


@pytest.fixture
def buyer(units: Units) -> Buyer:
    return a_buyer(units)


def test_a_bulk_purchase_is_requested_shown_and_changed(market, buyer):
    """R24: by marks, with a look before; a school's own ceiling, and who may not."""
    by_pupils = (
        "bulk",
        "request",
        f"{VENDOR}/maths-1",
        *DAYS,
        "--ceiling",
        "60",
        "--reason",
        "all",
    )
    look = market(*by_pupils, "--dry-run", "--as", "bureau", "--json").json
    assert (look["schools"], look["ceiling_fen"], "selection" in look) == (3, 6_000, False)
    assert market("bulk", "list", "--json").json == {"bulk_purchases": []}
    assert market(*by_pupils, "--as", "bureau").status == 0
    reference = market("bulk", "list", "--json").json["bulk_purchases"][0]["reference"]
    number = f"{COUNTY}-{reference}"
    assert market("selection", "sign", COUNTY, reference, "--as", "checker").status == 0
    shown = market("bulk", "show", number, "--json").json["schools"]
    assert [one["ceiling_fen"] for one in shown] == [1_000, 2_000, 3_000]
    change = ("bulk", "ceiling", number, buyer.codes[0], "12.50", "--reason", "more", "--json")
    assert market(*change, "--as", f"principal-{buyer.codes[0]}").status == 1
    proposal = market(*change, "--as", "bureau").json["proposal"]
    assert "12.50" not in market("bulk", "show", number).out
    assert market("bulk", "check", proposal, "--as", "bureau").status == 1
    assert market("bulk", "check", proposal, "--as", "checker").status == 0
    assert "12.50" in market("bulk", "show", number).out
    assert shown[0]["days"] == [{"first": "2026-09-01", "last": "2026-12-31"}]
    joining = ("bulk", "add", number, buyer.codes[0], "1", "--reason", "x", "--as", "bureau")
    assert market(*joining).status == 2
    assert market(*joining, "--from", "2026-12-01").status == 1
    past = ("bulk", "decline", number, "--from", "2026-08-01", "--reason", "own")
    assert market(*past, "--as", f"principal-{buyer.codes[0]}").status == 1


WRONG = [
    (("--ceiling", "6x"), "--ceiling"),
    (("--ceiling", "60", "--each", "-1"), "--each"),
    (("--ceiling", "60", "--next-year", "1.234"), "--next-year"),
    (("--ceiling", "60", "--until", "soon"), "--until"),
    (("--ceiling", "60", "--from", "2026-13-01"), "--from"),
    (("--ceiling", "60", "--each", "61"), "--each"),
    (("--ceiling", "60", "--until", "2026-08-31"), "--until"),
]


@pytest.mark.parametrize(("options", "named"), WRONG)
def test_what_is_wrong_with_a_request_names_its_option(market, buyer, options, named):
    """R24: amounts and days that can't be read, and those that can't be."""
    asked = ("bulk", "request", f"{VENDOR}/maths-1", *DAYS, *options, "--reason", "all")
    wrong = market(*asked, "--as", "bureau")
    assert wrong.status in {1, 2}
    assert named in wrong.err


def test_an_empty_list_says_so(market, buyer):
    """R24."""
    assert "Nothing was bought" in market("bulk", "list").out


def test_a_list_of_schools_is_taken_whole_or_its_wrong_rows_are_named(
    market, buyer: Buyer, tmp_path: Path
):
    """R24, R32: row, field and remedy; a dry run keeps nothing."""
    path = tmp_path / "bulk.csv"
    _write(path, [*buyer.codes[:2], "9999999999"])
    wrong = market("import", "bulk", path, "--as", "bureau")
    assert wrong.status == 1
    assert "9999999999" in wrong.err
    assert "school_code" in wrong.err
    _write(path, buyer.codes)
    assert market("import", "bulk", path, "--as", "bureau", "--dry-run").status == 0
    assert market("bulk", "list", "--json").json == {"bulk_purchases": []}
    taken = market("import", "bulk", path, "--as", "bureau", "--json").json
    assert (taken["received"], taken["accepted"]) == (3, 3)
    again = market("import", "bulk", path, "--as", "bureau", "--json").json
    assert again["duplicates"] == 3


def _write(path: Path, codes: list[str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            [
                *("reference", "vendor_code", "sku", "starts_on", "ends_on", "ceiling_yuan"),
                *("reason", "school_code", "school_ceiling_yuan"),
            ]
        )
        writer.writerows(
            ["B-1", VENDOR, "maths-1", "2026-09-01", "2026-12-31", "20.00", "all", code, "10.00"]
            for code in codes
        )
