"""Credits are booked like money: what facts entitle to and is not booked yet, and back (R47, R48).

Decides when: one booking at a time reckons everybody's entitlement anew and books the difference,
so that a lost or doubled run changes nothing, and facts in any order end in the same credits. Each
difference is a row and a balanced transfer under the same key; what is booked at once bears one
moment, under which the trail has its sum. The database refuses more than a year's cap, and less
than nothing. Whom it refuses is left out and named; the others are booked.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import DataError, IntegrityError

from kernel.actors import Role
from kernel.errors import BudgetExhausted, CreditsLeftOut
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


Change = tuple[CreditKey, int]


@dataclass(frozen=True, slots=True)
class Booked:
    """How many changes were booked, and why whose were not, by person."""

    changes: int
    left_out: Mapping[UUID, str]

    def require_all(self) -> None:
        """Raise `CreditsLeftOut` if somebody was left out."""
        if self.left_out:
            reasons = "; ".join(self.left_out.values())
            raise CreditsLeftOut(count=len(self.left_out), booked=self.changes, reasons=reasons)


def book_credits(unit: Unit) -> Booked:
    """Book what is to be credited or taken back by now.

    All at once; where the database refuses that, each person by itself.
    """
    unit.actor.require("credits.book", *MAY_BOOK)
    unit.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": BOOKING_LOCK})
    now = unit.clock.now()
    wanted = entitled(facts_of_credits(unit))
    booked, numbers = _booked(unit)
    changes = differences(wanted, booked)
    left_out: dict[UUID, str] = {}
    if changes and _refused(unit, changes, wanted, numbers, now=now):
        by_person: dict[UUID, list[Change]] = defaultdict(list)
        for change in changes:
            by_person[change[0].person_id].append(change)
        for person_id, own in by_person.items():
            why = _refused(unit, own, wanted, numbers, now=now)
            if why:
                left_out[person_id] = why
        changes = [one for one in changes if one[0].person_id not in left_out]
    if changes:
        record(
            unit,
            "credits.booked",
            subject_kind="credits",
            subject_id=now.isoformat(),
            earned=sum(amount for _, amount in changes if amount > 0),
            taken_back=-sum(amount for _, amount in changes if amount < 0),
            changes=len(changes),
        )
    return Booked(len(changes), left_out)


def _refused(
    unit: Unit,
    changes: Sequence[Change],
    wanted: Mapping[CreditKey, Entitlement],
    numbers: Mapping[CreditKey, int],
    *,
    now: datetime,
) -> str:
    """Book changes, all or none; return why the database refused them."""
    rows, drafts = [], []
    for key, amount in changes:
        number = numbers.get(key, 0) + 1
        facts = {"number": number, "amount": amount, "booked_at": now}
        rows.append({**_row(unit, key, wanted), **facts})
        drafts.append(_transfer(key, number, amount))
    try:
        with unit.session.begin_nested():
            unit.session.execute(insert(CreditBooking), rows)
            post(unit, drafts)
    except (IntegrityError, DataError) as error:
        said = getattr(getattr(error.orig, "diag", None), "message_primary", None)
        why, who = str(said or error.orig), str(changes[0][0].person_id)
        return why if who in why else f"{who}: {why}"
    except BudgetExhausted:
        return f"{changes[0][0].person_id}: less than nothing on the account"
    return ""


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
