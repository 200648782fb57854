"""A stated month with something to quarrel about, and everybody who has a part in it."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from kernel.actors import Actor, Role
from kernel.identity.grants import actor_of
from kernel.identity.people import RosterRow, record_roster
from kernel.identity.regions import RegionRow, record_regions
from kernel.unit import Units
from settlement.agreements import Draw
from settlement.closing import settle
from settlement.dispute_rules import DisputeOutcome, DisputeReason
from settlement.disputes import decide_dispute, dispute_line
from settlement.models import Agreement, StatementLine
from tests.support.builders import (
    CITY,
    a_bureau,
    a_person,
    a_resource,
    a_school,
    a_vendor,
    took,
)
from tests.support.settlement_builders import (
    MARCH,
    SYSTEM,
    Market,
    a_market,
    a_use,
    an_agreement,
    at,
    deliver,
)
from tests.support.worlds import a_world


@dataclass(frozen=True, slots=True)
class Quarrel:
    """A statement of March with two lines: 31 uses of one resource, 4 of another vendor's."""

    market: Market
    line_id: UUID
    other_line_id: UUID
    principal: Actor
    teacher: Actor
    neighbour: Actor
    vendor: Actor
    other_vendor: Actor
    bureau: Actor
    auditor: Actor
    biased: Actor
    superior: Actor
    other_bureau: Actor


@a_world
def a_quarrel(
    units: Units,
    *,
    unit_price: str = "0.3333",
    ceiling_fen: int = 10_000,
) -> Quarrel:
    """Build and state it; the lines bill 10.33 (or what the price says) and 2.00 yuan."""
    market = a_market(units, unit_price=unit_price, ceiling_fen=ceiling_fen)
    with units(SYSTEM) as unit:
        other = a_vendor(unit)
        resource_id = a_resource(unit, other, "SKU-2", unit_price="0.5000")
        an_agreement(
            unit,
            market.school,
            vendor_id=other.id,
            resource_id=resource_id,
            draws=[Draw(market.line_id, 5_000)],
            unit_price="0.5000",
            reference="A-2",
        )
        took(record_regions(unit, [RegionRow(code="990122", name="邻县")]))
        bureau = a_person(unit, market.bureau, [Role.BUREAU_FINANCE])
        biased = a_person(unit, market.vendor, [Role.VENDOR_MANAGER], person_no="B-1")
        row = RosterRow(
            person_no="B-1",
            name="换了单位的人",
            organisation_kind=market.bureau.kind,
            organisation_code=market.bureau.code,
            roles=(Role.BUREAU_FINANCE,),
        )
        took(record_roster(unit, [row]))
        people = {
            "principal": a_person(unit, market.school, [Role.PRINCIPAL]),
            "teacher": a_person(unit, market.school, [Role.TEACHER]),
            "neighbour": a_person(unit, a_school(unit), [Role.SCHOOL_FINANCE]),
            "vendor": a_person(unit, market.vendor, [Role.VENDOR_MANAGER]),
            "other_vendor": a_person(unit, other, [Role.VENDOR_MANAGER]),
            "bureau": bureau,
            "auditor": a_person(unit, market.bureau, [Role.AUDITOR]),
            "biased": actor_of(unit, person_no="B-1", via="test"),
            "superior": a_person(unit, a_bureau(unit, region_code=CITY), [Role.BUREAU_FINANCE]),
            "other_bureau": a_person(
                unit, a_bureau(unit, region_code="990122"), [Role.BUREAU_FINANCE]
            ),
        }
    assert biased.organisation_id != people["biased"].organisation_id
    rows = [a_use(units, market, f"u{n}", at(2 + n // 60, 8, n % 60)) for n in range(31)]
    rows += [
        a_use(units, market, f"n{n}", at(5, 8, n), sku="SKU-2", vendor_code=other.code)
        for n in range(4)
    ]
    deliver(units, rows, name="march")
    settle(units, SYSTEM, MARCH)
    with units(SYSTEM) as unit:
        lines = dict(
            unit.session.execute(
                select(Agreement.number, StatementLine.id).join(
                    StatementLine, StatementLine.agreement_id == Agreement.id
                )
            ).all()
        )
    return Quarrel(
        market=market,
        line_id=lines[f"{market.school.code}-A-1"],
        other_line_id=lines[f"{market.school.code}-A-2"],
        **people,
    )


def disputed(
    units: Units,
    quarrel: Quarrel,
    *,
    who: Actor | None = None,
    line_id: UUID | None = None,
    reason: DisputeReason = DisputeReason.QUANTITY_WRONG,
    claim: str = "次数多算了",
    claimed_fen: int | None = None,
    uses: list[str] | None = None,
) -> UUID:
    """Dispute the first line (as the finance person); by default half of it."""
    with units(SYSTEM) as unit:
        wanted = line_id or quarrel.line_id
        billed = unit.session.get_one(StatementLine, wanted).amount_fen
    with units(who or quarrel.market.finance) as unit:
        return dispute_line(
            unit,
            wanted,
            reason=reason,
            claim=claim,
            claimed_fen=billed // 2 - 16 if claimed_fen is None else claimed_fen,
            uses=uses or (),
        )


def decided(
    units: Units,
    quarrel: Quarrel,
    dispute_id: UUID,
    *,
    who: Actor | None = None,
    outcome: DisputeOutcome = DisputeOutcome.UPHELD,
    credit_fen: int = 100,
    note: str = "经核对日志，部分成立",
) -> None:
    """Decide a dispute as the bureau's finance person."""
    with units(who or quarrel.bureau) as unit:
        decide_dispute(unit, dispute_id, outcome=outcome, credit_fen=credit_fen, note=note)


def line_states(units: Units, quarrel: Quarrel) -> tuple[str, str]:
    """Return the states of the two lines."""
    with units(SYSTEM) as unit:
        states: dict[UUID, str] = dict(
            unit.session.execute(select(StatementLine.id, StatementLine.state)).all()
        )
    return states[quarrel.line_id], states[quarrel.other_line_id]
