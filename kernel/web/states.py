"""How a state looks: a tone and an icon for each word, so that colour never speaks alone.

Red is kept for money that is missing or refused. A state that is not listed here is shown plainly.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Badge:
    """`tone` is a class of the style sheet, `icon` a name in components/icons.html."""

    tone: str
    icon: str


PLAIN: Final = Badge("quiet", "dot")
WAITING: Final = Badge("waiting", "clock")
UNDER_WAY: Final = Badge("waiting", "arrow")
DONE: Final = Badge("done", "check")
ATTENTION: Final = Badge("attention", "warning")
REFUSED: Final = Badge("missing", "cross")
ENDED: Final = Badge("quiet", "lock")

BADGES: Final[dict[str, Badge]] = {
    "draft": PLAIN,
    "submitted": WAITING,
    "in_review": WAITING,
    "claimed": WAITING,
    "proposed": WAITING,
    "requested": WAITING,
    "waiting": WAITING,
    "held": WAITING,
    "stated": WAITING,
    "awaiting-answer": WAITING,
    "awaiting-decision": WAITING,
    "mine": UNDER_WAY,
    "to-decide": ATTENTION,
    "appealed": ATTENTION,
    "meets": DONE,
    "on_condition": ATTENTION,
    "fails": ATTENTION,
    "overdue": ATTENTION,
    "unknown": WAITING,
    "newcomer": UNDER_WAY,
    "sealing": UNDER_WAY,
    "sealed": UNDER_WAY,
    "sent": UNDER_WAY,
    "ready": WAITING,
    "partial": ATTENTION,
    "in_part": ATTENTION,
    "nothing": ATTENTION,
    "open": UNDER_WAY,
    "admitted": DONE,
    "listed": DONE,
    "issued": DONE,
    "agreed": DONE,
    "approved": DONE,
    "confirmed": DONE,
    "upheld": DONE,
    "posted": DONE,
    "paid": DONE,
    "released": DONE,
    "normal": DONE,
    "counted": DONE,
    "in-force": DONE,
    "in_force": DONE,
    "waits_for_money": WAITING,
    "vendor_asked": WAITING,
    "next_close_pays": UNDER_WAY,
    "bureau_decides": ATTENTION,
    "running": UNDER_WAY,
    "to-come": WAITING,
    "within": DONE,
    "nearly_used": ATTENTION,
    "used_up": ATTENTION,
    "disputed": ATTENTION,
    "exhausted": ATTENTION,
    "returned": ATTENTION,
    "suspended": ATTENTION,
    "watch": ATTENTION,
    "probation": ATTENTION,
    "no_new_schools": ATTENTION,
    "exiting": ATTENTION,
    "refused": REFUSED,
    "failed": REFUSED,
    "uncovered": REFUSED,
    "closed": ENDED,
    "ended": ENDED,
    "terminated": ENDED,
    "withdrawn": ENDED,
    "revoked": ENDED,
    "cancelled": ENDED,
    "forfeited": ENDED,
    "dismissed": ENDED,
    "left": ENDED,
}


def badge(state: str) -> Badge:
    return BADGES.get(state, PLAIN)
