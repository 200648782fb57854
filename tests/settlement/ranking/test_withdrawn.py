"""What was withdrawn while schools use it: who let it in answers for it until they are done."""

from datetime import timedelta

import pytest
from alembic import command
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from kernel.clock import shanghai_day
from kernel.errors import Refused
from kernel.unit import Unit, Units
from market.schema import alembic_config
from settlement.agreement_ends import end_agreement
from settlement.models import Agreement
from settlement.ranking.due_process import issue_notice
from settlement.ranking.runs import require_run
from settlement.ranking.standing_appeals import appeal_standing, decide_standing_appeal
from tests.settlement.ranking.test_jurisdiction import (
    answers_by_the_database,
    bureaus_around,
    dismissed_past_the_service,
    let_in,
    may_sign,
    noticed_past_the_service,
    on_watch,
    withdrawn,
)
from tests.support.builders import a_resource
from tests.support.pack_builders import a_pack
from tests.support.packed_builders import agreed
from tests.support.ranking_builders import BAD, Contest, standing_of
from tests.support.settlement_builders import SYSTEM
from tests.support.standing_builders import last_event


@pytest.mark.parametrize("in_a_pack", [False, True])
def test_what_schools_still_use_counts_though_it_was_withdrawn(
    units: Units, *, in_a_pack: bool
) -> None:
    """R10, R44: a vendor on watch keeps a far trifle, takes back what all complain of, and gains
    no other judge; nor when the agreements on it end after the notice."""
    contest, around = on_watch(units), bureaus_around(units)
    let_in(units, contest, around.neighbours, sku="N-1")
    standing, seller = standing_of(units, contest), contest.sellers[BAD]
    if in_a_pack:
        agreed_in_a_pack_alone(units, contest)
    withdrawn(units, contest, seller.sku)

    for actor in (around.neighbours[0], contest.reviewers[0]):
        assert not may_sign(units, actor, standing)
        with pytest.raises(DBAPIError, match="does not answer for it"):
            noticed_past_the_service(units, standing, actor)
    assert may_sign(units, around.city[0], standing)
    with units(around.city[0]) as unit:
        issue_notice(unit, standing.id, note="请整改", seen=require_run(unit).id)
    ended(units, contest)
    with units(seller.manager) as unit:
        appeal = appeal_standing(
            unit, standing.id, event=last_event(unit, standing.id), claim="请复核"
        )
    for actor in (around.neighbours[0], contest.reviewers[0]):
        with units(actor) as unit, pytest.raises(Refused):
            decide_standing_appeal(unit, appeal.id, upheld=False, note="维持")
        with pytest.raises(DBAPIError, match="does not answer for it"):
            dismissed_past_the_service(units, appeal.id, actor)
    with units(around.city[1]) as unit:
        decide_standing_appeal(unit, appeal.id, upheld=False, note="维持")


def test_what_was_withdrawn_counts_no_more_once_its_agreements_are_over(units: Units) -> None:
    """R10, R44: whoever let in what is left answers for it."""
    contest, around = on_watch(units), bureaus_around(units)
    let_in(units, contest, around.neighbours, sku="N-1")
    standing = standing_of(units, contest)
    withdrawn(units, contest, contest.sellers[BAD].sku)
    ended(units, contest)

    assert may_sign(units, around.neighbours[0], standing)
    assert not may_sign(units, contest.reviewers[0], standing)
    with units(around.neighbours[0]) as unit:
        issue_notice(unit, standing.id, note="请整改", seen=require_run(unit).id)


def of_the_bad(unit: Unit, contest: Contest) -> list[Agreement]:
    vendor_id = contest.sellers[BAD].organisation.id
    return [*unit.session.scalars(select(Agreement).where(Agreement.vendor_id == vendor_id))]


def ended(units: Units, contest: Contest) -> None:
    """Have every school give its agreement with the bad vendor up, and the days go by."""
    with units(SYSTEM) as unit:
        numbers = {one.payer_id: one.number for one in of_the_bad(unit, contest)}
        today = shanghai_day(unit.clock.now())
        running = {o.payer_id for o in of_the_bad(unit, contest) if o.ends_on > today}
    for school_id in running:
        with units(contest.heads[school_id]) as unit:
            end_agreement(unit, numbers[school_id], last_day=today, reason="不再使用")
    units.clock.advance(timedelta(days=2))


def agreed_in_a_pack_alone(units: Units, contest: Contest) -> None:
    """Have one school buy the bad vendor's resource in a pack, and all end what they had of it."""
    vendor, sku = contest.sellers[BAD].organisation, contest.sellers[BAD].sku
    ended(units, contest)
    with units(SYSTEM) as unit:
        a_resource(unit, vendor, "P-8", subject="数学")
        pack = a_pack(unit, vendor, ("P-8", sku))
        agreed(
            unit,
            contest.schools[0],
            vendor,
            pack,
            reference="PACK",
            starts_on=shanghai_day(unit.clock.now()),
        )


def test_the_version_before_leaves_what_was_withdrawn_out(units: Units) -> None:
    """R44: 0051 goes back, and agreements that run bind nobody; and comes again."""
    contest, around = on_watch(units), bureaus_around(units)
    let_in(units, contest, around.neighbours, sku="N-1")
    withdrawn(units, contest, contest.sellers[BAD].sku)
    standing = standing_of(units, contest)
    found = []
    for move_schema, revision in ((command.downgrade, "0051-1"), (command.upgrade, "0051")):
        with units.engine.begin() as connection:
            move_schema(alembic_config(connection), revision)
        found.append(answers_by_the_database(units, around.neighbours[0], standing))
    assert found == [True, False]
