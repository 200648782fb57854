"""Remittances: the tax withheld through the platform goes to the tax office, and the books say so.

A finance person of a bureau records what was paid, when and under which number of the tax office's
receipt; another one of the same bureau checks it against the receipt, and only then it is posted.
Under treasury payment the tax is a payer's own order, and nothing of it is owed here.
"""

from datetime import date
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import Select, case, exists, func, insert, select

from kernel.actors import OrganisationKind, Role
from kernel.clock import Month, shanghai_day, show_month
from kernel.errors import (
    AlreadyExists,
    InvalidInput,
    MakerChecks,
    MoreTaxThanOwed,
    NotFound,
    ProposalDecided,
    ReasonRequired,
    Refused,
)
from kernel.identity.models import Organisation
from kernel.identity.visibility import visible_organisations
from kernel.ids import PersonId, new_id
from kernel.money import yuan
from kernel.trail import record
from kernel.unit import Unit
from settlement.ledger.models import Account, Leg
from settlement.ledger.posting import INSTALLATION, AccountKind, Entry, TransferDraft, post
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


def owed_tax_fen(unit: Unit) -> int:
    """Return what of withheld tax the platform owes by the books, less what is proposed, in fen."""
    signed = case((Leg.side == "C", Leg.amount_fen), else_=-Leg.amount_fen)
    owed = (
        select(func.coalesce(func.sum(signed), 0))
        .join(Account, Account.id == Leg.account_id)
        .where(Account.owner_id == INSTALLATION, Account.kind == AccountKind.TAX_PAYABLE)
    )
    waits = select(func.coalesce(func.sum(TaxRemittance.amount_fen), 0)).where(
        TaxRemittance.state == RemittanceState.PROPOSED
    )
    return int(unit.session.scalar(owed) or 0) - int(unit.session.scalar(waits) or 0)


def propose_remittance(
    unit: Unit, month: Month, *, amount_fen: int, reference: str, paid_on: date
) -> str:
    """Propose to record that tax of a month was paid to the tax office; return its number.

    `reference`: the number of the tax office's receipt. Raises `Refused` unless a finance person of
    a bureau, `InvalidInput`, `AlreadyExists` for a receipt that stands in another one,
    `MoreTaxThanOwed`.
    """
    person_id = _require_finance(unit, "tax.remit")
    lock_planning(unit)
    reference = reference.strip()
    if not reference:
        raise InvalidInput(field="reference", value=reference, expected="the receipt's number")
    today = shanghai_day(unit.clock.now())
    if paid_on > today:
        raise InvalidInput(field="paid_on", value=str(paid_on), expected=f"at latest {today}")
    standing = (RemittanceState.PROPOSED, RemittanceState.RECORDED)
    known = exists().where(TaxRemittance.reference == reference, TaxRemittance.state.in_(standing))
    if unit.session.scalar(select(known)):
        raise AlreadyExists(what="tax receipt", key=reference)
    owed_fen = owed_tax_fen(unit)
    if not 0 < amount_fen <= owed_fen:
        raise MoreTaxThanOwed(amount=yuan(amount_fen), owed=yuan(max(0, owed_fen)))
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
    )
    return number


def record_remittance(unit: Unit, number: str) -> None:
    """Record a remittance as its second person: the platform owes that much less.

    Raises `NotFound`, `Refused`, `ProposalDecided`, or `MakerChecks` for one's own.
    """
    remittance = _lock_as_second(unit, number)
    _decide(unit, remittance, RemittanceState.RECORDED)
    post(
        unit,
        [
            TransferDraft(
                key=f"remitted:{number}",
                memo=f"tax of {show_month(remittance.month)}: {remittance.reference}",
                entries=[Entry(TAX, BANK, remittance.amount_fen)],
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
    remittance = unit.session.scalars(
        select(TaxRemittance)
        .where(TaxRemittance.number == number, TaxRemittance.bureau_id.in_(_bureaus(unit)))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if remittance is None:
        raise NotFound(what="tax remittance", key=number)
    if remittance.state != RemittanceState.PROPOSED:
        raise ProposalDecided(number=number, state=RemittanceState(remittance.state))
    return remittance


def _bureaus(unit: Unit) -> Select[tuple[UUID]]:
    return visible_organisations(unit, OrganisationKind.BUREAU).with_only_columns(Organisation.id)


def _require_finance(unit: Unit, act: str) -> PersonId:
    actor = unit.actor
    actor.require(act, Role.BUREAU_FINANCE)
    if actor.organisation_kind is not OrganisationKind.BUREAU or actor.person_id is None:
        raise Refused(act=act, needs=Role.BUREAU_FINANCE, actor=actor.name)
    return actor.person_id
