"""Payment runs: one finance person of a bureau proposes, another releases; a due is claimed once.

Decides who may do which, and that no due stands in two runs: proposals are made one at a time, and
what a proposal holds is claimed until it is returned or withdrawn. What is paid is `plans`', how it
moves is the engine's or the treasury's.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import func, insert, select, text, update

from kernel.actors import OrganisationKind, Role
from kernel.clock import Month, show_month
from kernel.errors import (
    MakerChecks,
    NotFound,
    NothingToPay,
    ProposalDecided,
    ReasonRequired,
    Refused,
)
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.identity.visibility import visible_organisations
from kernel.ids import PersonId, new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.ledger.posting import INSTALLATION
from settlement.models import FundingLine
from settlement.payment_models import Payment, PaymentItem, PaymentOmission, PaymentRun
from settlement.payments.bank_accounts import accounts_of
from settlement.payments.checks import check_release
from settlement.payments.planned import Omitted, Plan, Planned
from settlement.payments.plans import plan_run
from settlement.payments.states import (
    LeftOut,
    PaymentKind,
    PaymentMethod,
    PaymentState,
    RunPurpose,
    RunState,
)
from settlement.payments.taxes import income_month
from settlement.payout_models import PaymentPart, Withholding

PLATFORM: Final = "platform"
"""Stands in keys for the platform as a payee, which has no code."""
PLANNING_LOCK: Final = 0x7061_7972  # advisory lock: one proposal of a run at a time


def lock_planning(unit: Unit) -> None:
    """Wait until nobody else plans what is paid, or changes what plans go by."""
    unit.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": PLANNING_LOCK})


def propose_run(
    unit: Unit,
    month: Month,
    *,
    method: PaymentMethod,
    purpose: RunPurpose = RunPurpose.PAY,
) -> str:
    """Propose to pay what is due of statements up to `month`; return the run's number.

    Raises `Refused` unless a finance person of a bureau, `NothingToPay`.
    """
    person_id = _require_finance(unit, "payment.propose")
    lock_planning(unit)
    plan = plan_run(unit, month, method=method, purpose=purpose)
    if not plan.payments:
        raise NothingToPay(period=show_month(month))
    bureau_id = unit.actor.organisation_id
    earlier = unit.session.scalar(
        select(func.count(PaymentRun.id)).where(
            PaymentRun.bureau_id == bureau_id, PaymentRun.month == month
        )
    )
    number = f"{unit.actor.organisation_code}-P-{show_month(month)}-{(earlier or 0) + 1:02d}"
    run_id = new_id()
    unit.session.execute(
        insert(PaymentRun).values(
            id=run_id,
            number=number,
            bureau_id=bureau_id,
            month=month,
            method=method,
            purpose=purpose,
            state=RunState.PROPOSED,
            proposed_at=unit.clock.now(),
            proposed_by=person_id,
            proposed_by_name=unit.actor.name,
            decided_by_name="",
            note="",
        )
    )
    _write(unit, run_id, number, plan.payments, method=method)
    _write_withheld(unit, run_id, plan)
    _write_left_out(unit, run_id, plan.omitted)
    record(
        unit,
        "payment_run.proposed",
        subject_kind="payment_run",
        subject_id=number,
        method=method,
        purpose=purpose,
        payments=len(plan.payments),
        amount_fen=plan.paid_out_fen,
    )
    return number


def release_run(unit: Unit, number: str) -> None:
    """Release a proposed run as its second person: from here on money moves.

    Raises `NotFound`, `Refused`, `ProposalDecided`, `MakerChecks` for one's own,
    `WithheldForAnotherMonth`: a teacher's tax is that of the month in which it is paid, or
    `WithheldAnew` where the month's other runs have changed it since: two people sign for the
    numbers that are paid. `PayeesHeld` where somebody was held since it was proposed,
    `NotDueAnyMore` where what it asks for was paid late, or is not owed, since then.
    """
    lock_planning(unit)  # no other run's release changes the tax meanwhile, nobody is held
    run = _lock_proposed(unit, number, act="payment.release")
    check_release(unit, run)
    _decide(unit, run, RunState.RELEASED)
    unit.session.execute(
        update(Payment)
        .where(Payment.run_id == run.id)
        .values(state=PaymentState.READY)
        .execution_options(synchronize_session=False)
    )
    unit.after_commit("settlement.pay", number=number)


def return_run(unit: Unit, number: str, *, note: str) -> None:
    """Give a run back to who proposed it, with the reason; what it claimed is free again."""
    run = _lock_proposed(unit, number, act="payment.release")
    if not note.strip():
        raise ReasonRequired()
    _decide(unit, run, RunState.RETURNED, note=note.strip())
    _free(unit, run)


def withdraw_run(unit: Unit, number: str) -> None:
    """Take one's own proposal back before it is released."""
    person_id = _require_finance(unit, "payment.propose")
    run = _lock(unit, number)
    if run.proposed_by != person_id:
        raise Refused(act="withdraw a proposal", needs=run.proposed_by_name, actor=unit.actor.name)
    _decide(unit, run, RunState.WITHDRAWN)
    _free(unit, run)


def _write(
    unit: Unit,
    run_id: UUID,
    number: str,
    payments: Sequence[Planned],
    *,
    method: PaymentMethod,
) -> None:
    people = {one.payer_id for one in payments} | {one.payee_id for one in payments}
    codes: dict[UUID, str] = dict(
        unit.session.execute(
            select(Organisation.id, Organisation.code).where(among(Organisation.id, people))
        ).all()
    )
    codes[INSTALLATION] = PLATFORM
    lines: dict[UUID, str] = {
        line_id: f":{year}-{source}{_mark(restriction)}"
        for line_id, year, source, restriction in unit.session.execute(
            select(
                FundingLine.id,
                FundingLine.fiscal_year,
                FundingLine.source,
                FundingLine.restriction,
            ).where(
                among(
                    FundingLine.id,
                    {
                        line_id
                        for one in payments
                        if method is PaymentMethod.TREASURY
                        for line_id, _ in one.items
                    },
                )
            )
        )
    }
    accounts = accounts_of(unit, people) if method is PaymentMethod.TREASURY else {}
    keys: Counter[str] = Counter()  # several transfers of a pair may go back in one run
    rows, items, parts = [], [], []
    for one in payments:
        payment_id = new_id()
        line = lines[one.items[0][0]] if method is PaymentMethod.TREASURY else ""
        account = accounts.get(one.payee_id) if one.kind is PaymentKind.ORDER else None
        key = f"{number}:{one.kind}:{codes[one.payer_id]}:{codes[one.payee_id]}{line}"
        keys[key] += 1
        rows.append(
            {
                "id": payment_id,
                "run_id": run_id,
                "payer_id": one.payer_id,
                "payee_id": one.payee_id,
                "kind": one.kind,
                "key": key if keys[key] == 1 else f"{key}+{keys[key]}",
                "attempt": 1,
                "amount_fen": one.amount_fen,
                "paid_fen": 0,
                "state": PaymentState.PROPOSED,
                "failure": "",
                "account_id": account.id if account else None,
                "undoes_id": one.undoes_id,
                "again_of_id": one.again_of_id,
            }
        )
        items += [
            {
                "payment_id": payment_id,
                "line_id": line_id,
                "amount_fen": fen,
                "taxed_before_fen": one.taxed_before.get(line_id, 0),
            }
            for line_id, fen in one.items
        ]
        parts += [
            {
                "payment_id": payment_id,
                "line_id": line_id,
                "agreement_id": agreement_id,
                "of_month": of_month,
                "amount_fen": fen,
            }
            for line_id, agreement_id, of_month, fen in one.parts
        ]
    unit.session.execute(insert(Payment), rows)
    if items:
        unit.session.execute(insert(PaymentItem), items)
    if parts:
        unit.session.execute(insert(PaymentPart), parts)


def _write_withheld(unit: Unit, run_id: UUID, plan: Plan) -> None:
    """Keep how each teacher's tax came about; also where nothing is withheld yet."""
    month = income_month(unit)
    rows = [
        {
            "run_id": run_id,
            "payee_id": payee_id,
            "month": month,
            "version": plan.version,
            "earlier_fen": one.earlier.income_fen,
            "earlier_tax_fen": one.earlier.tax_fen,
            "income_fen": one.income_fen,
            "tax_fen": one.tax_fen,
            "steps": one.steps.facts(),
        }
        for payee_id, one in sorted(plan.withheld.items())
    ]
    if rows:
        unit.session.execute(insert(Withholding), rows)


def _write_left_out(unit: Unit, run_id: UUID, omitted: Sequence[Omitted]) -> None:
    """Keep whom the run left out and why; later it would be reckoned from other facts."""
    left_out: Counter[tuple[UUID, UUID, LeftOut]] = Counter()
    for one in omitted:
        left_out[one.payer_id, one.payee_id, one.because] += one.amount_fen
    rows = [
        {
            "run_id": run_id,
            "payer_id": payer_id,
            "payee_id": payee_id,
            "because": because,
            "amount_fen": fen,
        }
        for (payer_id, payee_id, because), fen in left_out.items()
    ]
    if rows:
        unit.session.execute(insert(PaymentOmission), rows)


def _mark(restriction: Mapping[str, Any]) -> str:
    """Tell a payer's lines of one year and source apart, by what they are restricted to."""
    if not restriction:
        return ""
    body = msgspec.json.encode(restriction, order="deterministic")
    return f"-{hashlib.sha256(body).hexdigest()[:12]}"


def _decide(unit: Unit, run: PaymentRun, state: RunState, *, note: str = "") -> None:
    run.state = state
    run.decided_at = unit.clock.now()
    run.decided_by = unit.actor.person_id
    run.decided_by_name = unit.actor.name
    run.note = note
    unit.session.flush()
    record(
        unit,
        f"payment_run.{state}",
        subject_kind="payment_run",
        subject_id=run.number,
        proposed_by=run.proposed_by_name,
        note=note,
    )


def _free(unit: Unit, run: PaymentRun) -> None:
    unit.session.execute(
        update(Payment)
        .where(Payment.run_id == run.id)
        .values(state=PaymentState.WITHDRAWN)
        .execution_options(synchronize_session=False)
    )


def _lock_proposed(unit: Unit, number: str, *, act: str) -> PaymentRun:
    """Lock a run that the actor may decide as its second person."""
    person_id = _require_finance(unit, act)
    run = _lock(unit, number)
    if run.bureau_id != unit.actor.organisation_id:
        raise Refused(act=act, needs=Role.BUREAU_FINANCE, actor=unit.actor.name)
    if run.proposed_by == person_id:
        raise MakerChecks(person=unit.actor.name, number=number)
    return run


def _lock(unit: Unit, number: str) -> PaymentRun:
    bureaus = visible_organisations(unit, OrganisationKind.BUREAU).with_only_columns(
        Organisation.id
    )
    run = unit.session.scalars(
        select(PaymentRun)
        .where(PaymentRun.number == number, PaymentRun.bureau_id.in_(bureaus))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if run is None:
        raise NotFound(what="payment run", key=number)
    if run.state != RunState.PROPOSED:
        raise ProposalDecided(number=number, state=RunState(run.state))
    return run


def _require_finance(unit: Unit, act: str) -> PersonId:
    """Return who acts: a finance person of a bureau, never the one at the machine."""
    actor = unit.actor
    actor.require(act, Role.BUREAU_FINANCE)
    if actor.organisation_kind is not OrganisationKind.BUREAU or actor.person_id is None:
        raise Refused(act=act, needs=Role.BUREAU_FINANCE, actor=actor.name)
    return actor.person_id
