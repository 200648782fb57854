"""Commands on the books: the journal, the retention, the archive, by the database's operator."""

import pytest
from sqlalchemy import select

from kernel.actors import Role
from kernel.unit import Units
from settlement.metering.models import UsageArchive
from tests.support.archive_builders import a_closed_month
from tests.support.builders import a_person
from tests.support.settlement_builders import SYSTEM
from tests.support.settlement_builders import Market as Sold


@pytest.fixture
def sold(units: Units) -> Sold:
    """A closed month, on the database that the commands use."""
    return a_closed_month(units)


def test_a_month_goes_to_the_archive_and_comes_back(units, sold, market, home):
    done = market("usage", "archive", "2026-03", "--json")
    assert (done.status, done.json["rows"]) == (0, 40)
    assert done.json["file"] == str(home / "archive" / "usage-2026-03.parquet")
    listed = market("usage", "list", "--json").json
    assert [(one["month"], one["state"]) for one in listed] == [
        ("2026-03", "archived"),
        ("2026-04", "present"),
    ]
    assert market("verify").status == 0
    again = market("usage", "archive", "2026-03")
    assert (again.status, "market usage restore 2026-03" in again.err) == (1, True)
    assert market("usage", "restore", "2026-03").status == 0
    assert market("usage", "restore", "2026-03").status == 1
    with units(SYSTEM) as unit:
        assert unit.session.scalars(select(UsageArchive.state)).one() == "attached"


def test_a_retention_is_listed_released_and_forfeited(units, sold, market):
    with units(SYSTEM) as unit:
        person = a_person(unit, sold.bureau, [Role.BUREAU_FINANCE], login="money")
    (row,) = market("retention", "list", "--json").json
    assert (row["of_month"], row["held_fen"], row["released_fen"]) == ("2026-03", 66, 0)

    forfeit = ("retention", "forfeit", "2199000001-A-1", "2026-03")
    assert market(*forfeit).status == 2  # the reason is missing
    done = market(*forfeit, "--because", "资源打不开", "--as", "money", "--json")
    assert done.json == {"lines": 1, "released_fen": 0, "forfeited_fen": 66}
    assert person.name
    assert market("retention", "release", "--json").json["lines"] == 0
    assert market("verify").status == 0


def test_the_journal_is_written_whole_or_for_one_payer(sold, market, tmp_path):
    file = tmp_path / "books.journal"
    assert market("export", "journal", "-o", file).status == 0
    assert "assets:budget:2199000001:2026:per_student:accrued" in file.read_text("utf-8")
    printed = market("export", "journal", "--payer", "2199000001", "--format", "beancount")
    assert "Liabilities:Retention:V" in printed.out
    empty = market("export", "journal", "--to", "2020-01")
    assert (empty.status, empty.out) == (0, "")
    assert market("export", "journal", "--payer", "nobody").status == 1
    assert market("export", "journal", "--from", "March").status == 2
