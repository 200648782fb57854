"""What becomes evidence: the numbers beside the scoring's own, published together with them (R45).

A run names both by one version. Nothing here asks a database.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from settlement.dispute_rules import DisputeReason
from settlement.ranking.config import SHIPPED as SHIPPED_SCORING
from settlement.ranking.config import RankingConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class EvidenceRules:
    """When a term is renewed, and how grave an upheld dispute is.

    `renewal_grace_days`: a term is renewed if the next begins so soon after it, holidays included.
    An upheld dispute has severity 1; 3 if at least `serious_percent` of the line were credited, 10
    from `grave_percent` on. `not_the_vendors`: grounds of which the platform or the school's roster
    is to blame, never the vendor. `excused_ends`: why a term ends through nobody's fault.
    `by_part`: use under a pack is evidence on the parts that were used, too; versions before the
    second say nothing of it, and it is not. `part_by_part`: an upheld dispute under a pack weighs
    on the part that it names, or else is shared by the parts' uses, and a part of which a recount
    found no use was not used (versions before the third: it weighs on each part in full, and the
    use of before stands). `by_share`: how grave it is on the part that it names is told by that
    part's share of the line, by uses (versions before the fourth: by the whole line), which counts
    for at least `least_share_percent`: of a part that is hardly opened any credit would be all.
    `local_days`: on which day a notice came, and when a term's last day begins, is told by
    Shanghai's days (versions before the fifth: by UTC's, which begin there at eight).
    `rating_age_step_days`: a rating's age counts in whole steps, or its weight would tell on which
    day it was given, and who opened the resource that day is known (versions before the fifth: in
    days). The year of evidence is a whole number of steps.
    """

    version: str = "1"
    renewal_grace_days: int = 92
    serious_percent: int = 20
    grave_percent: int = 50
    not_the_vendors: tuple[str, ...] = (
        DisputeReason.FISCAL_YEAR_CLOSED.value,
        DisputeReason.NOT_OUR_LEARNERS.value,
    )
    excused_ends: tuple[str, ...] = ("curriculum-change", "grade-change")
    by_part: bool | UnsetType = UNSET
    part_by_part: bool | UnsetType = UNSET
    by_share: bool | UnsetType = UNSET
    least_share_percent: int | UnsetType = UNSET
    local_days: bool | UnsetType = UNSET
    rating_age_step_days: int | UnsetType = UNSET


SHIPPED_EVIDENCE: Final = EvidenceRules(
    version="5",
    by_part=True,
    part_by_part=True,
    by_share=True,
    least_share_percent=10,
    local_days=True,
    rating_age_step_days=61,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """All that a run goes by: the scoring's configuration and what becomes evidence."""

    ranking: RankingConfig = SHIPPED_SCORING
    evidence: EvidenceRules = field(default_factory=lambda: SHIPPED_EVIDENCE)

    @property
    def version(self) -> str:
        return f"{self.ranking.version}.{self.evidence.version}"

    def content(self) -> dict[str, Any]:
        """Return the rules as they are published: decimals are strings."""
        found: dict[str, Any] = msgspec.to_builtins(self, str_keys=True)
        return found

    def digest(self) -> bytes:
        """Return SHA-256 over the canonical JSON."""
        return digest_of(self.content())


def rules_from(content: dict[str, Any]) -> Rules:
    """Read published rules back."""
    return msgspec.convert(content, type=Rules)


def digest_of(content: Any) -> bytes:
    """Return SHA-256 over the JSON with sorted keys."""
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).digest()


SHIPPED: Final = Rules()
