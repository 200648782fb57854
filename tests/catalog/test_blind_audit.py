"""Blind audits: whom nobody chooses is drawn, once in a month, and judged by the uninvolved."""

import random
import threading
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest
from alembic import command
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from catalog.blind_audit import (
    AUDITED_FOR_DAYS,
    FEWEST,
    count_overdue,
    draw_sample,
    drawn_from,
    draws,
    judge_sample,
    samples,
    seed_of,
)
from catalog.sharing_models import BlindDraw, BlindSample
from kernel.actors import VISITOR, Role
from kernel.clock import FixedClock, start_of_day
from kernel.errors import Conflict, DrawnAlready, InvalidInput, NothingToDraw, TookPart
from kernel.trail import TrailLink, sequence_trail
from kernel.unit import Units
from market.schema import alembic_config
from settlement.evaluation.bureaus import bureau_services
from settlement.evaluation.spans import read_span
from settlement.ranking.config import SHIPPED
from settlement.verify.draws import check_draws
from tests.support.admission_builders import Desk, a_desk
from tests.support.builders import a_person
from tests.support.draws import drawn_before
from tests.support.settlement_builders import SYSTEM

SEPTEMBER = date(2026, 9, 1)


@pytest.fixture
def desk(units: Units) -> Desk:
    return a_desk(units)


def listed(desk: Desk, clock: FixedClock, *skus: str) -> list[UUID]:
    """Have versions listed, and the next month begin: only then they can be drawn."""
    found = [desk.listed(sku) for sku in skus]
    clock.at = start_of_day(date(clock.at.year, clock.at.month + 1, 2))
    return found


def drawn(desk: Desk, *, size: int = FEWEST) -> list[UUID]:
    with desk.units(desk.third) as unit:
        return draw_sample(unit, size=size)


def versions(desk: Desk, sample_ids: list[UUID]) -> list[UUID]:
    with desk.units(SYSTEM) as unit:
        return [unit.session.get_one(BlindSample, one).version_id for one in sample_ids]


def faults(desk: Desk) -> list[str]:
    with desk.units(SYSTEM) as unit:
        return list(check_draws(unit))


def test_the_trail_makes_the_seed_and_anybody_draws_again(desk: Desk, clock: FixedClock) -> None:
    """R42: nobody has a say in who is drawn, and what was drawn can be had from what is published.

    What is chained in the month itself moves nothing, nor does who comes to draw.
    """
    with desk.units(SYSTEM) as unit:
        sequence_trail(unit)
    pool = listed(desk, clock, *"ABCDEFG")
    with desk.units(SYSTEM) as unit:
        sequence_trail(unit)
        last = unit.session.scalars(select(TrailLink).order_by(-TrailLink.sequence)).first()
        assert last is not None
    desk.draft("OF-SEPTEMBER")
    with desk.units(SYSTEM) as unit:
        sequence_trail(unit)
    chosen = versions(desk, drawn(desk))
    with desk.units(VISITOR) as unit:
        (one,) = draws(unit)
    assert (one.anchor, one.anchor_digest) == (last.sequence, last.digest.hex())
    assert one.seed == seed_of(last.digest.hex(), bureau_code=desk.county.code, month=SEPTEMBER)
    assert list(one.pool) == sorted(pool)
    assert list(one.drawn) == chosen == drawn_from(pool, seed=one.seed, size=FEWEST)
    assert faults(desk) == []


def test_one_draw_in_a_month_of_what_was_there_before_it(desk: Desk, clock: FixedClock) -> None:
    """R42: nobody draws until it suits them, picks a small size or brings in what suits."""
    old = listed(desk, clock, "A", "B")
    desk.listed("NEW")
    for size in (1, FEWEST - 1, 501):
        with desk.units(desk.third) as unit, pytest.raises(InvalidInput):
            draw_sample(unit, size=size)
    assert sorted(versions(desk, drawn(desk))) == sorted(old)
    for actor in (desk.first, desk.third):
        with desk.units(actor) as unit, pytest.raises(DrawnAlready):
            draw_sample(unit, size=100)
    with desk.units(desk.upper) as unit, pytest.raises(NothingToDraw):
        draw_sample(unit, size=FEWEST)
    with desk.units(SYSTEM) as unit:
        first = unit.session.scalars(select(BlindDraw)).one()
        facts = {
            name: getattr(first, name)
            for name in ("bureau_id", "month", "size", "pool", "drawn_by", "drawn_at")
        }
    with pytest.raises(DBAPIError, match="uq_blind_draw"), desk.units(SYSTEM) as unit:
        unit.session.add(BlindDraw(id=uuid4(), anchor=0, anchor_digest="", seed="", **facts))
        unit.session.flush()


def test_two_who_draw_at_once_draw_once(desk: Desk, clock: FixedClock) -> None:
    """R42."""
    listed(desk, clock, *"ABCDEFG")
    met, told = threading.Barrier(2, timeout=20), []

    def draw(actor) -> None:
        with desk.units(actor) as unit:
            met.wait()
            try:
                told.append(len(draw_sample(unit, size=FEWEST)))
            except DrawnAlready:
                told.append(0)

    both = [threading.Thread(target=draw, args=(one,)) for one in (desk.first, desk.third)]
    for one in both:
        one.start()
    for one in both:
        one.join(timeout=30)
    assert sorted(told) == [0, FEWEST]
    with desk.units(SYSTEM) as unit:
        assert len(unit.session.scalars(select(BlindSample.id)).all()) == FEWEST
    assert faults(desk) == []


def test_what_was_audited_within_a_term_is_not_drawn_again(desk: Desk, clock: FixedClock) -> None:
    """R42: one audit in a term, however many draws; nor what still waits to be judged."""
    assert SHIPPED.term_days == AUDITED_FOR_DAYS
    listed(desk, clock, "A")
    (sample_id,) = drawn(desk)
    judged_at = clock.at
    clock.at = start_of_day(date(2026, 10, 2))
    with desk.units(desk.third) as unit, pytest.raises(NothingToDraw):
        draw_sample(unit, size=FEWEST)
    with desk.units(SYSTEM) as unit:
        fourth = a_person(unit, desk.county, [Role.ADMISSION])
    with desk.units(fourth) as unit:
        judge_sample(unit, sample_id, passed=True, note="符合")
    judged_at = clock.at
    clock.at = start_of_day(date(2027, 4, 2))  # the month began 181 days later
    with desk.units(desk.third) as unit, pytest.raises(NothingToDraw):
        draw_sample(unit, size=FEWEST)
    clock.at = start_of_day(date(2027, 5, 2))
    assert clock.at - judged_at > timedelta(days=AUDITED_FOR_DAYS)
    assert len(drawn(desk)) == 1


def test_the_uninvolved_judge_and_what_nobody_judged_is_overdue(
    desk: Desk, clock: FixedClock
) -> None:
    """R42: who admitted or drew it judges nothing; after thirty days it is listed as overdue."""
    listed(desk, clock, *"ABC")
    waiting = drawn(desk)
    for actor in (desk.first, desk.second, desk.third):
        with desk.units(actor) as unit, pytest.raises(TookPart):
            judge_sample(unit, waiting[0], passed=True, note="符合")
    with desk.units(SYSTEM) as unit:
        fourth = a_person(unit, desk.county, [Role.ADMISSION])
    with desk.units(fourth) as unit:
        judge_sample(unit, waiting[0], passed=False, note="第2页有误")
        shown = samples(unit)
    assert [one.standing for one in shown] == ["waiting", "waiting", "failed"]
    assert all(desk.firm.name not in str(one) for one in shown)
    with desk.units(fourth) as unit, pytest.raises(Conflict):
        judge_sample(unit, waiting[0], passed=True, note="改主意")
    clock.at = start_of_day(shown[0].judge_by)
    with desk.units(fourth) as unit:
        assert count_overdue(unit) == 0
    clock.advance(timedelta(days=1))
    with desk.units(fourth) as unit:
        assert count_overdue(unit) == 2
        assert [one.standing for one in samples(unit)] == ["overdue", "overdue", "failed"]
        judge_sample(unit, waiting[1], passed=True, note="符合")
    with desk.units(fourth) as unit:
        assert count_overdue(unit) == 1
    with desk.units(desk.upper) as unit:
        assert samples(unit) == [] and count_overdue(unit) == 0


def test_who_was_drawn_is_told_once_all_are_judged_or_the_days_are_over(
    desk: Desk, clock: FixedClock
) -> None:
    """R42: who is drawn could prepare for it, and nobody hides a draw by not judging it."""

    def told() -> list[bool]:
        with desk.units(VISITOR) as unit:
            return [one.is_told for one in draws(unit)]

    listed(desk, clock, *"AB")
    first = drawn(desk)
    with desk.units(SYSTEM) as unit:
        fourth = a_person(unit, desk.county, [Role.ADMISSION])
    for sample_id in first:
        assert told() == [False]
        with desk.units(fourth) as unit:
            judge_sample(unit, sample_id, passed=True, note="符合")
    assert told() == [True]
    listed(desk, clock, "C")
    drawn(desk)
    with desk.units(VISITOR) as unit:
        last_day = draws(unit)[0].judge_by
    clock.at = start_of_day(last_day + timedelta(days=1)) - timedelta(seconds=1)
    assert told() == [False, True]
    clock.advance(timedelta(seconds=1))
    assert told() == [True, True]


def test_who_serves_is_told_by_what_it_judged_in_time(desk: Desk, clock: FixedClock) -> None:
    """R65: what it drew counts once it is judged, or once the day for that is over."""
    listed(desk, clock, *"ABC")
    waiting = drawn(desk)

    def served() -> tuple[int, int]:
        with desk.units(VISITOR) as unit:
            rows = bureau_services(unit, read_span(unit, "2026"))
        (ours,) = [one for one in rows if one.code == desk.county.code]
        return ours.audits, ours.audits_in_time

    with desk.units(SYSTEM) as unit:
        fourth = a_person(unit, desk.county, [Role.ADMISSION])
    clock.advance(timedelta(days=30))
    with desk.units(fourth) as unit:
        judge_sample(unit, waiting[0], passed=True, note="符合")
    assert served() == (1, 1)
    clock.advance(timedelta(days=2))
    assert served() == (3, 1)
    with desk.units(fourth) as unit:
        judge_sample(unit, waiting[1], passed=True, note="符合")
    assert served() == (3, 1)


def test_samples_of_chosen_seeds_stay_and_no_more_come(desk: Desk, clock: FixedClock) -> None:
    """What was drawn before is read, judged and had again as before; the database takes no more."""
    pool = listed(desk, clock, *"ABC")
    old = drawn_before(desk.units, desk.county, desk.third, seed="2026-08 第一批", size=2)
    assert versions(desk, old) == drawn_from(pool, seed="2026-08 第一批", size=2)
    with desk.units(SYSTEM) as unit:
        fourth = a_person(unit, desk.county, [Role.ADMISSION])
    with desk.units(fourth) as unit:
        judge_sample(unit, old[0], passed=True, note="符合")
        assert {(one.seed, one.month) for one in samples(unit)} == {("2026-08 第一批", None)}
    assert faults(desk) == []
    with pytest.raises(DBAPIError, match="of no draw"), desk.units(SYSTEM) as unit:
        unit.session.add(
            BlindSample(
                id=uuid4(),
                bureau_id=desk.county.id,
                seed="2026-09 改",
                version_id=pool[0],
                drawn_by=desk.third.person_id,
                drawn_at=clock.at,
                note="",
            )
        )
        unit.session.flush()


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("UPDATE blind_draw SET seed = repeat('a', 64)", "its seed is not made of the trail"),
        ("UPDATE blind_draw SET anchor = 1", "link 1 of the trail is not the one"),
        ("DELETE FROM blind_sample WHERE judged_at IS NULL", "its samples are not what"),
        ("UPDATE blind_draw SET pool = pool - 0", "it is not what the trail tells"),
        ("UPDATE blind_sample SET draw_id = NULL; DELETE FROM blind_draw", "and there is none"),
    ],
)
def test_a_draw_that_was_changed_is_named(desk: Desk, clock: FixedClock, sql, told) -> None:
    """R42, R45: `market verify` draws again."""
    listed(desk, clock, *"ABCDEFG")
    drawn(desk)
    with pytest.raises(DBAPIError), desk.units(SYSTEM) as unit:
        unit.session.connection().exec_driver_sql("UPDATE blind_draw SET size = 6")
    with desk.units(SYSTEM) as unit:
        connection = unit.session.connection()
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.exec_driver_sql(sql)
    assert any(told in one for one in faults(desk))


def test_a_draw_by_an_older_link_of_the_trail_is_named(desk: Desk, clock: FixedClock) -> None:
    """R42, R45: with its true digest, and the seed that is made of it."""
    listed(desk, clock, *"ABCDEFG")
    with desk.units(SYSTEM) as unit:
        sequence_trail(unit)
        older = unit.session.get_one(TrailLink, 3).digest.hex()
    seed = seed_of(older, bureau_code=desk.county.code, month=SEPTEMBER)
    drawn(desk)
    with desk.units(SYSTEM) as unit:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        unit.session.execute(
            text("UPDATE blind_draw SET anchor = 3, anchor_digest = :digest, seed = :seed"),
            {"digest": older, "seed": seed},
        )
    found = faults(desk)
    assert any("link 3 of the trail is not the one" in one for one in found)
    assert not any("its seed is not made" in one for one in found)


def test_there_is_no_way_back_past_a_draw(desk: Desk, clock: FixedClock) -> None:
    """R45: who could be drawn stands nowhere else."""
    listed(desk, clock, *"ABCDEFG")
    drawn(desk)
    with (
        pytest.raises(RuntimeError, match="can't go back"),
        desk.units.engine.begin() as connection,
    ):
        command.downgrade(alembic_config(connection), "0051")
    assert faults(desk) == []


def test_who_is_drawn_depends_on_the_seed_alone() -> None:
    ids = [uuid4() for _ in range(50)]
    mixed = random.Random(1).sample(ids, 50)
    assert drawn_from(ids, seed="a", size=5) == drawn_from(mixed, seed="a", size=5)
    assert drawn_from(ids, seed="a", size=5) != drawn_from(ids, seed="b", size=5)
