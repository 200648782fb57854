"""What a run says of its evidence: scores, places, and what stands beside the score. Pure.

Beside the score: the score by urban and by rural schools alone (R46), the effect of each school
that was left out, and how much evidence each part rests on. All of it follows from what a snapshot
keeps, so that it can be had again to the same digits (R45).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, NamedTuple

from settlement.ranking.config import RankingConfig
from settlement.ranking.dimensions import PARTS
from settlement.ranking.evidence import Subject, totals
from settlement.ranking.inputs import SchoolEvidence, SubjectEvidence, in_order, together
from settlement.ranking.places import Place, places_of
from settlement.ranking.priors import Priors
from settlement.ranking.scoring import Component, Score, score


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A subject's score, its place among those that are ranked (none for newcomers), the rest."""

    subject: Subject
    score: Score
    place: Place | None
    result: dict[str, Any]


def measure_all(
    subjects: Sequence[Subject], priors: Priors, config: RankingConfig
) -> list[Measured]:
    """Score subjects of one kind, in their order."""
    scores = score([one.evidence for one in subjects], priors, config).scores
    ranked = [
        (one.cell, one.subject, one.score, one.sd, False) for one in scores if not one.is_newcomer
    ]
    places = {(one.cell, one.subject): one for one in places_of(ranked, config)}
    beside = _beside(subjects, scores, priors, config)
    return [
        Measured(
            subject=subject,
            score=found,
            place=places.get((found.cell, found.subject)),
            result=_result(subject, found, places.get((found.cell, found.subject)), extra),
        )
        for subject, found, extra in zip(subjects, scores, beside, strict=True)
    ]


def _beside(
    subjects: Sequence[Subject],
    scores: Sequence[Score],
    priors: Priors,
    config: RankingConfig,
) -> list[dict[str, Any]]:
    """Return by subject its score by urban and rural schools, and with each that is left out."""
    asked = [one for at, subject in enumerate(subjects) for one in _otherwise(at, subject)]
    found: list[dict[str, Any]] = [{"places": {}, "left_out": []} for _ in subjects]
    others = score([one.evidence for one in asked], priors, config).scores
    for one, other in zip(asked, others, strict=True):
        if one.why:
            own = scores[one.at].score
            found[one.at]["left_out"].append(
                {
                    "school": one.name,
                    "why": one.why,
                    "with": str(other.score),
                    "effect": str(other.score - own),
                }
            )
        else:
            found[one.at]["places"][one.name] = {
                "score": str(other.score),
                "sd": str(other.sd),
                "schools": len(one.evidence.schools),
            }
    return found


class _Otherwise(NamedTuple):
    """The subject at a place, with other evidence: of some schools alone, or of one left out."""

    at: int
    name: str
    why: str
    evidence: SubjectEvidence


def _otherwise(at: int, subject: Subject) -> Iterator[_Otherwise]:
    for name, is_rural in (("urban", False), ("rural", True)):
        schools = tuple(one for one in subject.evidence.schools if one.rural is is_rural)
        if schools:
            yield _Otherwise(at, name, "", replace(subject.evidence, schools=schools))
    said = {one.school: one for one in subject.left_out}
    for school, why in subject.evidence.excluded:
        yield _Otherwise(at, school, why, _with(subject.evidence, said[school]))


def _with(evidence: SubjectEvidence, said: SchoolEvidence) -> SubjectEvidence:
    rest = [one for one in evidence.schools if one.school != said.school]
    stayed = [one for one in evidence.schools if one.school == said.school]
    whole = together(said, stayed[0]) if stayed else said
    return in_order(replace(evidence, schools=(*rest, whole)))


def _result(
    subject: Subject, found: Score, place: Place | None, beside: dict[str, Any]
) -> dict[str, Any]:
    return {
        "parts": {name: _part(getattr(found, name)) for name in PARTS},
        "totals": totals(subject.evidence.schools),
        "rural_schools": sum(one.rural for one in subject.evidence.schools),
        "audits": [subject.evidence.audits_passed, subject.evidence.audits],
        "among": place.among if place else 0,
        "to_next_band": str(place.to_next_band if place else Decimal(0)),
        **beside,
    }


def _part(component: Component) -> dict[str, str]:
    return {
        "mean": str(component.mean),
        "variance": str(component.variance),
        "evidence": str(component.evidence),
    }
