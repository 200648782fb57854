"""Remittances: the tax withheld through the platform goes to the tax office, and the books say so.

A finance person of a bureau records what was paid, when and under which number of the tax office's
receipt; another one of the same bureau checks it against the receipt, and only then it is posted.
A bureau remits what its own payers withheld, month by month, and sees no other's. What was recorded
wrongly, or came back from the tax office, is taken back of its remittance the same way, by two.
Under treasury payment the tax is a payer's own order, and nothing of it is owed here.
"""

from datetime import date
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import Select, exists, func, insert, or_, select, text

from kernel.actors import OrganisationKind, Role
from kernel.clock import Month, month_of, shanghai_day, show_month
from kernel.errors import (
    AlreadyExists,
    InvalidInput,
    MakerChecks,
    MoreTaxThanOwed,
    MoreTaxThanRemitted,
    NotFound,
    NotRemitted,
    ProposalDecided,
    ReasonRequired,
    Refused,
)
from kernel.identity.models import Organisation, RegionClosure
from kernel.identity.visibility import visible_organisations
from kernel.ids import PersonId, new_id
from kernel.money import yuan
from kernel.trail import record
from kernel.unit import Unit
from settlement.ledger.posting import Entry, TransferDraft, post
from settlement.payments.runs import lock_planning
from settlement.payments.settling import BANK, TAX
from settlement.payout_models import TaxRemittance

READERS: Final = (Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR)


class RemittanceState(StrEnum):
    """Proposed by one person, then decided once by another."""

    PROPOSED = "proposed"
    RECORDED = "recorded"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"


# What each payer's region withheld through the gateway of a month's income, less what was given
# back of it, and what its bureaus remitted or propose to, less what was taken back of that. What a
# transfer that went back gave back is its own month's; else it is that of its run.
ENTRIES: Final = """
WITH moved AS (
    SELECT p.payer_id, w.month, p.paid_fen AS fen
    FROM payment p JOIN payment_run r ON r.id = p.run_id AND r.method = 'gateway'
    JOIN withholding w ON w.run_id = p.run_id AND w.payee_id = p.payee_id
    WHERE p.kind = 'withholding' AND p.paid_fen > 0
    UNION ALL
    SELECT p.payer_id, COALESCE((SELECT w.month FROM payment u JOIN payment t ON t.id = u.undoes_id
            JOIN withholding w ON w.run_id = t.run_id AND w.payee_id = t.payee_id
            WHERE u.run_id = p.run_id AND u.payer_id = p.payer_id AND u.payee_id = p.payee_id
                AND u.kind = 'undone' ORDER BY w.month LIMIT 1),
        date_trunc('month', r.proposed_at AT TIME ZONE 'Asia/Shanghai')::date), -p.paid_fen
    FROM payment p JOIN payment_run r ON r.id = p.run_id AND r.method = 'gateway'
    WHERE p.kind = 'withholding_return' AND p.paid_fen > 0
), entries AS (
    SELECT o.region_code, m.month, m.fen FROM moved m JOIN organisation o ON o.id = m.payer_id
    UNION ALL
    SELECT o.region_code, t.month, -t.amount_fen
    FROM tax_remittance t JOIN organisation o ON o.id = t.bureau_id
    WHERE t.state = 'recorded' OR t.state = 'proposed' AND t.amount_fen > 0
)
"""
SUMS: Final = """
COALESCE(sum(e.fen) FILTER (WHERE e.month = :month), 0) AS of_month,
    COALESCE(sum(e.fen), 0) AS in_all
"""
OWED: Final = text(f"{ENTRIES} SELECT {SUMS} FROM entries e")  # noqa: S608 - texts of this module
# Of the actor's region and of each that it lies in: no subtree remits more than was withheld in it.
OWED_BY: Final = text(
    f"""{ENTRIES}
SELECT {SUMS}
FROM region_closure up JOIN region_closure down ON down.ancestor_code = up.ancestor_code
LEFT JOIN entries e ON e.region_code = down.region_code
WHERE up.region_code = :region GROUP BY up.ancestor_code
"""  # noqa: S608 - texts of this module
)


def owed_tax_fen(unit: Unit, month: Month) -> int:
    """Return what of a month's withheld tax the actor's bureau may still remit, in fen.

    What was withheld by the payers that it sees, less what was given back and what bureaus remitted
    or propose to: its own, those within its region, and those that it lies in, as far as these took
    of its payers'. Below zero where more was remitted than is owed now.
    """
    actor = unit.actor
    asked: dict[str, object] = {"month": month}
    of_region = not actor.is_system and actor.organisation_kind is OrganisationKind.BUREAU
    if of_region:
        asked["region"] = actor.region_code
    rows = unit.session.execute(OWED_BY if of_region else OWED, asked)
    return min((min(int(row.of_month), int(row.in_all)) for row in rows), default=0)


def propose_remittance(
    unit: Unit, month: Month, *, amount_fen: int, reference: str, paid_on: date
) -> str:
    """Propose to record that tax of a month was paid to the tax office; return its number.

    `reference`: the number of the tax office's receipt. Raises `Refused` unless a finance person of
    a bureau, `InvalidInput`, also for a month that has not begun, `AlreadyExists` for a receipt
    that stands in another one, `MoreTaxThanOwed` for more than the bureau's payers withheld of it.
    """
    person_id = _require_finance(unit, "tax.remit")
    lock_planning(unit)
    today = shanghai_day(unit.clock.now())
    if month > month_of(today):
        latest = show_month(month_of(today))
        raise InvalidInput(
            field="month",
            value=show_month(month),
            expected="at latest {latest}",
            limits={"latest": latest},
        )
    reference = _new_receipt(unit, reference, corrects_id=None)
    _check_day(unit, paid_on)
    owed_fen = owed_tax_fen(unit, month)
    if not 0 < amount_fen <= owed_fen:
        raise MoreTaxThanOwed(amount=yuan(amount_fen), owed=yuan(max(0, owed_fen)))
    return _propose(
        unit, person_id, month, amount_fen=amount_fen, reference=reference, paid_on=paid_on
    )


def propose_taking_back(
    unit: Unit, number: str, *, amount_fen: int, reference: str, paid_on: date, because: str
) -> str:
    """Propose to take back what of a recorded remittance was wrong or repaid; return its number.

    `reference`: the paper that says so, `paid_on`: its day, not before that of the remittance.
    `amount_fen`: above zero. Raises `NotFound`, `Refused` unless a finance person of the same
    bureau, `ReasonRequired`, `InvalidInput`, `AlreadyExists` for a paper that stands for it
    already, `NotRemitted` for what is not recorded or takes back itself, `MoreTaxThanRemitted`.
    """
    person_id = _require_finance(unit, "tax.remit")
    lock_planning(unit)
    remittance = _find(unit, number)
    if remittance.bureau_id != unit.actor.organisation_id:
        raise Refused(act="tax.remit", needs=Role.BUREAU_FINANCE, actor=unit.actor.name)
    if remittance.state != RemittanceState.RECORDED or remittance.corrects_id is not None:
        raise NotRemitted(number=number)
    if not because.strip():
        raise ReasonRequired()
    reference = _new_receipt(unit, reference, corrects_id=remittance.id)
    _check_day(unit, paid_on, earliest=remittance.paid_on)
    waiting_fen = unit.session.scalar(
        select(func.coalesce(func.sum(-TaxRemittance.amount_fen), 0)).where(
            TaxRemittance.corrects_id == remittance.id,
            TaxRemittance.state == RemittanceState.PROPOSED,
        )
    )
    left_fen = remittance.amount_fen - remittance.taken_back_fen - int(waiting_fen or 0)
    if not 0 < amount_fen <= left_fen:
        raise MoreTaxThanRemitted(number=number, amount=yuan(amount_fen), left=yuan(left_fen))
    return _propose(
        unit,
        person_id,
        month_of(remittance.month),
        amount_fen=-amount_fen,
        reference=reference,
        paid_on=paid_on,
        corrects=remittance,
        because=because.strip(),
    )


def _new_receipt(unit: Unit, reference: str, *, corrects_id: UUID | None) -> str:
    """Return a receipt's number unless it stands in the bureau's books already.

    Nor in those of a bureau above or below, whose office would be the same. A receipt of which all
    was taken back stands no more: it may be entered again, rightly.
    """
    reference = reference.strip()
    if not reference:
        raise InvalidInput(field="reference", value=reference, expected="the receipt's number")
    standing = (RemittanceState.PROPOSED, RemittanceState.RECORDED)
    known = exists().where(
        TaxRemittance.bureau_id.in_(_above_and_below(unit)),
        TaxRemittance.reference == reference,
        TaxRemittance.corrects_id.is_not_distinct_from(corrects_id),
        TaxRemittance.state.in_(standing),
        TaxRemittance.taken_back_fen != TaxRemittance.amount_fen,
    )
    if unit.session.scalar(select(known)):
        raise AlreadyExists(what="tax receipt", key=reference)
    return reference


def _above_and_below(unit: Unit) -> Select[UUID]:
    """Return the bureaus of the actor's region, of those above it, and of those below it."""
    mine = Organisation.id == unit.actor.organisation_id
    own = select(Organisation.region_code).where(mine).scalar_subquery()
    above = select(RegionClosure.ancestor_code).where(RegionClosure.region_code == own)
    below = select(RegionClosure.region_code).where(RegionClosure.ancestor_code == own)
    return select(Organisation.id).where(
        Organisation.kind == OrganisationKind.BUREAU,
        or_(Organisation.region_code.in_(above), Organisation.region_code.in_(below)),
    )


def _check_day(unit: Unit, paid_on: date, *, earliest: date = date.min) -> None:
    today = shanghai_day(unit.clock.now())
    if paid_on > today:
        raise InvalidInput(
            field="paid_on",
            value=str(paid_on),
            expected="at latest {latest}",
            limits={"latest": today},
        )
    if paid_on < earliest:
        raise InvalidInput(
            field="paid_on",
            value=str(paid_on),
            expected="at earliest {earliest}",
            limits={"earliest": earliest},
        )


def _propose(
    unit: Unit,
    person_id: PersonId,
    month: Month,
    *,
    amount_fen: int,
    reference: str,
    paid_on: date,
    corrects: TaxRemittance | None = None,
    because: str = "",
) -> str:
    bureau_id = unit.actor.organisation_id
    earlier = unit.session.scalar(
        select(func.count(TaxRemittance.id)).where(
            TaxRemittance.bureau_id == bureau_id, TaxRemittance.month == month
        )
    )
    number = f"{unit.actor.organisation_code}-T-{show_month(month)}-{(earlier or 0) + 1:02d}"
    unit.session.execute(
        insert(TaxRemittance).values(
            id=new_id(),
            number=number,
            bureau_id=bureau_id,
            month=month,
            amount_fen=amount_fen,
            reference=reference,
            paid_on=paid_on,
            state=RemittanceState.PROPOSED,
            proposed_at=unit.clock.now(),
            proposed_by=person_id,
            proposed_by_name=unit.actor.name,
            decided_by_name="",
            note="",
            corrects_id=corrects.id if corrects else None,
            because=because,
            taken_back_fen=0,
        )
    )
    record(
        unit,
        "tax_remittance.proposed",
        subject_kind="tax_remittance",
        subject_id=number,
        amount_fen=amount_fen,
        reference=reference,
        paid_on=str(paid_on),
        corrects=corrects.number if corrects else "",
        because=because,
    )
    return number


def record_remittance(unit: Unit, number: str) -> None:
    """Record a remittance as its second person: the platform owes that much less.

    Or one that takes back, by a reversing entry: it owes that much again. Raises `NotFound`,
    `Refused`, `ProposalDecided`, `MakerChecks` for one's own, or `MoreTaxThanOwed` where some of
    the tax was given back since it was proposed.
    """
    lock_planning(unit)
    remittance = _lock_as_second(unit, number)
    amount_fen = remittance.amount_fen
    over_fen = -owed_tax_fen(unit, month_of(remittance.month))  # it counts what is proposed
    if amount_fen > 0 and over_fen > 0:
        owed_fen = max(0, amount_fen - over_fen)
        raise MoreTaxThanOwed(amount=yuan(amount_fen), owed=yuan(owed_fen))
    _decide(unit, remittance, RemittanceState.RECORDED)
    entry = Entry(TAX, BANK, amount_fen) if amount_fen > 0 else Entry(BANK, TAX, -amount_fen)
    post(
        unit,
        [
            TransferDraft(
                key=f"remitted:{number}",
                memo=f"tax of {show_month(remittance.month)}: {remittance.reference}",
                entries=[entry],
            )
        ],
    )


def return_remittance(unit: Unit, number: str, *, note: str) -> None:
    """Give a remittance back to who proposed it, with the reason."""
    remittance = _lock_as_second(unit, number)
    if not note.strip():
        raise ReasonRequired()
    _decide(unit, remittance, RemittanceState.RETURNED, note=note.strip())


def withdraw_remittance(unit: Unit, number: str) -> None:
    """Take one's own remittance back before it is recorded."""
    person_id = _require_finance(unit, "tax.remit")
    remittance = _lock(unit, number)
    if remittance.proposed_by != person_id:
        needs = remittance.proposed_by_name
        raise Refused(act="withdraw a proposal", needs=needs, actor=unit.actor.name)
    _decide(unit, remittance, RemittanceState.WITHDRAWN)


def remittances(unit: Unit) -> list[TaxRemittance]:
    """Return the remittances of the bureaus that the actor may see, the latest first."""
    unit.actor.require("tax.read", *READERS)
    wanted = select(TaxRemittance).where(TaxRemittance.bureau_id.in_(_bureaus(unit)))
    ordered = wanted.order_by(TaxRemittance.proposed_at.desc(), TaxRemittance.number.desc())
    return list(unit.session.scalars(ordered))


def _decide(
    unit: Unit, remittance: TaxRemittance, state: RemittanceState, *, note: str = ""
) -> None:
    remittance.state = state
    remittance.decided_at = unit.clock.now()
    remittance.decided_by = unit.actor.person_id
    remittance.decided_by_name = unit.actor.name
    remittance.note = note
    unit.session.flush()
    record(
        unit,
        f"tax_remittance.{state}",
        subject_kind="tax_remittance",
        subject_id=remittance.number,
        amount_fen=remittance.amount_fen,
        note=note,
    )


def _lock_as_second(unit: Unit, number: str) -> TaxRemittance:
    person_id = _require_finance(unit, "tax.record")
    remittance = _lock(unit, number)
    if remittance.bureau_id != unit.actor.organisation_id:
        raise Refused(act="tax.record", needs=Role.BUREAU_FINANCE, actor=unit.actor.name)
    if remittance.proposed_by == person_id:
        raise MakerChecks(person=unit.actor.name, number=number)
    return remittance


def _lock(unit: Unit, number: str) -> TaxRemittance:
    remittance = _find(unit, number)
    if remittance.state != RemittanceState.PROPOSED:
        raise ProposalDecided(number=number, state=RemittanceState(remittance.state))
    return remittance


def _find(unit: Unit, number: str) -> TaxRemittance:
    remittance = unit.session.scalars(
        select(TaxRemittance)
        .where(TaxRemittance.number == number, TaxRemittance.bureau_id.in_(_bureaus(unit)))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if remittance is None:
        raise NotFound(what="tax remittance", key=number)
    return remittance


def _bureaus(unit: Unit) -> Select[tuple[UUID]]:
    return visible_organisations(unit, OrganisationKind.BUREAU).with_only_columns(Organisation.id)


def _require_finance(unit: Unit, act: str) -> PersonId:
    actor = unit.actor
    actor.require(act, Role.BUREAU_FINANCE)
    if actor.organisation_kind is not OrganisationKind.BUREAU or actor.person_id is None:
        raise Refused(act=act, needs=Role.BUREAU_FINANCE, actor=actor.name)
    return actor.person_id
