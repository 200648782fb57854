"""The trail: who did what and when, chained afterwards without missing what commits late (R59)."""

from datetime import date
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from kernel.actors import Actor, Role, system_actor
from kernel.ids import PersonId
from kernel.trail import (
    TrailLink,
    TrailPending,
    TrailRow,
    broken_links,
    record,
    row_digest,
    sequence_trail,
)
from kernel.unit import Unit, Units

SYSTEM = system_actor("test")


def act(unit: Unit, name: str) -> None:
    record(unit, name, subject_kind="test", subject_id="1")
    unit.session.flush()


def sequence(units: Units, **limits: int) -> int:
    with units(SYSTEM) as unit:
        return sequence_trail(unit, **limits)


def chain(units: Units) -> list[tuple[int, str]]:
    with units(SYSTEM) as unit:
        rows = unit.session.execute(
            select(TrailLink.sequence, TrailRow.act)
            .join(TrailRow, TrailRow.id == TrailLink.trail_id)
            .order_by(TrailLink.sequence)
        )
        return [(number, name) for number, name in rows]


def findings(units: Units) -> list[str]:
    with units(SYSTEM) as unit:
        return broken_links(unit)


def plant(units: Units, change: str) -> None:
    """Change a row with the triggers off, as somebody with the server's keys could."""
    with units(SYSTEM) as unit:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        unit.session.execute(text(change))


def test_an_act_says_who_when_what_and_from_where(units: Units, clock):
    person_id = PersonId(uuid4())
    actor = Actor(
        name="李华", roles=frozenset({Role.PRINCIPAL}), person_id=person_id, via="192.0.2.7"
    )
    with units(actor) as unit:
        trail_id = record(
            unit,
            "agreement.opened",
            subject_kind="agreement",
            subject_id=person_id,
            price=Decimal("0.0200"),
            from_day=date(2026, 3, 1),
        )
    with units(SYSTEM) as unit:
        row = unit.session.get_one(TrailRow, trail_id)
        assert row.at == clock.now()
    assert (row.actor_id, row.actor_name, row.via) == (person_id, "李华", "192.0.2.7")
    assert (row.act, row.subject_kind, row.subject_id) == (
        "agreement.opened",
        "agreement",
        str(person_id),
    )
    assert row.facts == {"price": "0.0200", "from_day": "2026-03-01"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trail SET via = 'elsewhere'",
        "DELETE FROM trail",
        "TRUNCATE trail CASCADE",
        "UPDATE trail_link SET digest = previous_digest",
        "DELETE FROM trail_link",
        "TRUNCATE trail_link",
    ],
)
def test_neither_an_act_nor_its_link_can_be_changed_or_removed(units: Units, statement: str):
    with units(SYSTEM) as unit:
        act(unit, "done")
    sequence(units)

    with pytest.raises(DBAPIError, match="append-only"), units(SYSTEM) as unit:
        unit.session.execute(text(statement))

    assert chain(units) == [(1, "done")]
    assert findings(units) == []


def test_what_commits_late_is_chained_too(units: Units):
    """The earlier act is committed last: a sequencer that went by ids would pass it over."""
    with units(SYSTEM) as early:
        act(early, "early act")
        with units(SYSTEM) as late:
            act(late, "late act")
        assert sequence(units) == 1
        assert chain(units) == [(1, "late act")]
    assert sequence(units) == 1

    assert chain(units) == [(1, "late act"), (2, "early act")]
    assert findings(units) == []
    assert sequence(units) == 0


def test_what_was_rolled_back_leaves_no_gap(units: Units):
    with units(SYSTEM) as unit:
        act(unit, "never")
        unit.session.rollback()
    with units(SYSTEM) as unit:
        act(unit, "done")
    sequence(units)

    assert chain(units) == [(1, "done")]


def test_the_chain_goes_on_where_it_stood(units: Units):
    with units(SYSTEM) as unit:
        for number in range(5):
            act(unit, f"act {number}")

    assert [sequence(units, at_most=2) for _ in range(4)] == [2, 2, 1, 0]

    assert chain(units) == [(number + 1, f"act {number}") for number in range(5)]
    assert findings(units) == []
    with units(SYSTEM) as unit:
        assert unit.session.scalar(select(func.count()).select_from(TrailPending)) == 0
        links = unit.session.scalars(select(TrailLink).order_by(TrailLink.sequence)).all()
    assert links[0].previous_digest == b""
    assert [one.previous_digest for one in links[1:]] == [one.digest for one in links[:-1]]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("UPDATE trail SET actor_name = 'x' WHERE act = 'act 1'", "link 2 (act 1"),
        ("UPDATE trail SET at = at + interval '1 s' WHERE act = 'act 1'", "link 2 (act 1"),
        ("UPDATE trail SET facts = '{\"a\": 1}' WHERE act = 'act 2'", "link 3 (act 2"),
        ("DELETE FROM trail_link WHERE sequence = 2", "link 2 is missing"),
        ("UPDATE trail_link SET digest = '\\x00' WHERE sequence = 2", "link 2 (act 1"),
    ],
)
def test_a_link_that_was_tampered_with_is_named(units: Units, change: str, named: str):
    with units(SYSTEM) as unit:
        for number in range(3):
            act(unit, f"act {number}")
    sequence(units)
    assert findings(units) == []

    plant(units, change)

    assert any(named in finding for finding in findings(units))


def test_a_digest_covers_every_field_and_all_that_went_before(units: Units):
    with units(SYSTEM) as unit:
        act(unit, "done")
    with units(SYSTEM) as unit:
        row = unit.session.scalars(select(TrailRow)).one()
        columns = {column.name: getattr(row, column.name) for column in TrailRow.__table__.columns}
    others = {
        "id": uuid4(),
        "at": row.at.replace(year=2027),
        "actor_id": uuid4(),
        "facts": {"other": 1},
    }
    changed = [TrailRow(**{**columns, name: others.get(name, "other")}) for name in columns]
    digests = {row_digest(one, b"") for one in [row, *changed]} | {row_digest(row, b"before")}

    assert len(digests) == len(columns) + 2
