"""Who signs against a vendor in a cell: the bureau that answers for all that was let in there."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from catalog.admission import decide_admission, propose_admission
from catalog.queries import resources_by_key
from catalog.submissions import withdraw
from kernel.actors import Actor, Role
from kernel.clock import parse_month, shanghai_day
from kernel.errors import NotFound, Refused
from kernel.identity.models import Organisation
from kernel.identity.regions import RegionRow, record_regions
from kernel.ids import ResourceId, new_id
from kernel.unit import Unit, Units
from market.schema import alembic_config
from settlement.queries.standings import standing_rows, standing_view
from settlement.ranking.due_process import issue_notice
from settlement.ranking.jurisdiction import answers_for
from settlement.ranking.looks import move
from settlement.ranking.models import Standing, StandingAppeal, StandingNotice
from settlement.ranking.runs import require_run
from settlement.ranking.standing_appeals import appeal_standing, decide_standing_appeal
from settlement.ranking.standing_states import Because, VendorStanding
from tests.support.builders import (
    CITY,
    a_bureau,
    a_listed_version,
    a_person,
    a_resource,
    took,
)
from tests.support.ranking_builders import (
    BAD,
    CELL,
    Contest,
    a_contest,
    lived,
    ranked,
    standing_of,
    suspended,
    wronged,
)
from tests.support.settlement_builders import SYSTEM
from tests.support.standing_builders import last_event

MARCH, APRIL = (parse_month(f"2026-{month:02d}") for month in (3, 4))
OTHER, THIRD = "990122", "990123"


@dataclass(frozen=True, slots=True)
class Above:
    """A neighbouring county's bureau and the city's above both; two reviewers each."""

    neighbours: tuple[Actor, Actor]
    city: tuple[Actor, Actor]


def bureaus_around(units: Units) -> Above:
    with units(SYSTEM) as unit:
        took(record_regions(unit, [RegionRow(code=OTHER, name="邻县")]))
        neighbour = a_bureau(unit, region_code=OTHER, name="邻县教育局")
        city = a_bureau(unit, region_code=CITY, name="云澜市教育局")
        return Above(reviewers(unit, neighbour, "N"), reviewers(unit, city, "C"))


def reviewers(unit: Unit, bureau: Organisation, letter: str) -> tuple[Actor, Actor]:
    first, second = (
        a_person(unit, bureau, [Role.ADMISSION], person_no=f"{letter}-{n}") for n in range(2)
    )
    return first, second


def let_in(
    units: Units, contest: Contest, by: tuple[Actor, Actor], *, sku: str, subject: str = "语文"
) -> None:
    """Have a bureau let in one more resource of the vendor that all schools find bad."""
    with units(SYSTEM) as unit:
        vendor = contest.sellers[BAD].organisation
        resource_id = a_resource(unit, vendor, sku, subject=subject, listed=False)
        version_id = a_listed_version(unit, ResourceId(resource_id))
    with units(by[0]) as unit:
        propose_admission(unit, [version_id], note="材料齐全")
    with units(by[1]) as unit:
        decide_admission(unit, [version_id], note="同意")


def on_watch(units: Units) -> Contest:
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 4, BAD: 1})
    wronged(units, contest, MARCH, BAD)
    lived(units, contest, APRIL)
    ranked(units, APRIL)
    assert standing_of(units, contest).state == "watch"
    return contest


def sees(units: Units, actor: Actor) -> set[str]:
    with units(actor) as unit:
        return {row.cell for row in standing_rows(unit) if row.state == "watch"}


def may_sign(units: Units, actor: Actor, standing: Standing, *, due: bool = True) -> bool:
    """Return whether somebody's bureau answers for it; `due`: a next step has gates."""
    with units(actor) as unit:
        view = standing_view(unit, standing.id)
    assert not due or view.gates[0].is_met is view.may_sign
    return view.may_sign


def test_who_let_in_something_else_neither_sees_nor_signs(units: Units) -> None:
    """R10, R44: a county answers for what it let in, and in no other cell of the vendor's."""
    contest, around = on_watch(units), bureaus_around(units)
    let_in(units, contest, around.neighbours, sku="N-1", subject="数学")
    standing = standing_of(units, contest)

    assert sees(units, around.neighbours[0]) == set()
    with units(around.neighbours[0]) as unit, pytest.raises(NotFound):
        issue_notice(unit, standing.id, note="请整改", seen=require_run(unit).id)
    assert may_sign(units, contest.reviewers[0], standing)
    with units(contest.reviewers[0]) as unit:
        issue_notice(unit, standing.id, note="请整改", seen=require_run(unit).id)


def test_where_two_counties_let_in_the_bureau_above_both_signs(units: Units) -> None:
    """R10, R44: both see it, and neither signs."""
    contest, around = on_watch(units), bureaus_around(units)
    let_in(units, contest, around.neighbours, sku="N-1")
    standing = standing_of(units, contest)

    for actor in (around.neighbours[0], contest.reviewers[0]):
        assert sees(units, actor) == {CELL}
        assert not may_sign(units, actor, standing)
        with units(actor) as unit, pytest.raises(Refused, match="step of due process"):
            issue_notice(unit, standing.id, note="请整改", seen=require_run(unit).id)
        with pytest.raises(DBAPIError, match="does not answer for it"):
            noticed_past_the_service(units, standing, actor)
    assert may_sign(units, around.city[0], standing)
    with units(around.city[0]) as unit:
        issue_notice(unit, standing.id, note="请整改", seen=require_run(unit).id)


def noticed_past_the_service(units: Units, standing: Standing, who: Actor) -> None:
    with units(SYSTEM) as unit:
        run = require_run(unit)
        today = shanghai_day(unit.clock.now())
        notice = StandingNotice(
            id=new_id(),
            standing_id=standing.id,
            run_id=run.id,
            items=[{"number": 1, "school": "x", "component": "ratings", "what": {}}],
            note="硬来",
            issued_at=unit.clock.now(),
            issued_by=who.person_id,
            mend_by=today + timedelta(days=200),
        )
        unit.session.add(notice)
        unit.session.flush()
        move(
            unit,
            unit.session.get_one(Standing, standing.id),
            VendorStanding.PROBATION,
            because=Because.NOTICE,
            run_id=run.id,
            notice_id=notice.id,
            signed_by=who.person_id,
            note="硬来",
            appeal_by=today,
        )


def dismissed_past_the_service(units: Units, appeal_id: UUID, who: Actor) -> None:
    with units(SYSTEM) as unit:
        row = unit.session.get_one(StandingAppeal, appeal_id)
        row.outcome, row.note = "dismissed", "维持"
        row.decided_by, row.decided_at = who.person_id, unit.clock.now()
        unit.session.flush()


def withdrawn(units: Units, contest: Contest, sku: str) -> None:
    with units(contest.sellers[BAD].manager) as unit:
        vendor = contest.sellers[BAD].organisation
        resource = resources_by_key(unit, [(vendor.code, sku)])[vendor.code, sku]
        withdraw(unit, a_listed_version(unit, ResourceId(resource.id)))


def test_an_appeal_is_decided_by_a_bureau_that_answered_when_the_notice_came(units: Units) -> None:
    """R10, R44: what another county lets in since binds nobody's hands; so says the database."""
    contest, around = suspended(units), bureaus_around(units)
    standing = standing_of(units, contest)
    with units(contest.sellers[BAD].manager) as unit:
        appeal = appeal_standing(
            unit, standing.id, event=last_event(unit, standing.id), claim="请复核"
        )
    let_in(units, contest, around.neighbours, sku="N-1")

    with units(around.neighbours[0]) as unit, pytest.raises(Refused):
        decide_standing_appeal(unit, appeal.id, upheld=False, note="维持")
    with pytest.raises(DBAPIError, match="does not answer for it"):
        dismissed_past_the_service(units, appeal.id, around.neighbours[0])
    assert may_sign(units, contest.reviewers[2], standing, due=False)
    assert may_sign(units, around.city[1], standing, due=False)
    with units(contest.reviewers[2]) as unit:
        decide_standing_appeal(unit, appeal.id, upheld=False, note="维持")


def test_what_was_withdrawn_before_the_notice_is_let_in_no_more(units: Units) -> None:
    """R10, R44: a trifle that comes and goes takes nobody's right to sign."""
    contest, around = on_watch(units), bureaus_around(units)
    let_in(units, contest, around.neighbours, sku="N-1")
    standing = standing_of(units, contest)
    assert not may_sign(units, contest.reviewers[0], standing)
    withdrawn(units, contest, "N-1")
    assert may_sign(units, contest.reviewers[0], standing)
    with units(contest.reviewers[0]) as unit:
        issue_notice(unit, standing.id, note="请整改", seen=require_run(unit).id)


def test_what_is_withdrawn_after_the_notice_still_counts(units: Units) -> None:
    """R10, R44: nor does a vendor choose its judge by what it takes back."""
    contest, around = on_watch(units), bureaus_around(units)
    let_in(units, contest, around.neighbours, sku="N-1")
    standing = standing_of(units, contest)
    with units(around.city[0]) as unit:
        issue_notice(unit, standing.id, note="请整改", seen=require_run(unit).id)
    units.clock.advance(timedelta(days=1))
    withdrawn(units, contest, "N-1")
    with units(contest.sellers[BAD].manager) as unit:
        appeal = appeal_standing(
            unit, standing.id, event=last_event(unit, standing.id), claim="请复核"
        )
    with units(contest.reviewers[2]) as unit, pytest.raises(Refused):
        decide_standing_appeal(unit, appeal.id, upheld=False, note="维持")
    with pytest.raises(DBAPIError, match="does not answer for it"):
        dismissed_past_the_service(units, appeal.id, contest.reviewers[2])
    with units(around.city[1]) as unit:
        decide_standing_appeal(unit, appeal.id, upheld=False, note="维持")


@pytest.mark.parametrize("has_a_city", [False, True])
def test_where_no_bureau_with_a_reviewer_lies_above_each_that_let_in_may_sign(
    units: Units, *, has_a_city: bool
) -> None:
    """R44: nobody is beyond due process; whoever let nothing in signs nothing."""
    contest = on_watch(units)
    with units(SYSTEM) as unit:
        rows = [RegionRow(code=OTHER, name="邻县"), RegionRow(code=THIRD, name="远县")]
        took(record_regions(unit, rows))
        neighbours = reviewers(unit, a_bureau(unit, region_code=OTHER), "N")
        strangers = reviewers(unit, a_bureau(unit, region_code=THIRD), "S")
        if has_a_city:
            a_bureau(unit, region_code=CITY, name="云澜市教育局")
    let_in(units, contest, neighbours, sku="N-1")
    standing = standing_of(units, contest)

    assert may_sign(units, neighbours[0], standing)
    assert may_sign(units, contest.reviewers[0], standing)
    with units(strangers[0]) as unit:
        assert not answers_for(unit, standing.vendor_id, cell=CELL)
    with pytest.raises(DBAPIError, match="does not answer for it"):
        noticed_past_the_service(units, standing, strangers[0])
    with units(neighbours[0]) as unit:
        issue_notice(unit, standing.id, note="请整改", seen=require_run(unit).id)


def test_where_nobody_let_anything_in_the_topmost_bureau_signs(units: Units) -> None:
    """R44: what was listed before there were reviewers."""
    contest, around = a_contest(units), bureaus_around(units)
    vendor = contest.sellers[BAD].organisation.id
    found = []
    for actor in (contest.reviewers[0], around.city[0]):
        with units(actor) as unit:
            found.append(answers_for(unit, vendor, cell="primary/音乐/视频"))
    assert found == [False, True]


def test_the_version_before_counts_every_admission_again(units: Units) -> None:
    """R44: 0033 goes back, and what was withdrawn bars who would sign now; and comes again."""
    contest, around = on_watch(units), bureaus_around(units)
    let_in(units, contest, around.neighbours, sku="N-1")
    withdrawn(units, contest, "N-1")
    standing = standing_of(units, contest)
    found = []
    for move_schema, revision in ((command.downgrade, "0032"), (command.upgrade, "0033")):
        with units.engine.begin() as connection:
            move_schema(alembic_config(connection), revision)
        found.append(answers_by_the_database(units, contest.reviewers[0], standing))
    assert found == [False, True]


def answers_by_the_database(units: Units, who: Actor, standing: Standing) -> bool:
    with units(SYSTEM) as unit:
        return bool(
            unit.session.scalar(
                text("SELECT answers_for_standing(:who, :standing, :at)"),
                {"who": who.person_id, "standing": standing.id, "at": unit.clock.now()},
            )
        )
