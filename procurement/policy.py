"""Who has to sign a selection: a table of thresholds, read for one amount and purpose (R22).

Pure. Which region's table applies is decided by `approval_rules`, which person holds a role by
`approvals`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kernel.actors import ROLES_OF, OrganisationKind, Role

BULK: Final = "bulk"
"""The kind of a threshold that is only for what a bureau buys for schools (R24)."""
DUE_WORKDAYS: Final = 3
"""Working days for a signature where a table names no number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Threshold:
    """From this amount on, `role` signs at `position`; in fen, the amount itself included.

    Only for resources of a `kind` and `tier` and money of a `source`; empty: of any. Of the kind
    `bulk`: only for what a bureau buys for schools. `may_repeat`: also somebody who has signed the
    selection already.
    """

    position: int
    role: Role
    from_amount_fen: int
    kind: str = ""
    tier: str = ""
    source: str = ""
    may_repeat: bool = False
    due_workdays: int = DUE_WORKDAYS

    @property
    def is_general(self) -> bool:
        return not (self.kind or self.tier or self.source)


@dataclass(frozen=True, kw_only=True, slots=True)
class About:
    """What a selection is about. `sources` that would pay; None: not known, so any may have to.

    `bulk`: a bureau buys it for schools.
    """

    bulk: bool = False
    kind: str = ""
    tier: str = ""
    sources: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One signature that is needed; `above_school` says that a bureau gives it."""

    position: int
    role: Role
    above_school: bool
    may_repeat: bool
    due_workdays: int


ANYTHING: Final = About()


def steps_for(
    amount_fen: int, rules: Iterable[Threshold], *, about: About = ANYTHING
) -> list[Step]:
    """Return the signatures that a selection of this ceiling needs, in the order they are given.

    What is not known of it (an empty kind or tier, no sources) asks for every signature that it
    might need.
    """
    return [
        Step(
            position=rule.position,
            role=rule.role,
            above_school=rule.role in ROLES_OF[OrganisationKind.BUREAU],
            may_repeat=rule.may_repeat,
            due_workdays=rule.due_workdays,
        )
        for rule in sorted(rules, key=lambda rule: rule.position)
        if amount_fen >= rule.from_amount_fen and _concerns(rule, about)
    ]


def signs_twice(rules: Iterable[Threshold]) -> tuple[Threshold, Threshold] | None:
    """Return the first two rows by which one role signs the same selection twice, if there are any.

    Nobody signs one selection twice, so that it might wait for ever; a row that lets who has signed
    sign again is meant so.
    """
    seen: list[Threshold] = []
    for rule in sorted(rules, key=lambda rule: rule.position):
        for earlier in seen:
            if earlier.role is rule.role and not rule.may_repeat and _meet(earlier, rule):
                return earlier, rule
        seen.append(rule)
    return None


def _meet(one: Threshold, other: Threshold) -> bool:
    """Return whether a selection that is large enough is concerned by both rows.

    Several sources may pay for one, so that different sources meet. What a bureau buys for many
    schools has rows of its own.
    """
    if (one.kind == BULK) != (other.kind == BULK):
        return False
    return one.kind in {"", other.kind or one.kind} and one.tier in {"", other.tier or one.tier}


def _concerns(rule: Threshold, about: About) -> bool:
    if (rule.kind == BULK) != about.bulk:
        return False
    return (
        rule.kind in {"", BULK, about.kind or rule.kind}
        and rule.tier in {"", about.tier or rule.tier}
        and (not rule.source or about.sources is None or rule.source in about.sources)
    )
