"""Vendor and bureau who agree to use before the funds arrive, and what stands in memoranda."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import select

from kernel.actors import Actor, Role
from kernel.clock import FixedClock, Month, parse_month, show_month
from kernel.unit import Units
from procurement.funding.early_use_rules import (
    EarlyUseRuleRow,
    propose_early_use,
    put_in_force,
)
from settlement.closing import settle
from settlement.early_use import record_consent
from settlement.early_use_models import MemorandumEntry
from settlement.models import StatementLine
from tests.support.agreement_builders import across, on
from tests.support.builders import a_person
from tests.support.settlement_builders import (
    SYSTEM,
    Market,
    a_use,
    confirm_all,
    deliver,
)

JANUARY, SEPTEMBER = parse_month("2027-01"), date(2026, 9, 1)


@dataclass(frozen=True, slots=True)
class Agreeing:
    """Who agrees: the vendor's manager, and two of the bureau's finance."""

    vendor: Actor
    maker: Actor
    checker: Actor


def who_agree(units: Units, market: Market) -> Agreeing:
    with units(SYSTEM) as unit:
        return Agreeing(
            vendor=a_person(unit, market.vendor, [Role.VENDOR_MANAGER], person_no="E-1"),
            maker=a_person(unit, market.bureau, [Role.BUREAU_FINANCE], person_no="E-2"),
            checker=a_person(unit, market.bureau, [Role.BUREAU_FINANCE], person_no="E-3"),
        )


def consented(units: Units, agreeing: Agreeing, day: date, *, cap_fen: int) -> None:
    with units(agreeing.vendor) as unit:
        assert record_consent(unit, cap_fen=cap_fen, valid_from=day)


def allowed(
    units: Units,
    agreeing: Agreeing,
    day: date,
    *,
    total_fen: int,
    payer_fen: int,
    year: int = 2027,
) -> str:
    """Have the bureau's finance propose a rule for use of a year, and another check it."""
    with units(agreeing.maker) as unit:
        number = propose_early_use(
            unit,
            EarlyUseRuleRow(
                fiscal_year=year,
                valid_from=day,
                total_cap_fen=total_fen,
                payer_cap_fen=payer_fen,
                origin="县财教〔2026〕9号",
            ),
        )
    with units(agreeing.checker) as unit:
        put_in_force(unit, number)
    return number


def entries(units: Units) -> list[tuple[str, str, int]]:
    """Return (month of use, kind, fen) of all entries, in the order in which they were made."""
    with units(SYSTEM) as unit:
        rows = unit.session.scalars(select(MemorandumEntry).order_by(MemorandumEntry.id)).all()
    return [(show_month(Month(row.of_month)), row.kind, row.amount_fen) for row in rows]


def stated(units: Units, month: Month) -> list[tuple[str, str, int, int, int, int]]:
    """Return (month of use, kind, rated, billed, uncovered, drawn) of a month's lines, in order."""
    with units(SYSTEM) as unit:
        lines = unit.session.scalars(
            select(StatementLine)
            .where(StatementLine.month == month)
            .order_by(StatementLine.of_month, StatementLine.kind)
        ).all()
    return [
        (
            show_month(Month(line.of_month)),
            line.kind,
            line.rated_fen,
            line.amount_fen,
            line.uncovered_fen,
            line.drawn_fen,
        )
        for line in lines
    ]


def both_agree(units: Units, agreeing: Agreeing, *, cap_fen: int = 600) -> None:
    consented(units, agreeing, SEPTEMBER, cap_fen=cap_fen)
    allowed(units, agreeing, SEPTEMBER, total_fen=10_000, payer_fen=10_000)


def used(units: Units, market: Market, month: Month, times: int) -> None:
    rows = [
        a_use(units, market, f"{month}-{day}", on(month.year, month.month, day))
        for day in range(1, times + 1)
    ]
    deliver(units, rows, name=str(month))


def posted(units: Units, market: Market, month: Month) -> None:
    settle(units, SYSTEM, month)
    confirm_all(units, market, month)
    settle(units, SYSTEM, month)


def a_used_january(units: Units, market: Market, clock: FixedClock, times: int = 4) -> None:
    """A January of so many uses at 1 yuan, stated and posted without a line of its year."""
    across(units, market, first_fen=500, later_fen=800)
    clock.at = on(2027, 1, 31)
    used(units, market, JANUARY, times)
    clock.at = on(2027, 2, 1)
    posted(units, market, JANUARY)
