"""What one score is made of, school by school: so that each of its digits can be had again (R45).

For who audits it and for the vendor that it is about; who sees the standing sees this. Auditors and
reviewers have each school's evidence whole, by name within their own subtree, else by a letter.

The vendor has exact sums, which are all that a score rests on, and what each school's teachers say
by a letter and in two places: a weight to six places would tell the day of a rating, and who gave
it. Schools of fewer than three teachers are told together, and never one alone (R58). Letters go by
weight, not by school, so that they name none from one month or one resource to the next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from string import ascii_uppercase
from typing import Final
from uuid import UUID

from sqlalchemy import exists, select

from kernel.actors import OrganisationKind
from kernel.errors import NotFound
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from settlement.queries.rankings import Why, why
from settlement.ranking.columns import columns_of
from settlement.ranking.explaining import SchoolEffect, explain
from settlement.ranking.inputs import OF_OPINION, SchoolEvidence, SubjectEvidence, in_order
from settlement.ranking.models import ScoreRun, Standing
from settlement.ranking.priors import CellPrior, Priors
from settlement.ranking.runs import priors_of
from settlement.ranking.scoring import in_arrays, score, sums_of
from settlement.ranking.standings import visible_standings

LEAST_TEACHERS: Final = 3
"""Teachers of a school, or of several, of whom a vendor is told what they say."""
TWO: Final = Decimal("0.01")


@dataclass(frozen=True, kw_only=True, slots=True)
class EvidenceSums:
    """What a score rests on besides the run's priors and the configuration; exact.

    `weight`: Σw under the cap; `said`: Σw times opinions; `renewed`: shares of their terms of
    `decided` schools; `severity` of upheld disputes in `months` of use; `passed` of `audits`.
    """

    weight: Decimal
    said: Decimal
    renewed: Decimal
    decided: int
    severity: int
    months: int
    passed: int
    audits: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SchoolPart:
    """What a school, or `schools` of few teachers together, bring to a score.

    `name`: its name or its letter, empty for several. `opinion`: in [0, 1] less its leniency, None
    without ratings; `moves`: the score less what it is without it; to the vendor without its
    opinion, what it renewed or disputed being known. `evidence` and `leniency`: not for the vendor.
    """

    name: str
    schools: int
    opinion: Decimal | None
    weight: Decimal
    is_capped: bool
    moves: Decimal
    leniency: Decimal | None = None
    evidence: SchoolEvidence | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SetAside:
    """A school of which something is not scored, why, and what it would do to the score."""

    name: str
    why: str
    effect: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreEvidence:
    """One score with all that it follows from.

    `cell`: the means of its cell, or those of all where the run has none of it. `set_aside`: not
    for the vendor.
    """

    found: Why
    k: Decimal
    phi: Decimal
    cell: CellPrior
    sums: EvidenceSums
    schools: Sequence[SchoolPart]
    set_aside: Sequence[SetAside]
    is_for_vendor: bool


def may_read(unit: Unit, *, vendor: str, cell: str) -> bool:
    """Whether the actor reads what the scores of a vendor (its code) in a cell are made of."""
    seen = visible_standings(unit).where(Standing.cell == cell).subquery()
    wanted = select(seen.c.id).join(Organisation, Organisation.id == seen.c.vendor_id)
    return bool(unit.session.scalar(select(exists(wanted.where(Organisation.code == vendor)))))


def evidence_of(unit: Unit, run: ScoreRun, *, key: str, cell: str) -> ScoreEvidence:
    """Return what a vendor's (`code`) or a resource's (`vendor/sku`) score in a cell is made of.

    Without a `cell` the one in which it has most evidence. Raises `NotFound`, also for what the
    actor does not read, and for a vendor where it is new: too little is known to tell it.
    """
    found = why(unit, run, key=key, cell=cell)
    is_vendor = unit.actor.organisation_kind is OrganisationKind.VENDOR
    may = may_read(unit, vendor=found.row.vendor_code, cell=found.row.cell)
    if not may or (is_vendor and found.row.is_newcomer):
        raise NotFound(what="ranking", key=key)
    priors = priors_of(run, found.row.kind)
    evidence = in_order(found.evidence)
    named: Mapping[str, str] = {} if is_vendor else _names(unit, evidence)
    return ScoreEvidence(
        found=found,
        k=priors.k,
        phi=priors.phi,
        cell=next((one for one in priors.cells if one.cell == evidence.cell), priors.everywhere),
        sums=_sums(evidence, priors, found),
        schools=_to_vendor(evidence, priors, found)
        if is_vendor
        else [
            _whole(named[school.school], school, effect)
            for school, effect in zip(evidence.schools, found.apart.schools, strict=True)
        ],
        set_aside=[]
        if is_vendor
        else [
            SetAside(name=named[one["school"]], why=one["why"], effect=Decimal(one["effect"]))
            for one in found.row.result["left_out"]
        ],
        is_for_vendor=is_vendor,
    )


def letter(number: int) -> str:
    """Return the letter of a position: A … Z, AA, AB …."""
    higher, at = divmod(number, len(ascii_uppercase))
    return (letter(higher - 1) if higher else "") + ascii_uppercase[at]


def _names(unit: Unit, evidence: SubjectEvidence) -> dict[str, str]:
    """Return by id the names of schools in the actor's subtree, and letters for the others."""
    schools = list(dict.fromkeys([one.school for one in evidence.schools]))
    schools += [one for one, _ in evidence.excluded if one not in schools]
    known = unit.session.execute(
        visible_organisations(unit, OrganisationKind.SCHOOL)
        .where(among(Organisation.id, {UUID(one) for one in schools}))
        .with_only_columns(Organisation.id, Organisation.name)
    )
    names = {str(school_id): name for school_id, name in known}
    return {one: names.get(one, letter(at)) for at, one in enumerate(schools)}


def _sums(evidence: SubjectEvidence, priors: Priors, found: Why) -> EvidenceSums:
    columns = columns_of([evidence])
    sums = sums_of(columns, in_arrays(priors, columns), found.config)
    return EvidenceSums(
        weight=Decimal(int(sums.known[0])).scaleb(-6),
        said=Decimal(int(sums.said[0])).scaleb(-12),
        renewed=Decimal(int(sums.renewed[0])).scaleb(-6),
        decided=int(sums.decided[0]),
        severity=int(sums.severity[0]),
        months=int(sums.months[0]),
        passed=evidence.audits_passed,
        audits=evidence.audits,
    )


def _whole(name: str, school: SchoolEvidence, effect: SchoolEffect) -> SchoolPart:
    return SchoolPart(
        name=name,
        schools=1,
        opinion=effect.opinion,
        weight=effect.weight,
        is_capped=effect.is_capped,
        moves=effect.effect,
        leniency=effect.leniency,
        evidence=school,
    )


def _to_vendor(evidence: SubjectEvidence, priors: Priors, found: Why) -> list[SchoolPart]:
    """Return what schools' teachers say, the heaviest first, those of few teachers together."""
    said = replace(
        evidence,
        schools=tuple(
            replace(
                SchoolEvidence(school=one.school),
                **{name: getattr(one, name) for name in OF_OPINION},
            )
            for one in evidence.schools
            if one.raters
        ),
    )
    told = explain(said, priors=priors, config=found.config)
    heard = sorted(
        zip(said.schools, told.schools, strict=True),
        key=lambda one: (-one[1].weight, -(one[1].opinion or Decimal(0))),
    )
    enough = [one for one in heard if one[0].raters >= LEAST_TEACHERS]
    few = [one for one in heard if one[0].raters < LEAST_TEACHERS]
    while few and enough and not _are_enough(few):
        few.append(enough.pop())
    parts = [
        replace(
            _whole(letter(at), school, effect),
            opinion=_two(effect.opinion or Decimal(0)),
            weight=_two(effect.weight),
            moves=_two(effect.effect),
            leniency=None,
            evidence=None,
        )
        for at, (school, effect) in enumerate(enough)
    ]
    if not _are_enough(few):
        return parts
    weight = sum((one.weight for _, one in few), start=Decimal(0))
    product = sum(
        (one.weight * one.opinion for _, one in few if one.opinion is not None), start=Decimal(0)
    )
    gone = {school.school for school, _ in few}
    rest = replace(said, schools=tuple(one for one in said.schools if one.school not in gone))
    without = score([rest], priors, found.config).scores[0]
    together = SchoolPart(
        name="",
        schools=len(few),
        opinion=_two(product / weight) if weight else None,
        weight=_two(weight),
        is_capped=any(one.is_capped for _, one in few),
        moves=_two(told.score.score - without.score),
    )
    return [*parts, together]


def _are_enough(few: Sequence[tuple[SchoolEvidence, SchoolEffect]]) -> bool:
    """Whether no school, and no teacher, is told by what some say together."""
    return len(few) > 1 and sum(school.raters for school, _ in few) >= LEAST_TEACHERS


def _two(value: Decimal) -> Decimal:
    return value.quantize(TWO)
