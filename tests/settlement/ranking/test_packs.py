"""A pack sells its parts: evidence reaches their cells, and what closes these closes the pack."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from catalog.packs import parts_of
from catalog.queries import resources_by_key
from kernel.actors import Role
from kernel.clock import Month, parse_month, shanghai_day
from kernel.errors import NoNewSchools
from kernel.ids import ResourceId
from kernel.unit import Units
from settlement.agreement_ends import EndWhy, end_agreement, end_what_is_over
from settlement.funding_lines import issue_amount, open_line
from settlement.models import Agreement, StatementBreakdown, StatementLine
from settlement.ranking.due_process import let_exit, suspend
from settlement.ranking.evidence import gather
from settlement.ranking.fresh import fresh_schools
from settlement.ranking.looks import leave_when_over, move
from settlement.ranking.models import Standing
from settlement.ranking.rules import SHIPPED, EvidenceRules, Rules
from settlement.ranking.runs import require_run
from settlement.ranking.standing_states import Because, VendorStanding
from settlement.verify.recompute import verify
from tests.support.builders import (
    a_listed_version,
    a_person,
    a_resource,
    a_school,
)
from tests.support.pack_builders import a_pack
from tests.support.packed_builders import Packed, agreed, packed, taught, wronged
from tests.support.ranking_builders import (
    BAD,
    CELL,
    Contest,
    a_contest,
    closed,
    lived,
    next_look,
    on_probation,
    ranked,
    standing_of,
    suspended,
)
from tests.support.settlement_builders import SYSTEM

MARCH, APRIL, MAY, JUNE, JULY = (parse_month(f"2026-{month:02d}") for month in range(3, 8))
SEPTEMBER, OCTOBER = (parse_month(f"2026-{month:02d}") for month in (9, 10))
MATHS, PACKS = "primary/数学/视频", "primary//资源包"
BEFORE = Rules(evidence=EvidenceRules())
"""The rules of before: a pack was in a cell of its own, and nowhere else."""


def found(
    units: Units, seller: Packed, month: Month, *, rules: Rules = SHIPPED, kind: str = "vendor"
) -> dict[str, list[tuple[int, int, int, int, int]]]:
    """Return by cell what schools did: months, uses, renewed, ended, defects; each kind once."""
    with units(SYSTEM) as unit:
        evidence = gather(unit, month, rules)
        own = {str(seller.vendor.id), str(seller.pack)} | {
            str(part.resource_id) for part in parts_of(unit, a_listed_version(unit, seller.pack))
        }
    return {
        one.cell: sorted({(s.months, s.uses, s.renewed, s.ended, s.defects) for s in one.schools})
        for one in evidence.scored(kind)
        if one.subject in own
    }


def test_use_under_a_pack_is_evidence_on_the_parts_that_were_used(units: Units) -> None:
    """R42: in the cell of a part that nobody opened nothing is known."""
    contest = a_contest(units)
    seller = packed(units, contest)
    taught(units, contest, seller, MARCH)
    closed(units, MARCH)
    month = [(1, 2, 0, 0, 0)]

    assert found(units, seller, MARCH) == {CELL: month, PACKS: month}
    assert found(units, seller, MARCH, kind="resource") == {CELL: month, PACKS: month}
    assert found(units, seller, MARCH, rules=BEFORE) == {PACKS: month}
    taught(units, contest, seller, APRIL, parts=(0, 1))
    closed(units, APRIL)

    assert found(units, seller, APRIL) == {
        CELL: [(2, 4, 0, 0, 0)],
        MATHS: [(1, 2, 0, 0, 0)],
        PACKS: [(2, 6, 0, 0, 0)],
    }
    with units(SYSTEM) as unit:
        told = unit.session.scalars(
            select(StatementBreakdown.explanation)
            .join(StatementLine, StatementLine.id == StatementBreakdown.line_id)
            .where(StatementLine.vendor_id == seller.vendor.id, StatementLine.month == APRIL)
        ).all()
    assert [sorted(one["parts"].values()) for one in told] == [[2, 2]] * 4
    assert verify(units, SYSTEM) == []


def test_late_use_of_a_part_is_known_by_the_recount(units: Units) -> None:
    """R37, R42: a month counts once, with what the recount found of it."""
    contest = a_contest(units)
    seller = packed(units, contest)
    taught(units, contest, seller, MARCH)
    closed(units, MARCH)
    taught(units, contest, seller, MARCH, parts=(1,), name="late")
    closed(units, APRIL)

    assert found(units, seller, MARCH)[CELL] == [(1, 2, 0, 0, 0)]
    assert found(units, seller, APRIL) == {
        CELL: [(1, 2, 0, 0, 0)],
        MATHS: [(1, 2, 0, 0, 0)],
        PACKS: [(1, 4, 0, 0, 0)],
    }
    assert verify(units, SYSTEM) == []


def test_a_pack_that_is_given_up_or_disputed_speaks_of_the_parts_that_were_used(
    units: Units,
) -> None:
    """R42: terms that ended and upheld disputes reach the cells of these parts, and no others."""
    contest = a_contest(units)
    seller = packed(units, contest)
    taught(units, contest, seller, MARCH)
    closed(units, MARCH)
    wronged(units, contest, seller, MARCH)
    for school in contest.schools:
        with units(contest.heads[school.id]) as unit:
            end_agreement(
                unit,
                f"{school.code}-PACK",
                last_day=date(2026, 4, 20),
                reason="不再使用",
                why=EndWhy.NOT_SUITABLE,
            )
    with units(SYSTEM) as unit:  # one goes on with a single part, one with the part it never used
        for number, sku in ((0, "P-1"), (1, "P-2")):
            resource = resources_by_key(unit, [(seller.vendor.code, sku)])[seller.vendor.code, sku]
            agreed(
                unit,
                contest.schools[number],
                seller.vendor,
                ResourceId(resource.id),
                reference=sku,
                starts_on=date(2026, 4, 21),
            )
    closed(units, APRIL)

    after = found(units, seller, APRIL)

    assert after == {CELL: [(1, 2, 0, 1, 10), (1, 2, 1, 0, 10)], PACKS: [(1, 2, 0, 1, 10)]}


def test_single_terms_are_not_renewed_by_a_pack_of_which_the_part_is_not_used(
    units: Units,
) -> None:
    """R42: nobody renews what is bundled with what they wanted."""
    contest = a_contest(units)
    seller = packed(units, contest)
    with units(SYSTEM) as unit:
        for part in parts_of(unit, a_listed_version(unit, seller.pack)):
            agreed(
                unit,
                contest.schools[0],
                seller.vendor,
                ResourceId(part.resource_id),
                reference=f"{part.sku}",
                ends_on=date(2026, 3, 31),
            )
    taught(units, contest, seller, APRIL)
    closed(units, APRIL)
    for month in (MAY, JUNE, JULY):
        closed(units, month)

    after = found(units, seller, JULY)

    assert after[CELL] == [(1, 2, 0, 0, 0), (1, 2, 1, 0, 0)]
    assert after[MATHS] == [(0, 0, 0, 1, 0)]


def again(units: Units, contest: Contest, seller: Packed, starts_on: date) -> None:
    """Have every school agree on the pack once more, to the end of September."""
    with units(SYSTEM) as unit:
        for school in contest.schools:
            agreed(
                unit,
                school,
                seller.vendor,
                seller.pack,
                reference="PACK-2",
                starts_on=starts_on,
                ends_on=date(2026, 9, 30),
            )


def test_a_pack_that_was_renewed_says_nothing_yet_of_parts_not_opened_since(
    units: Units,
) -> None:
    """R42: while it runs a part may still be used; used it is renewed, and not used it ended."""
    contest = a_contest(units)
    seller = packed(units, contest, ends_on=date(2026, 3, 31))
    taught(units, contest, seller, MARCH, parts=(0, 1))
    closed(units, MARCH)
    again(units, contest, seller, date(2026, 4, 1))
    used = (1, 2, 0, 0, 0)

    assert found(units, seller, JULY) == {
        CELL: [used],
        MATHS: [used],
        PACKS: [(1, 4, 1, 0, 0)],
    }
    taught(units, contest, seller, APRIL)
    closed(units, APRIL)

    assert found(units, seller, JULY) == {
        CELL: [(2, 4, 1, 0, 0)],
        MATHS: [used],
        PACKS: [(2, 6, 1, 0, 0)],
    }
    assert found(units, seller, SEPTEMBER)[MATHS] == [used]
    assert found(units, seller, OCTOBER)[MATHS] == [(1, 2, 0, 1, 0)]
    assert found(units, seller, JULY, rules=BEFORE) == {PACKS: [(2, 6, 1, 0, 0)]}


def test_schools_whose_renewed_pack_runs_are_not_affected_by_parts_not_opened_since(
    units: Units,
) -> None:
    """R44: as little as they are a term that ended."""
    contest = on_probation(units)
    bad = contest.sellers[BAD]
    with units(SYSTEM) as unit:
        a_resource(unit, bad.organisation, "P-9", subject="数学")
        pack = a_pack(unit, bad.organisation, ("P-9", bad.sku))
        for school in contest.schools:
            agreed(
                unit,
                school,
                bad.organisation,
                pack,
                reference="PACK",
                starts_on=date(2026, 5, 1),
                ends_on=date(2026, 5, 31),
            )
        numbers = {
            one.payer_id: one.number
            for one in unit.session.scalars(
                select(Agreement).where(Agreement.resource_id == bad.resource_id)
            )
        }
    seller = Packed(bad.organisation, bad.manager, pack, bad.source)
    for school in contest.schools:
        with units(contest.heads[school.id]) as unit:
            end_agreement(
                unit,
                numbers[school.id],
                last_day=date(2026, 5, 20),
                reason="换年级",
                why=EndWhy.GRADE_CHANGE,
            )
    taught(units, contest, seller, MAY, parts=(1,))
    closed(units, MAY)
    standing = standing_of(units, contest)

    def affected(month: Month) -> list[list[str]]:
        with units(SYSTEM) as unit:
            fresh = fresh_schools(unit, month, SHIPPED, left_out={})
        return [one["what"] for one in fresh.get(standing.id, [])]

    assert affected(SEPTEMBER) == [["renewal"]] * 4
    again(units, contest, seller, date(2026, 6, 1))
    assert affected(SEPTEMBER) == []
    assert affected(OCTOBER) == [["renewal"]] * 4


def test_schools_that_are_affected_under_a_pack_are_affected_in_its_parts_cells(
    units: Units,
) -> None:
    """R44."""
    contest = on_probation(units)
    bad = contest.sellers[BAD]
    with units(SYSTEM) as unit:
        a_resource(unit, bad.organisation, "P-9", subject="数学")
        pack = a_pack(unit, bad.organisation, ("P-9", bad.sku))
        for school in contest.schools:
            agreed(
                unit,
                school,
                bad.organisation,
                pack,
                reference="PACK",
                starts_on=date(2026, 5, 1),
                ends_on=date(2026, 12, 31),
            )
    seller = Packed(bad.organisation, bad.manager, pack, bad.source)
    taught(units, contest, seller, MAY, parts=(1,))
    closed(units, MAY)
    wronged(units, contest, seller, MAY)
    closed(units, JUNE)
    standing = standing_of(units, contest)

    with units(SYSTEM) as unit:
        fresh = fresh_schools(unit, JUNE, SHIPPED, left_out={})
        before = fresh_schools(unit, JUNE, BEFORE, left_out={})

    assert [one["what"] for one in fresh[standing.id]] == [["defects"]] * 4
    assert before == {}


def test_a_pack_is_closed_to_new_schools_where_a_part_of_it_is(units: Units) -> None:
    """R44: what no new school may choose is not bought in a pack either; its other parts are."""
    contest = suspended(units)
    bad = contest.sellers[BAD].organisation
    with units(SYSTEM) as unit:
        new = a_school(unit)
        line = open_line(unit, new.id, fiscal_year=2026, source="per_student")
        issue_amount(unit, line, amount_fen=1_000_000, key="test:new", memo="allocation")
        for sku in ("P-8", "P-9"):
            a_resource(unit, bad, sku, subject="数学")
        closed_pack = a_pack(unit, bad, ("P-8", contest.sellers[BAD].sku), sku="PACK-1")
        open_pack = a_pack(unit, bad, ("P-8", "P-9"), sku="PACK-2")
    december = {"starts_on": date(2026, 12, 1), "ends_on": date(2026, 12, 31)}

    with units(SYSTEM) as unit, pytest.raises(NoNewSchools, match=CELL):
        agreed(unit, new, bad, closed_pack, reference="A-1", **december)
    with units(SYSTEM) as unit:
        agreed(unit, new, bad, open_pack, reference="A-2", **december)
        # Who has an agreement in the cell goes on, in a pack as well.
        agreed(unit, contest.schools[0], bad, closed_pack, reference="A-3", **december)


def test_a_vendor_has_left_once_no_pack_with_a_part_of_the_cell_runs(units: Units) -> None:
    """R44: schools finish their term, whatever the part was bought in; so says the database."""
    contest = on_probation(units)
    bad = contest.sellers[BAD].organisation
    with units(SYSTEM) as unit:
        school = a_school(unit)
        head = a_person(unit, school, [Role.PRINCIPAL, Role.SCHOOL_FINANCE])
        line = open_line(unit, school.id, fiscal_year=2026, source="per_student")
        issue_amount(unit, line, amount_fen=1_000_000, key="test:new", memo="allocation")
        a_resource(unit, bad, "P-9", subject="数学")
        pack = a_pack(unit, bad, ("P-9", contest.sellers[BAD].sku))
        agreed(unit, school, bad, pack, reference="PACK", starts_on=date(2026, 6, 1))
    for month in (SEPTEMBER, OCTOBER):
        lived(units, contest, month, {BAD: 1})
        ranked(units, month)
    units.clock.advance(timedelta(days=8))
    standing = standing_of(units, contest)
    with units(contest.reviewers[1]) as unit:
        suspend(unit, standing.id, note="期满未改善", seen=require_run(unit).id)
    next_look(units, contest)
    with units(contest.reviewers[1]) as unit:
        let_exit(unit, standing.id, note="整改无效，学期结束后退出", seen=require_run(unit).id)
    for one in contest.schools:
        with units(SYSTEM) as unit:
            number = unit.session.scalars(
                select(Agreement.number).where(
                    Agreement.payer_id == one.id, Agreement.vendor_id == bad.id
                )
            ).one()
        with units(contest.heads[one.id]) as unit:
            last_day = shanghai_day(units.clock.now()) + timedelta(days=1)
            end_agreement(unit, number, last_day=last_day, reason="不再使用")
    units.clock.advance(timedelta(days=20))
    with units(SYSTEM) as unit:
        end_what_is_over(unit)
        assert leave_when_over(unit) == 0
    with pytest.raises(DBAPIError, match="schools still finish"), units(SYSTEM) as unit:
        move(
            unit,
            unit.session.get_one(Standing, standing.id),
            VendorStanding.LEFT,
            because=Because.ENDED,
        )
    with units(head) as unit:
        last_day = shanghai_day(units.clock.now()) + timedelta(days=1)
        end_agreement(unit, f"{school.code}-PACK", last_day=last_day, reason="不再使用")
    units.clock.advance(timedelta(days=2))
    with units(SYSTEM) as unit:
        end_what_is_over(unit)
        assert leave_when_over(unit) == 1
