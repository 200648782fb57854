"""The sandbox's state in the database: objects with ids like the real ones, lists, messages.

Every call is one transaction under one lock, so that web and worker processes see the same gateway.
"""

import secrets
import string
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, Final

from sqlalchemy import BigInteger, cast, func, insert, select, text, update

from kernel.unit import Unit
from settlement.payments.sandbox_forms import no_such
from settlement.payments.sandbox_models import SandboxMessage, SandboxObject

SANDBOX_LOCK: Final = 0x7361_6E64
LETTERS: Final = string.ascii_letters + string.digits
PREFIXES: Final[Mapping[str, str]] = {
    "customer": "cus",
    "account": "acct",
    "payment_intent": "pi",
    "charge": "py",
    "transfer": "tr",
    "transfer_reversal": "trr",
    "refund": "pyr",
    "dispute": "du",
    "payout": "po",
    "balance_transaction": "txn",
    "event": "evt",
}
MOST: Final = 100


def new_sandbox_id(prefix: str) -> str:
    return f"{prefix}_{''.join(secrets.choice(LETTERS) for _ in range(24))}"


class Store:
    """One call's view of the sandbox; made inside a unit, which holds the sandbox's lock.

    `account`: the connected account for which the call is made, None for the platform itself.
    """

    def __init__(self, unit: Unit, account: str | None = None) -> None:
        self.unit = unit
        self.account = account
        self.messages: list[str] = []
        unit.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SANDBOX_LOCK})

    @property
    def now(self) -> int:
        return int(self.unit.clock.now().timestamp())

    def of(self, account: str | None) -> "Store":
        """Return the same call's view of another account."""
        other = copy(self)
        other.account = account
        return other

    def add(self, kind: str, **body: Any) -> dict[str, Any]:
        """Keep a new object; return it as the API shows it."""
        found = {
            "id": new_sandbox_id(PREFIXES[kind]),
            "object": kind,
            "created": self.now,
            "livemode": False,
            **body,
        }
        self.unit.session.execute(
            insert(SandboxObject).values(
                id=found["id"],
                kind=kind,
                sequence=self._next(SandboxObject),
                created_at=self.unit.clock.now(),
                body=found,
                account=self.account,
            )
        )
        return found

    def get(self, kind: str, found_id: str, *, param: str = "id") -> dict[str, Any]:
        body = self.unit.session.scalars(
            select(SandboxObject.body).where(
                SandboxObject.id == found_id, SandboxObject.kind == kind
            )
        ).one_or_none()
        if body is None:
            raise no_such(kind.replace("_", " "), found_id, param=param)
        return dict(body)

    def change(self, found: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Change an object in place and in the database."""
        found.update(changes)
        self.unit.session.execute(
            update(SandboxObject)
            .where(SandboxObject.id == found["id"])
            .values(body=found)
            .execution_options(synchronize_session=False)
        )
        return found

    def all(self, kind: str, **facts: Any) -> list[dict[str, Any]]:
        """Return the account's objects of a kind with these facts, the latest first."""
        wanted = select(SandboxObject.body).where(
            SandboxObject.kind == kind, SandboxObject.account.is_not_distinct_from(self.account)
        )
        for name, value in facts.items():
            if value is not None:
                wanted = wanted.where(SandboxObject.body[name].astext == str(value))
        return [
            dict(body)
            for body in self.unit.session.scalars(wanted.order_by(SandboxObject.sequence.desc()))
        ]

    def listed(
        self,
        kind: str,
        form: Mapping[str, Any],
        *,
        url: str,
        shown: Callable[[dict[str, Any]], dict[str, Any]] = dict,
        **facts: Any,
    ) -> dict[str, Any]:
        """Return a page of a list, as `limit`, `starting_after` and `created` ask for it."""
        found = self.all(kind, **facts)
        created = form.get("created") or {}
        tests = {"gte": int.__ge__, "gt": int.__gt__, "lt": int.__lt__, "lte": int.__le__}
        for name, value in created.items() if isinstance(created, dict) else ():
            found = [one for one in found if tests[name](one["created"], int(value))]
        after = form.get("starting_after")
        if after:
            places = [number for number, one in enumerate(found) if one["id"] == after]
            if not places:
                raise no_such(kind.replace("_", " "), str(after), param="starting_after")
            found = found[places[0] + 1 :]
        limit = min(MOST, int(form.get("limit") or 10))
        data = [shown(one) for one in found[:limit]]
        return {"object": "list", "url": url, "has_more": len(found) > limit, "data": data}

    def tell(self, kind: str, subject: dict[str, Any]) -> None:
        """Make an event of an object as it is now, and a message of it."""
        event = self.add(
            "event",
            type=kind,
            api_version=None,
            pending_webhooks=1,
            **({} if self.account is None else {"account": self.account}),
            request={"id": None, "idempotency_key": None},
            data={"object": dict(subject)},
        )
        self.unit.session.execute(
            insert(SandboxMessage).values(
                event_id=event["id"],
                sequence=self._next(SandboxMessage),
                state="waiting",
                attempts=0,
                copies=1,
                due_at=self.unit.clock.now(),
            )
        )
        self.messages.append(event["id"])

    def book(self, kind: str, amount: int, source: str | None) -> dict[str, Any]:
        """Write a line of the gateway's own books: it changes the account's balance."""
        return self.add(
            "balance_transaction",
            amount=amount,
            net=amount,
            fee=0,
            fee_details=[],
            currency="cny",
            type=kind,
            reporting_category=kind,
            source=source,
            status="available",
            available_on=self.now,
            description=None,
            exchange_rate=None,
        )

    def balance(self) -> int:
        """Return what the account holds."""
        net = func.sum(cast(SandboxObject.body["net"].astext, BigInteger))
        return int(
            self.unit.session.scalar(
                select(net).where(
                    SandboxObject.kind == "balance_transaction",
                    SandboxObject.account.is_not_distinct_from(self.account),
                )
            )
            or 0
        )

    def _next(self, table: type[SandboxObject] | type[SandboxMessage]) -> int:
        return (self.unit.session.scalar(select(func.max(table.sequence))) or 0) + 1
