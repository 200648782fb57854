"""Background work of the kernel: chaining the trail, forgetting what has expired."""

from kernel.actors import system_actor
from kernel.http.idempotency import forget_answers
from kernel.identity.sessions import forget_expired
from kernel.trail import sequence_trail
from kernel.unit import Units

WORKER = system_actor("worker")
MOST_AT_ONCE = 10_000


def chain_trail(units: Units) -> None:
    """Chain all acts that are visible and not chained yet."""
    while True:
        with units(WORKER) as unit:
            if sequence_trail(unit, at_most=MOST_AT_ONCE) < MOST_AT_ONCE:
                return


def forget_sessions(units: Units) -> None:
    """Drop browser sessions that have run out."""
    with units(WORKER) as unit:
        forget_expired(unit)


def forget_stored_answers(units: Units) -> None:
    """Drop answers kept for repeated requests that have run out."""
    with units(WORKER) as unit:
        forget_answers(unit)
