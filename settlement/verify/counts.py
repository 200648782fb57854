"""Counting and pricing each stated month again: its own lines from its seal, then late use."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from kernel.clock import Month, show_month
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.money import yuan
from kernel.unit import Unit
from settlement.adjusting import recount
from settlement.dispute_models import CreditNote
from settlement.drafting import USE
from settlement.metering.counting import SchoolCount, count_uses
from settlement.metering.exclusions import as_sealed
from settlement.metering.judging import RULE, sealed_scopes
from settlement.metering.metrics import metered_agreements
from settlement.metering.models import LateUse
from settlement.metering.partitions import archived_months
from settlement.models import Agreement, Period, StatementBreakdown, StatementLine
from settlement.pricing import Split, metric_of, price, split

STATED = ("stated", "posted", "closed")
SEALED = ("sealed", *STATED)


def check_counts(unit: Unit) -> Iterator[str]:
    """Compare each month's lines, and what all lines say of it after late use, with its events.

    A month in the archive was compared before it went there; its file is compared with its seals.
    """
    archived = archived_months(unit)
    for month in months_in(unit, STATED):
        if month in archived:
            continue
        payers = unit.session.scalars(
            select(Period.payer_id).where(Period.month == month, Period.state.in_(STATED))
        ).all()
        metered = metered_agreements(unit, payers)
        own = [
            count
            for scope in sealed_scopes(unit, month, payer_ids=payers)
            for count in count_uses(
                unit,
                scope,
                as_sealed(unit, month, payer_ids=scope.payer_ids),
                metered=metered,
            )
        ]
        lines = _lines(unit, month, payers)
        first = [line for line in lines if line.kind == USE]
        yield from _compare(unit, month, first, own, what="line says")
        for through, late_payers in _settled_late(unit, month, payers).items():
            late = [
                count
                for scope in sealed_scopes(unit, month, payer_ids=late_payers)
                for count in recount(unit, scope, through=through, metered=metered)
            ]
            whole = [line for line in lines if line.payer_id in set(late_payers)]
            # An adjustment starts from what credit notes left, a month's own line from nothing.
            notes = _credits(unit, whole)
            yield from _compare(
                unit, month, whole, late, what="lines with late use say", notes=notes
            )


def months_in(unit: Unit, states: Sequence[str]) -> list[Month]:
    """Return the months in which a period has one of these states, in order."""
    found = unit.session.scalars(
        select(func.distinct(Period.month)).where(Period.state.in_(states)).order_by(Period.month)
    )
    return [Month(month) for month in found]


def _lines(unit: Unit, month: Month, payers: Sequence[UUID]) -> list[StatementLine]:
    return list(
        unit.session.scalars(
            select(StatementLine).where(
                StatementLine.of_month == month, among(StatementLine.payer_id, payers)
            )
        )
    )


def _settled_late(unit: Unit, month: Month, payers: Sequence[UUID]) -> dict[int, list[UUID]]:
    """Return the payers whose late use of a month is settled, by the sequence of the last time."""
    rows = unit.session.execute(
        select(LateUse.payer_id, func.max(Period.sealed_sequence))
        .join(
            Period,
            (Period.payer_id == LateUse.payer_id) & (Period.month == LateUse.settled_in),
        )
        .where(LateUse.month == month, among(LateUse.payer_id, payers))
        .group_by(LateUse.payer_id)
    )
    found: dict[int, list[UUID]] = {}
    for payer_id, through in rows:
        found.setdefault(int(through or 0), []).append(payer_id)
    return found


def _compare(
    unit: Unit,
    month: Month,
    lines: Sequence[StatementLine],
    counts: Sequence[SchoolCount],
    *,
    what: str,
    notes: Sequence[CreditNote] = (),
) -> Iterator[str]:
    quantities: dict[UUID, int] = {}
    for count in counts:
        known = quantities.get(count.agreement_id, 0)
        quantities[count.agreement_id] = known + count.quantity
    stored: dict[UUID, list[StatementLine]] = {}
    for line in lines:
        stored.setdefault(line.agreement_id, []).append(line)
    agreement_of = {line.id: line.agreement_id for line in lines}
    credits_of: dict[UUID, list[CreditNote]] = {}
    for note in notes:
        credits_of.setdefault(agreement_of[note.line_id], []).append(note)
    terms = _terms(unit, [*stored, *quantities])
    schools = _schools_that_differ(unit, lines, counts)
    for agreement_id in sorted({*stored, *quantities}, key=str):
        number, agreed = terms[agreement_id]
        of_agreement = stored.get(agreement_id, [])
        quantity = quantities.get(agreement_id, 0)
        said = sum(line.quantity for line in of_agreement)
        said_fen = sum(line.rated_fen for line in of_agreement)
        rated = price(agreed, quantity).amount_fen
        where = f"{show_month(month)}, agreement {number}"
        if not of_agreement:
            yield f"{where}: {quantity} counted, but no statement line"
        elif (said, said_fen) != (quantity, rated):
            yield (
                f"{where}: {what} {said} {metric_of(agreed)}, {yuan(said_fen)}; its usage gives "
                f"{quantity}, {yuan(rated)} (rule {RULE})"
            )
        elif not _are_shared(agreed, of_agreement, credits_of.get(agreement_id, [])):
            yield f"{where}: the shares are not what the terms give"
        for code, part, counted in schools.get(agreement_id, []):
            yield (
                f"{where}: {what} {part} {metric_of(agreed)} of school {code}; its usage gives "
                f"{counted} (rule {RULE})"
            )


def _schools_that_differ(
    unit: Unit, lines: Sequence[StatementLine], counts: Sequence[SchoolCount]
) -> dict[UUID, list[tuple[str, int, int]]]:
    """Return (school code, as stored, as counted) of the parts that differ, by agreement."""
    parts: dict[tuple[UUID, UUID], tuple[int, int]] = {}
    for agreement_id, school_id, quantity in unit.session.execute(
        select(
            StatementLine.agreement_id, StatementBreakdown.school_id, StatementBreakdown.quantity
        )
        .join(StatementBreakdown, StatementBreakdown.line_id == StatementLine.id)
        .where(among(StatementLine.id, [line.id for line in lines]))
    ):
        stored, _ = parts.get((agreement_id, school_id), (0, 0))
        parts[agreement_id, school_id] = (stored + quantity, 0)
    for count in counts:
        stored, counted = parts.get((count.agreement_id, count.school_id), (0, 0))
        parts[count.agreement_id, count.school_id] = (stored, counted + count.quantity)
    wrong = {place: pair for place, pair in parts.items() if pair[0] != pair[1]}
    codes = dict(
        unit.session.execute(
            select(Organisation.id, Organisation.code).where(
                among(Organisation.id, {school_id for _, school_id in wrong})
            )
        ).all()
    )
    found: dict[UUID, list[tuple[str, int, int]]] = {}
    for (agreement_id, school_id), (stored, counted) in wrong.items():
        found.setdefault(agreement_id, []).append((codes[school_id], stored, counted))
    return {agreement_id: sorted(one) for agreement_id, one in found.items()}


def _credits(unit: Unit, lines: Sequence[StatementLine]) -> list[CreditNote]:
    return list(
        unit.session.scalars(
            select(CreditNote).where(among(CreditNote.line_id, [line.id for line in lines]))
        )
    )


def _are_shared(
    agreed: Mapping[str, Any], lines: Sequence[StatementLine], notes: Sequence[CreditNote]
) -> bool:
    """Return whether lines less their credit notes are shared as the terms say."""
    shares, credited = _shares(lines), _shares(notes)
    drawn = sum(one.drawn_fen for one in lines) - sum(one.drawn_fen for one in notes)
    return split(agreed, drawn) == Split(
        shares.vendor_fen - credited.vendor_fen,
        shares.school_fen - credited.school_fen,
        shares.fee_fen - credited.fee_fen,
        shares.retention_fen - credited.retention_fen,
    )


def _shares(lines: Sequence[StatementLine | CreditNote]) -> Split:
    return Split(
        sum(line.vendor_fen for line in lines),
        sum(line.school_fen for line in lines),
        sum(line.fee_fen for line in lines),
        sum(line.retention_fen for line in lines),
    )


def _terms(unit: Unit, agreement_ids: Sequence[UUID]) -> Mapping[UUID, tuple[str, dict[str, Any]]]:
    rows = unit.session.execute(
        select(Agreement.id, Agreement.number, Agreement.terms).where(
            among(Agreement.id, agreement_ids)
        )
    )
    return {agreement_id: (number, agreed) for agreement_id, number, agreed in rows}
