"""The ranking's configuration: every number that decides a score or a standing, versioned (R45).

A version that was used is published and never changed; another number is another version. Shares
and probabilities are decimals of 1, ages are days. What the numbers mean is in docs/ranking.md.
"""

import hashlib
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

RETURN_DAYS: Final = 366
"""What holds for versions that say nothing of `Gates.return_days`."""
SILENT_DAYS: Final = 366
WAIT_DAYS: Final = 15
"""What holds for versions that say nothing of `Gates.wait_days`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """What each component counts for in a score; they add up to 1."""

    satisfaction: Decimal = Decimal("0.40")
    renewal: Decimal = Decimal("0.25")
    defects: Decimal = Decimal("0.20")
    audit: Decimal = Decimal("0.15")


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """A band of places, and the least lower bound (score - sd) that is in it."""

    name: str
    least: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Gates:
    """When a standing moves (R44). `looks`: monthly looks in a row; `fresh_schools`: affected.

    `return_days`: after which a vendor that left may apply anew (versions before the second: none
    named, `RETURN_DAYS`). `silence`: who stands on watch or worse and of whom nothing is known any
    more is looked at all the same, and has recovered (versions before the fourth: nobody looks).
    `wait_days`: so many days after a month's end its first run waits for payers that used something
    in it and have not stated it (versions before the sixth: none named, `WAIT_DAYS`).
    """

    watch: Decimal = Decimal("0.5")
    probation: Decimal = Decimal("0.7")
    no_new_schools: Decimal = Decimal("0.7")
    recovery: Decimal = Decimal("0.3")
    looks: int = 2
    fresh_schools: int = 3
    probation_days: int = 183
    appeal_workdays: int = 10
    return_days: int | UnsetType = UNSET
    silence: bool | UnsetType = UNSET
    wait_days: int | UnsetType = UNSET


@dataclass(frozen=True, kw_only=True, slots=True)
class Newcomers:
    """Who is new, and the share of a cell's places that is kept for them (R43: 10-20 %).

    `independent`: schools of which something is set aside are none of the schools that it takes
    (versions before the third: they are). `wrongs_known`: a school with somebody at the vendor is
    one of them where something went wrong, which is scored (versions before the fifth: only where
    its opinion is low). `silent_days`: of what nothing is known no place is kept that was first let
    in so long ago, days under a takedown left out (versions before the fifth: without end).
    """

    schools: int = 3
    days: int = 60
    share: Decimal = Decimal("0.15")
    independent: bool | UnsetType = UNSET
    wrongs_known: bool | UnsetType = UNSET
    silent_days: int | UnsetType = UNSET


@dataclass(frozen=True, kw_only=True, slots=True)
class Guards:
    """When evidence of a school is set aside, and said to be (see `guards`).

    `unanimous_raters`: teachers of a school, all with the best or all with the worst rating, but
    for one in `dissent` (one of three teachers at least; versions before the second: none);
    `gap`: how far the subject's other schools must lie from that, in [0, 1], and `other_schools`
    how many of them there must be. `alike_schools`: schools that praise one subject and damn
    another of the cell with one voice. `metering_times`: uses per learner and month, as a multiple
    of the cell's median over at least `metering_schools` schools. `wrongs_stay`: opinions alone are
    set aside, what went wrong stays (versions before the second: all of a school's evidence goes).
    `low_stays`: nor are opinions below the middle, of a school with somebody at the vendor
    (versions before the fourth: they are).
    """

    unanimous_raters: int = 5
    gap: Decimal = Decimal("0.35")
    other_schools: int = 3
    alike_raters: int = 3
    alike_schools: int = 3
    mutual_raters: int = 1
    metering_times: int = 8
    metering_schools: int = 8
    dissent: int | UnsetType = UNSET
    wrongs_stay: bool | UnsetType = UNSET
    low_stays: bool | UnsetType = UNSET


@dataclass(frozen=True, kw_only=True, slots=True)
class RankingConfig:
    """A published version of the ranking's numbers.

    `cap`: the largest share of a subject's weight that one school carries (or 1/n, if that is
    more). `raters_for_full_weight` teachers give a school its whole weight, which halves every
    `half_life_days`. Renewals, defects and months of use are those of the last `evidence_days`
    before the end of the month, audits those of the last `audit_days`. `k_…`: how many schools
    (school-months, audits) a cell's mean counts for; that of satisfaction and `phi` are first
    guesses, estimated anew by each run between the bounds. `renewal_low`, `renewal_high`: the
    anchors between which renewal is rescaled.
    `defects_max`: severity per school-month at which nothing is left of that component.
    `severity_spread`: the mean square of a severity over its mean. `tau`: the score below which a
    subject is bad. `interval_z`: two subjects this many sd apart have a certain order.
    """

    version: str = "2026-6"
    weights: Weights = field(default_factory=Weights)
    cap: Decimal = Decimal("0.20")
    raters_for_full_weight: int = 3
    term_days: int = 183
    half_life_days: int = 366
    evidence_days: int = 366
    audit_days: int = 732
    k_satisfaction: Decimal = Decimal("3")
    k_satisfaction_bounds: tuple[Decimal, Decimal] = (Decimal("1.5"), Decimal("9"))
    phi: Decimal = Decimal("0.25")
    phi_bounds: tuple[Decimal, Decimal] = (Decimal("0.05"), Decimal("1"))
    k_leniency: Decimal = Decimal("5")
    k_renewal: Decimal = Decimal("3")
    k_defects: Decimal = Decimal("12")
    k_audit: Decimal = Decimal("2")
    k_cell: Decimal = Decimal("5")
    renewal_low: Decimal = Decimal("0.20")
    renewal_high: Decimal = Decimal("0.95")
    defects_max: Decimal = Decimal("0.50")
    severity_spread: Decimal = Decimal("4")
    prior_satisfaction: Decimal = Decimal("0.65")
    prior_renewal: Decimal = Decimal("0.70")
    prior_defects: Decimal = Decimal("0.05")
    prior_audit: Decimal = Decimal("0.80")
    tau: Decimal = Decimal("52")
    interval_z: Decimal = Decimal("1.645")
    bands: tuple[Band, ...] = (
        Band(name="A", least=Decimal(75)),
        Band(name="B", least=Decimal(62)),
        Band(name="C", least=Decimal(52)),
        Band(name="D", least=Decimal(0)),
    )
    gates: Gates = field(
        default_factory=lambda: Gates(return_days=RETURN_DAYS, silence=True, wait_days=WAIT_DAYS)
    )
    newcomers: Newcomers = field(
        default_factory=lambda: Newcomers(
            independent=True, wrongs_known=True, silent_days=SILENT_DAYS
        )
    )
    guards: Guards = field(
        default_factory=lambda: Guards(dissent=5, wrongs_stay=True, low_stays=True)
    )

    def canonical(self) -> bytes:
        """Return the configuration as JSON with sorted keys; decimals are strings."""
        return msgspec.json.encode(self, order="sorted")

    def digest(self) -> str:
        """Return the SHA-256 of the canonical form, in hexadecimal."""
        return hashlib.sha256(self.canonical()).hexdigest()


SHIPPED: Final = RankingConfig()
"""What an installation ranks by until its bureau publishes another version."""
