"""What a database of an older version gets when schools' days are introduced (R24)."""

from datetime import UTC, date, datetime

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kernel.clock import FixedClock
from kernel.ids import new_id
from kernel.unit import Units
from market.schema import alembic_config
from procurement.verification import verify
from tests.support.bulk_builders import (
    FIRST,
    Buyer,
    a_buyer,
    another_ceiling,
    closed,
    on,
    standings,
)
from tests.support.settlement_builders import SYSTEM

CHANGE = (
    "INSERT INTO agreement_school_change (id, agreement_id, number, school_id, kind, ceiling_fen, "
    "from_day, reason, at, by) SELECT :id, a.id, :place, o.id, :kind, :fen, :day, 'x', :at, 'x' "
    "FROM agreement a, organisation o WHERE a.number = :number AND o.code = :code"
)
CHANGE_WITH_REFERENCE = CHANGE.replace("reason, at", "reason, reference, at").replace(
    "'x', :at", "'x', '', :at"
)


def test_who_was_added_before_keeps_the_first_day_and_who_declined_that_day(
    units: Units, clock: FixedClock
) -> None:
    """R24: nothing that was billed changes, and verify finds the days in their changes."""
    clock.at = datetime(2026, 8, 20, 1, tzinfo=UTC)
    buyer = a_buyer(units)
    number = buyer.bought(dict.fromkeys(buyer.codes[:2], 500), ceiling_fen=1_000)
    with units.engine.begin() as connection:
        command.downgrade(alembic_config(connection), before_days())
        given = {"number": number, "at": on(9, 1), "place": 1, "fen": 300, "day": None}
        for change in (
            {"kind": "added", "code": buyer.codes[2]},
            {"kind": "declined", "code": buyer.codes[0], "day": date(2026, 10, 1), "fen": 0},
            {"kind": "declined", "code": buyer.codes[2], "day": date(2026, 11, 1), "fen": 0},
        ):
            connection.execute(text(CHANGE), {**given, **change, "id": new_id()})
            given["place"] += 1
    with units.engine.begin() as connection:
        command.upgrade(alembic_config(connection), "head")
    units.engine.dispose()
    assert days(buyer, number) == [
        f"{{(,{date(2026, 10, 1)})}}",
        "{(,)}",
        f"{{[{FIRST},{date(2026, 11, 1)})}}",
    ]
    clock.at = on(9, 20)
    buyer.use({buyer.codes[2]: 2})
    closed(buyer, clock, 9)
    assert standings(buyer, number)[2] == (300, 200, 0)
    assert verify(units, SYSTEM) == []


@pytest.mark.parametrize("again", [False, True])
def test_what_the_tables_of_before_can_not_hold_keeps_them_from_going_back(
    units: Units, clock: FixedClock, again: bool
) -> None:
    """R24: said plainly, and nothing is lost."""
    clock.at = datetime(2026, 8, 20, 1, tzinfo=UTC)
    buyer = a_buyer(units)
    number = buyer.bought(dict.fromkeys(buyer.codes, 500))
    if again:
        came_went_and_came(buyer, number)
        refused = "knows no school that joined a bulk purchase again"
    else:
        buyer.propose(number, another_ceiling(buyer.codes[0], 900))
        refused = "keeps no proposals of schools"
    with pytest.raises(DBAPIError, match=refused), units.engine.begin() as connection:
        command.downgrade(alembic_config(connection), before_days())
    assert verify(units, SYSTEM) == []


def came_went_and_came(buyer: Buyer, number: str) -> None:
    """As the revision that introduced days lets it be written: with no proposal."""
    clock = buyer.units.clock
    with buyer.units.engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0011")
        given = {"number": number, "at": clock.now(), "fen": 0, "code": buyer.codes[0]}
        for place, (kind, day) in enumerate((("declined", 5), ("added", 15)), start=1):
            change = {"id": new_id(), "place": place, "kind": kind, "day": date(2026, 9, day)}
            connection.execute(text(CHANGE_WITH_REFERENCE), {**given, **change})
        command.upgrade(alembic_config(connection), "head")
    buyer.units.engine.dispose()


def before_days() -> str:
    """Return the revision before the one that introduced schools' days."""
    found = next(
        one
        for one in ScriptDirectory.from_config(alembic_config()).walk_revisions()
        if one.path.endswith("days_of_schools.py")
    )
    assert isinstance(found.down_revision, str)
    return found.down_revision


def days(buyer: Buyer, number: str) -> list[str]:
    with buyer.units(SYSTEM) as unit:
        rows = unit.session.execute(
            text(
                "SELECT g.days::text FROM agreement_school g "
                "JOIN agreement a ON a.id = g.agreement_id "
                "JOIN organisation o ON o.id = g.school_id WHERE a.number = :number ORDER BY o.code"
            ),
            {"number": number},
        )
        return list(rows.scalars())
