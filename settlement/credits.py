"""Credits are booked like money: what facts entitle to and is not booked yet, and back (R47, R48).

Decides when: one booking at a time reckons everybody's entitlement anew and books the difference,
so that a lost or doubled run changes nothing, and facts in any order end in the same credits. Each
difference is a row and a balanced transfer under the same key; the database refuses more than a
year's cap, and less than nothing.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import func, insert, select, text

from kernel.actors import Role
from kernel.ids import new_id
from kernel.trail import record
from kernel.unit import Unit
from settlement.credit_evidence import facts_of_credits
from settlement.credit_models import CreditBooking
from settlement.credit_rules import CreditKey, CreditKind, Entitlement, differences, entitled
from settlement.ledger.posting import (
    INSTALLATION,
    AccountKey,
    AccountKind,
    Entry,
    TransferDraft,
    post,
)

MAY_BOOK: Final = (Role.OPERATOR,)
BOOKING_LOCK: Final = 0x6372_6564  # advisory lock: one booking of credits at a time
GRANTED: Final = AccountKey(INSTALLATION, AccountKind.CREDITS_GRANTED)


def book_credits(unit: Unit) -> int:
    """Book what is to be credited or taken back by now; return how many changes that were."""
    unit.actor.require("credits.book", *MAY_BOOK)
    unit.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": BOOKING_LOCK})
    wanted = entitled(facts_of_credits(unit))
    booked, numbers = _booked(unit)
    changes = differences(wanted, booked)
    rows, drafts = [], []
    for key, amount in changes:
        number = numbers.get(key, 0) + 1
        rows.append({**_row(unit, key, wanted), "number": number, "amount": amount})
        drafts.append(_transfer(key, number, amount))
    if rows:
        unit.session.execute(insert(CreditBooking), rows)
        post(unit, drafts)
        record(
            unit,
            "credits.booked",
            subject_kind="credits",
            subject_id=unit.clock.now().isoformat(),
            earned=sum(amount for _, amount in changes if amount > 0),
            taken_back=-sum(amount for _, amount in changes if amount < 0),
            changes=len(changes),
        )
    return len(changes)


def transfer_key(key: CreditKey, number: int) -> str:
    """Return under which key a booking stands in the books."""
    return f"learned:{key.person_id}:{key.kind}:{key.subject_id}:{key.year}:{number}"


def _transfer(key: CreditKey, number: int, amount: int) -> TransferDraft:
    own = AccountKey(key.person_id, AccountKind.CREDITS)
    debit, credit = (own, GRANTED) if amount > 0 else (GRANTED, own)
    return TransferDraft(
        key=transfer_key(key, number),
        memo=f"credits by {key.kind} in {key.year}",
        entries=[Entry(debit, credit, abs(amount))],
    )


def _row(unit: Unit, key: CreditKey, wanted: Mapping[CreditKey, Entitlement]) -> dict[str, object]:
    """Return a booking's facts; what is taken back keeps those of the booking before it."""
    by = wanted.get(key)
    if by is None:
        last = unit.session.scalars(
            select(CreditBooking)
            .where(
                CreditBooking.person_id == key.person_id,
                CreditBooking.kind == key.kind,
                CreditBooking.subject_id == key.subject_id,
                CreditBooking.year == key.year,
            )
            .order_by(CreditBooking.number.desc())
            .limit(1)
        ).one()
        by = Entitlement(0, last.at, last.version, last.most)
    return {
        "id": new_id(),
        "person_id": key.person_id,
        "kind": key.kind,
        "subject_id": key.subject_id,
        "year": key.year,
        "most": by.most,
        "version": by.version,
        "at": by.at,
        "booked_at": unit.clock.now(),
    }


def _booked(unit: Unit) -> tuple[dict[CreditKey, int], dict[CreditKey, int]]:
    """Return what is booked of each key, and how many bookings it has."""
    one = CreditBooking
    rows = unit.session.execute(
        select(
            one.person_id,
            one.kind,
            one.subject_id,
            one.year,
            func.sum(one.amount),
            func.max(one.number),
        ).group_by(one.person_id, one.kind, one.subject_id, one.year)
    )
    sums, numbers = {}, {}
    for person_id, kind, subject_id, year, amount, number in rows:
        key = CreditKey(person_id, CreditKind(kind), subject_id, year)
        sums[key], numbers[key] = int(amount), int(number)
    return sums, numbers
