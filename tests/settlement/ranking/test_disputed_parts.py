"""What an upheld dispute weighs under a pack, and parts that a recount finds unused (R42, R37)."""

import json
from datetime import date

import pytest
from litestar.testing import TestClient
from sqlalchemy import select, text

from catalog.packs import parts_of
from kernel.clock import Month, parse_month
from kernel.errors import InvalidInput
from kernel.settings import Settings
from kernel.unit import Units
from settlement.dispute_rules import DisputeReason
from settlement.disputes import answer_dispute, dispute_line
from settlement.models import Agreement, StatementBreakdown, StatementLine
from settlement.queries.disputes import disputes_of
from settlement.ranking.evidence import gather
from settlement.ranking.fresh import fresh_schools
from settlement.ranking.rules import SHIPPED, EvidenceRules, Rules
from tests.support.application import an_app
from tests.support.builders import a_listed_version, a_resource
from tests.support.pack_builders import a_pack
from tests.support.packed_builders import Packed, agreed, packed, taught
from tests.support.ranking_builders import (
    BAD,
    CELL,
    Contest,
    a_contest,
    closed,
    on_probation,
    standing_of,
)
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import csrf_token, sign_in

MARCH, APRIL, MAY, JUNE = (parse_month(f"2026-{month:02d}") for month in range(3, 7))
MATHS, PACKS = "primary/数学/视频", "primary//资源包"
BY_LINE = Rules(evidence=EvidenceRules(version="3", by_part=True, part_by_part=True))
"""The rules of before: how grave it is on a part is told by the whole line."""
BEFORE = Rules(evidence=EvidenceRules(version="2", by_part=True))
"""The rules of before: a dispute weighs in full on each part that was used."""
TOLD_ANEW = """
UPDATE statement_breakdown b SET explanation = jsonb_set(b.explanation, '{parts}',
    CAST(:parts AS jsonb))
FROM statement_line l WHERE l.id = b.line_id AND l.kind = :kind
    AND jsonb_exists(b.explanation, 'parts')
"""


def lines(units: Units, contest: Contest, seller: Packed, month: Month) -> list[StatementLine]:
    with units(SYSTEM) as unit:
        return [
            unit.session.scalars(
                select(StatementLine)
                .join(Agreement, Agreement.id == StatementLine.agreement_id)
                .where(
                    StatementLine.payer_id == school.id,
                    StatementLine.month == month,
                    Agreement.resource_id == seller.pack,
                )
            ).one()
            for school in contest.schools
        ]


def disputed(
    units: Units,
    contest: Contest,
    seller: Packed,
    month: Month,
    *,
    part: str = "",
    percent: int = 100,
) -> None:
    """Have every school dispute its line of the pack, of which so much is given back."""
    for school, line in zip(contest.schools, lines(units, contest, seller, month), strict=True):
        credit_fen = line.amount_fen * percent // 100
        with units(contest.heads[school.id]) as unit:
            dispute_id = dispute_line(
                unit,
                line.id,
                reason=DisputeReason.UNUSABLE,
                claim="打不开",
                claimed_fen=line.amount_fen - credit_fen,
                part=part,
            )
        with units(seller.manager) as unit:
            answer_dispute(unit, dispute_id, answer="退回", offered_fen=credit_fen)


def defects(
    units: Units, seller: Packed, month: Month, *, rules: Rules = SHIPPED
) -> dict[str, set[int]]:
    with units(SYSTEM) as unit:
        evidence = gather(unit, month, rules)
    return {
        one.cell: {school.defects for school in one.schools}
        for one in evidence.scored("vendor")
        if one.subject == str(seller.vendor.id)
    }


def parts(units: Units, seller: Packed) -> list[str]:
    with units(SYSTEM) as unit:
        items = parts_of(unit, a_listed_version(unit, seller.pack))
    return [str(one.resource_id) for one in items]


def told_anew(units: Units, kind: str, uses: dict[str, int]) -> None:
    """Have all lines of a kind tell other uses of a pack's parts."""
    with units(SYSTEM) as unit:
        unit.session.execute(text("ALTER TABLE statement_breakdown DISABLE TRIGGER USER"))
        unit.session.execute(text(TOLD_ANEW), {"parts": json.dumps(uses), "kind": kind})
        unit.session.execute(text("ALTER TABLE statement_breakdown ENABLE TRIGGER USER"))


def test_a_dispute_that_names_a_part_weighs_on_it_alone(units: Units) -> None:
    """R42: and on the pack, which was sold as a whole."""
    contest = a_contest(units)
    seller = packed(units, contest)
    taught(units, contest, seller, MARCH, parts=(0, 1))
    closed(units, MARCH)
    disputed(units, contest, seller, MARCH, part=parts(units, seller)[1])
    closed(units, APRIL)

    assert defects(units, seller, APRIL) == {CELL: {0}, MATHS: {10}, PACKS: {10}}
    assert defects(units, seller, APRIL, rules=BEFORE) == {CELL: {10}, MATHS: {10}, PACKS: {10}}


def test_a_dispute_that_names_no_part_is_shared_by_their_uses(units: Units) -> None:
    """R42: in whole points, which add up to what the dispute weighs."""
    contest = a_contest(units)
    seller = packed(units, contest)
    first, second = parts(units, seller)
    taught(units, contest, seller, MARCH, parts=(0, 1))
    closed(units, MARCH)
    with units(SYSTEM) as unit:
        told = unit.session.scalars(select(StatementBreakdown.explanation)).all()
    assert [one["parts"] for one in told if "parts" in one] == [{first: 2, second: 2}] * 4
    told_anew(units, "use", {first: 6, second: 2})
    disputed(units, contest, seller, MARCH)
    closed(units, APRIL)

    # 7.5 and 2.5 of 10: the remainders are alike, and the part that was used more has the point.
    assert defects(units, seller, APRIL) == {CELL: {8}, MATHS: {2}, PACKS: {10}}


def test_a_slight_dispute_weighs_on_the_part_that_was_used_most(units: Units) -> None:
    """R42: one point is not shared."""
    contest = a_contest(units)
    seller = packed(units, contest)
    first, second = parts(units, seller)
    taught(units, contest, seller, MARCH, parts=(0, 1))
    closed(units, MARCH)
    told_anew(units, "use", {first: 2, second: 3})
    disputed(units, contest, seller, MARCH, percent=10)
    closed(units, APRIL)

    assert defects(units, seller, APRIL) == {CELL: {0}, MATHS: {1}, PACKS: {1}}


@pytest.mark.parametrize(
    ("uses", "percent", "by_line", "by_share"),
    [
        ((6, 2), 10, 1, 3),
        ((6, 2), 4, 1, 1),
        ((6, 2), 15, 1, 10),
        ((2, 6), 15, 1, 3),
        ((999, 1), 4, 1, 3),
    ],
)
def test_how_grave_it_is_on_a_part_is_told_by_its_share(
    units: Units, uses: tuple[int, int], percent: int, by_line: int, by_share: int
) -> None:
    """R42: as under an agreement on the part alone; on the pack by the whole line, as before.

    A share counts for a tenth at least: of a part that is hardly opened any credit would be all.
    """
    contest = a_contest(units)
    seller = packed(units, contest)
    first, second = parts(units, seller)
    taught(units, contest, seller, MARCH, parts=(0, 1))
    closed(units, MARCH)
    told_anew(units, "use", {first: uses[0], second: uses[1]})
    disputed(units, contest, seller, MARCH, part=second, percent=percent)
    closed(units, APRIL)

    assert defects(units, seller, APRIL) == {CELL: {0}, MATHS: {by_share}, PACKS: {by_line}}
    then = defects(units, seller, APRIL, rules=BY_LINE)
    assert then == {CELL: {0}, MATHS: {by_line}, PACKS: {by_line}}


def test_a_dispute_names_a_part_that_its_line_bills(units: Units) -> None:
    contest = a_contest(units)
    seller = packed(units, contest)
    taught(units, contest, seller, MARCH)
    closed(units, MARCH)
    line = lines(units, contest, seller, MARCH)[0]

    with (
        units(contest.heads[contest.schools[0].id]) as unit,
        pytest.raises(InvalidInput) as refused,
    ):
        dispute_line(
            unit,
            line.id,
            reason=DisputeReason.UNUSABLE,
            claim="打不开",
            claimed_fen=0,
            part=parts(units, seller)[1],
        )

    assert refused.value.facts["field"] == "part"


def test_the_page_asks_for_the_part_and_says_it_to_whoever_reads(
    settings: Settings, units: Units
) -> None:
    """R36: of a pack's line the parts that it bills, and no other; others are not asked."""
    contest = a_contest(units)
    seller = packed(units, contest)
    taught(units, contest, seller, MARCH)
    closed(units, MARCH)
    line = lines(units, contest, seller, MARCH)[0]
    first, second = parts(units, seller)
    address = f"/school/statements/2026-03/lines/{line.id}"
    said = {"reason": "unusable", "claimed": "0.10", "claim": "打不开"}
    with TestClient(an_app(settings, units)) as client:
        client.headers["accept"] = "text/html"
        sign_in(client, "head-0")
        form = client.get(f"{address}/dispute").text
        wrong = client.post(
            f"{address}/dispute", data=said | {"part": second, "csrf_token": csrf_token(client)}
        )
        assert (wrong.status_code, "field-part" in wrong.text) == (422, True)
        client.post(
            f"{address}/dispute", data=said | {"part": first, "csrf_token": csrf_token(client)}
        )
        told = client.get(address).text
    assert "整个资源包" in form
    assert f'value="{first}"' in form
    assert f'value="{second}"' not in form
    with units(SYSTEM) as unit:
        (row,) = disputes_of(unit)
    assert row.evidence["part"] == first
    assert row.part
    assert f"<dd>{row.part}</dd>" in told


def test_schools_are_affected_in_the_cell_of_the_part_that_is_named(units: Units) -> None:
    """R44: since a notice, too."""
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
    taught(units, contest, seller, MAY, parts=(0, 1))
    closed(units, MAY)
    disputed(units, contest, seller, MAY, part=parts(units, seller)[0])
    closed(units, JUNE)
    standing = standing_of(units, contest)

    with units(SYSTEM) as unit:
        now = fresh_schools(unit, JUNE, SHIPPED, left_out={})
        before = fresh_schools(unit, JUNE, BEFORE, left_out={})

    assert standing.id not in now
    assert [one["what"] for one in before[standing.id]] == [["defects"]] * 4


def test_a_part_of_which_a_recount_finds_no_use_was_not_used(units: Units) -> None:
    """R37, R42: what was billed of it before stands no more, neither as use nor as a term."""
    contest = a_contest(units)
    seller = packed(units, contest, ends_on=date(2026, 3, 31))
    first = parts(units, seller)[0]
    taught(units, contest, seller, MARCH, parts=(0, 1))
    closed(units, MARCH)
    taught(units, contest, seller, MARCH, name="late")  # has March counted anew
    for month in (APRIL, MAY, JUNE, parse_month("2026-07")):
        closed(units, month)

    def known(rules: Rules = SHIPPED) -> dict[str, set[tuple[int, int, int]]]:
        with units(SYSTEM) as unit:
            evidence = gather(unit, parse_month("2026-07"), rules)
        return {
            one.cell: {(school.months, school.uses, school.ended) for school in one.schools}
            for one in evidence.scored("vendor")
            if one.subject == str(seller.vendor.id)
        }

    assert known()[MATHS] == {(1, 2, 1)}
    # As a recount tells that found all uses of the second part out of bounds.
    told_anew(units, "adjustment", {first: 4})

    assert MATHS not in known()
    assert known()[CELL] == known(BEFORE)[CELL] == {(1, 4, 1)}
    assert known(BEFORE)[MATHS] == {(1, 2, 1)}
