"""Parties at the gateway: payers as customers, payees as connected accounts, each opened once.

Opened outside any unit, written in one. Whether a payee may be paid is the gateway's word; what it
still needs to know is told by the payee there.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert

from kernel.actors import Actor, Role
from kernel.errors import GatewayUnavailable
from kernel.identity.models import Organisation
from kernel.trail import record
from kernel.unit import Unit, Units
from settlement.ledger.models import Account
from settlement.ledger.posting import AccountKind
from settlement.payment_models import GatewayParty, Payment
from settlement.payments.calling import call_each
from settlement.payments.gateway import Gateway, GatewayError, PartyAccount

PAYER, PAYEE = "payer", "payee"
MAY_KNOW = (Role.OPERATOR, Role.BUREAU_FINANCE)

Party = tuple[UUID, str, str]
"""(organisation, code, name)."""


@contextmanager
def answering() -> Iterator[None]:
    """Say of a gateway that does not do as it is asked that it is not there for now."""
    try:
        yield
    except GatewayError as error:
        raise GatewayUnavailable(reason=error.reason) from error


def know_payers(units: Units, actor: Actor, gateway: Gateway, *, run_id: UUID) -> None:
    """Open a customer for each payer of a run that the gateway does not know yet."""
    of_run = exists().where(Payment.run_id == run_id, Payment.payer_id == Organisation.id)
    with units(actor) as unit:
        unknown = _unknown(unit, PAYER, of_run)
    _answered(_opened(units, actor, unknown, role=PAYER, call=gateway.open_payer))


def know_payees(units: Units, actor: Actor, gateway: Gateway) -> int:
    """Open an account for each payee with earnings that has none; look again at those not ready.

    Accounts that the gateway pays out by itself, as those opened long ago, are taken off its
    schedule: nobody could say of what such a payout is. One that the gateway does not answer for
    keeps no other waiting: what came is written, and only then `GatewayUnavailable` is raised.
    Returns how many payees may be paid now.
    """
    actor.require("payment.pay", *MAY_KNOW)
    kinds = (AccountKind.PAYABLE, AccountKind.SCHOOL_SHARE)
    earns = exists().where(Account.owner_id == Organisation.id, Account.kind.in_(kinds))
    with units(actor) as unit:
        unknown = _unknown(unit, PAYEE, earns)
        waiting = unit.session.scalars(
            select(GatewayParty.gateway_id).where(
                GatewayParty.role == PAYEE, ~(GatewayParty.ready & GatewayParty.by_hand)
            )
        ).all()
        asked_at = unit.clock.now()
    at_once = units.settings.gateway_calls
    opened = _opened(units, actor, unknown, role=PAYEE, call=gateway.open_payee)
    looked = [answer for _, answer in call_each(gateway.look_at_payee, waiting, at_once=at_once)]
    accounts = [answer for answer in looked if isinstance(answer, PartyAccount)]
    scheduled = [account.gateway_id for account in accounts if not account.by_hand]
    changed = [
        answer for _, answer in call_each(gateway.pay_out_by_hand, scheduled, at_once=at_once)
    ]
    accounts += [answer for answer in changed if isinstance(answer, PartyAccount)]
    with units(actor) as unit:
        for account in accounts:
            note_payee(unit, account, said_at=asked_at, answered=True)
    _answered([*opened, *looked, *changed])
    with units(actor) as unit:
        ready = select(GatewayParty).where(GatewayParty.role == PAYEE, GatewayParty.ready)
        return len(unit.session.scalars(ready).all())


def note_payee(
    unit: Unit, account: PartyAccount, *, said_at: datetime | None, answered: bool = False
) -> bool:
    """Write whether a payee may be paid, and by whom its bank is, as the gateway says it.

    Messages come in any order: what was said before the latest word changes nothing, and of two
    that contradict each other within a second, of which nobody knows the later, who may not be
    paid is not, until the gateway is asked (`answered`). Returns whether the payee is known.
    """
    party = unit.session.scalars(
        select(GatewayParty)
        .where(GatewayParty.gateway_id == account.gateway_id, GatewayParty.role == PAYEE)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if party is None:
        return False
    said_at = said_at.replace(microsecond=0) if said_at else None
    if said_at and party.said_at:
        if said_at < party.said_at:
            return True
        if said_at == party.said_at and not answered:
            account = replace(account, ready=account.ready and party.ready)
    party.said_at = said_at or party.said_at
    if party.by_hand != account.by_hand:
        party.by_hand = account.by_hand
        unit.session.flush()
        record(
            unit,
            "payee.paid_out_by_us" if account.by_hand else "payee.paid_out_by_schedule",
            subject_kind="organisation",
            subject_id=party.organisation_id,
        )
    if party.ready != account.ready:
        party.ready, party.known_at = account.ready, unit.clock.now()
        unit.session.flush()
        record(
            unit,
            "payee.ready" if account.ready else "payee.not_ready",
            subject_kind="organisation",
            subject_id=party.organisation_id,
            missing=list(account.missing),
        )
    return True


def account_at_gateway(unit: Unit, organisation_id: UUID | None) -> str | None:
    """Return under which account the gateway pays an organisation, None if it has none yet."""
    return unit.session.scalars(
        select(GatewayParty.gateway_id).where(
            GatewayParty.organisation_id == organisation_id, GatewayParty.role == PAYEE
        )
    ).one_or_none()


def _unknown(unit: Unit, role: str, wanted: object) -> Sequence[Party]:
    known = exists().where(
        GatewayParty.organisation_id == Organisation.id, GatewayParty.role == role
    )
    rows = unit.session.execute(
        select(Organisation.id, Organisation.code, Organisation.name)
        .where(wanted, ~known)  # type: ignore[arg-type]  # an `exists`, whatever its columns
        .order_by(Organisation.code)
    )
    return [(row.id, row.code, row.name) for row in rows]


def _opened(
    units: Units,
    actor: Actor,
    parties: Sequence[Party],
    *,
    role: str,
    call: Callable[..., PartyAccount],
) -> list[PartyAccount | GatewayError]:
    """Open the parties at the gateway, some at a time, and write those that were; return all."""

    def opened(party: Party) -> PartyAccount:
        _, code, name = party
        return call(code=code, name=name)

    with units(actor) as unit:
        asked_at = unit.clock.now()
    answers = list(call_each(opened, parties, at_once=units.settings.gateway_calls))
    accounts = [(party, one) for party, one in answers if isinstance(one, PartyAccount)]
    if accounts:
        with units(actor) as unit:
            unit.session.execute(
                insert(GatewayParty).on_conflict_do_nothing(),
                [
                    {
                        "organisation_id": organisation_id,
                        "role": role,
                        "gateway_id": account.gateway_id,
                        "ready": account.ready,
                        "by_hand": account.by_hand,
                        "known_at": unit.clock.now(),
                        "said_at": asked_at.replace(microsecond=0),
                    }
                    for (organisation_id, _, _), account in accounts
                ],
            )
    return [answer for _, answer in answers]


def _answered(answers: Iterable[PartyAccount | GatewayError]) -> None:
    """Raise the first error of some answers."""
    with answering():
        for answer in answers:
            if isinstance(answer, GatewayError):
                raise answer
