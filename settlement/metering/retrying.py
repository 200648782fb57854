"""Statements that may lose a race on an identity, and then are judged anew."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import TextClause
from sqlalchemy.exc import IntegrityError, OperationalError

from kernel.unit import Unit

ATTEMPTS = 5
RETRIED = frozenset({"23505", "40P01"})  # unique_violation, deadlock_detected


def execute_retrying(
    unit: Unit,
    statement: TextClause,
    parameters: Mapping[str, Any],
    *,
    first: TextClause | None = None,
) -> Sequence[Any]:
    """Run a statement in a savepoint, again if another transaction took one of its identities.

    Two deliveries may carry the same event at the same moment: the one that loses the race finds
    a duplicate the next time. `first` is tried once before, in its stead.
    """
    for attempt in range(1, ATTEMPTS + 1):
        tried = first if first is not None and attempt == 1 else statement
        try:
            with unit.session.begin_nested():
                return unit.session.execute(tried, parameters).all()
        except (IntegrityError, OperationalError) as error:
            if getattr(error.orig, "sqlstate", None) not in RETRIED or attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")
