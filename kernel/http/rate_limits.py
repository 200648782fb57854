"""Rate limits: how much an owner may send in a window of a minute, counted in the database.

Counted in a unit of its own that ends before the work begins, so that requests of one owner don't
wait for each other. What is refused is not counted. The count may lose its last moments in a crash
of the server (the commit does not wait for the disk): it limits, it does not bill.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from sqlalchemy import text

from kernel.http.models import RateWindow
from kernel.unit import Unit

WINDOW_S: Final = 60

SPEND = text(
    """
INSERT INTO rate_window AS w (owner, began_at, used) VALUES (:owner, :now, :wanted)
ON CONFLICT (owner) DO UPDATE SET
    began_at = CASE WHEN w.began_at <= :expired THEN excluded.began_at ELSE w.began_at END,
    used = CASE WHEN w.began_at <= :expired THEN 0 ELSE w.used END + excluded.used
WHERE w.began_at <= :expired OR w.used + excluded.used <= :limit
RETURNING began_at, used, set_config('synchronous_commit', 'off', true)
"""
)


@dataclass(frozen=True, slots=True)
class RateState:
    """Where an owner stands in the running window, and whether what was wanted did not fit."""

    policy: str
    limit: int
    remaining: int
    reset_s: int
    refused: bool = False

    def headers(self) -> dict[str, str]:
        """Return the headers of draft-ietf-httpapi-ratelimit-headers."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.limit};w={WINDOW_S}',
            "RateLimit": f'"{self.policy}";r={self.remaining};t={self.reset_s}',
        }


def spend(unit: Unit, owner: str, *, wanted: int, limit: int, policy: str) -> RateState:
    """Count `wanted` for the owner, unless the window can't hold them."""
    now = unit.clock.now()
    if wanted <= limit:
        spent = unit.session.execute(
            SPEND,
            {
                "owner": owner,
                "now": now,
                "expired": now - timedelta(seconds=WINDOW_S),
                "wanted": wanted,
                "limit": limit,
            },
        ).first()
        if spent is not None:
            return RateState(policy, limit, limit - spent.used, _left(spent.began_at, now))
    window = unit.session.get(RateWindow, owner)
    if window is None:
        return RateState(policy, limit, limit, WINDOW_S, refused=True)
    left = _left(window.began_at, now)
    remaining = max(limit - window.used, 0) if left else limit
    return RateState(policy, limit, remaining, left or WINDOW_S, refused=True)


def _left(began_at: datetime, now: datetime) -> int:
    """Return the whole seconds until the window ends, rounded up."""
    return max(0, ceil(WINDOW_S - (now - began_at).total_seconds()))
