"""Who has to sign a selection: a table of thresholds, read for one amount (R22).

Pure. Which region's table applies is decided by `approval_rules`, which person holds a role by
`approvals`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from kernel.actors import ROLES_OF, OrganisationKind, Role


@dataclass(frozen=True, kw_only=True, slots=True)
class Threshold:
    """From this amount on, `role` signs at `position`; in fen, the amount itself included."""

    position: int
    role: Role
    from_amount_fen: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One signature that is needed; `above_school` says that a bureau gives it."""

    position: int
    role: Role
    above_school: bool


def steps_for(amount_fen: int, rules: Iterable[Threshold]) -> list[Step]:
    """Return the signatures that a selection of this ceiling needs, in the order they are given."""
    return [
        Step(
            position=rule.position,
            role=rule.role,
            above_school=rule.role in ROLES_OF[OrganisationKind.BUREAU],
        )
        for rule in sorted(rules, key=lambda rule: rule.position)
        if amount_fen >= rule.from_amount_fen
    ]
