"""Repeated requests: the same key with the same body gets the same answer, byte for byte.

The answer is stored in the transaction that did the work, so that there is no moment at which one
is known without the other. Two requests with one key at the same time: the second waits for the
first. An error stores nothing, since it did nothing.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select, text

from kernel.errors import IdempotencyKeyReused, InvalidInput
from kernel.http.models import Idempotency
from kernel.unit import Unit

KEY_HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotency-Replayed"
KEPT: Final = timedelta(hours=24)
LONGEST_KEY: Final = 255


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered; `replayed`: to an earlier request with the same key."""

    status: int
    content: bytes
    replayed: bool = False


def answer_once(unit: Unit, key: str, *, request: bytes, act: Callable[[], Answer]) -> Answer:
    """Return the answer stored for the actor's `key`, or that of `act`, which is then stored.

    `request` is all that makes the request this one. Without a key, `act` is done each time. Raises
    `IdempotencyKeyReused` if the key stands for another request.
    """
    if not key:
        return act()
    if len(key) > LONGEST_KEY or not (key.isascii() and key.isprintable()):
        expected = f"1 to {LONGEST_KEY} printable ASCII characters"
        raise InvalidInput(field=KEY_HEADER, value=key[:40], expected=expected)
    owner, digest = unit.actor.name, hashlib.sha256(request).digest()
    unit.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:owner || ' ' || :key, 0))"),
        {"owner": owner, "key": key},
    )
    now = unit.clock.now()
    known = _known(unit, owner, key, now=now)
    if known is not None:
        if known.request_digest != digest:
            raise IdempotencyKeyReused(key=key)
        return Answer(known.status, known.response, replayed=True)
    answer = act()
    unit.session.add(
        Idempotency(
            owner=owner,
            key=key,
            request_digest=digest,
            status=answer.status,
            response=answer.content,
            expires_at=now + KEPT,
        )
    )
    return answer


def forget_answers(unit: Unit) -> int:
    """Drop stored answers that have expired; return how many."""
    gone = unit.session.execute(
        delete(Idempotency)
        .where(Idempotency.expires_at <= unit.clock.now())
        .returning(Idempotency.key)
        .execution_options(synchronize_session=False)
    )
    return len(gone.all())


def _known(unit: Unit, owner: str, key: str, *, now: datetime) -> Idempotency | None:
    found = unit.session.scalars(
        select(Idempotency).where(Idempotency.owner == owner, Idempotency.key == key)
    ).first()
    if found is not None and found.expires_at <= now:
        unit.session.delete(found)
        unit.session.flush()
        return None
    return found
