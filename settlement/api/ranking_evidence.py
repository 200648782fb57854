"""`/api/v1/rankings/priors` and `…/evidence`: all that a score's digits follow from (R45).

A run's estimates are for everybody; what one score is made of is for who audits it and for the
vendor that it is about.
"""

from decimal import Decimal
from typing import Any, Final

import msgspec
from litestar import get
from litestar.params import FromQuery

from kernel.actors import Role
from kernel.clock import parse_month, show_month
from kernel.errors import InvalidInput
from kernel.http.callers import Callers
from kernel.http.pages import PUBLIC, only
from kernel.http.problems import AnyRequest
from settlement.queries.ranking_evidence import SchoolPart, evidence_of
from settlement.queries.ranking_runs import named_run
from settlement.ranking.evidence_queries import KINDS, VENDOR
from settlement.ranking.priors import CellPrior
from settlement.ranking.runs import priors_of

READERS: Final = only(Role.VENDOR_MANAGER, Role.ADMISSION, Role.AUDITOR)
NOT_SCORED: Final = ("school", "best", "worst")


class MeansAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """μ, μᵣ, λ꜀ and μₐ of a cell; `cell` is `*` for those of all, which a cell without has."""

    cell: str
    satisfaction: Decimal
    renewal: Decimal
    defects: Decimal
    audit: Decimal


class PriorsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a run estimated from all evidence. `lenient_schools`: how many schools have a leniency,
    between `leniency_least` and `leniency_most`; of which is told with a score to who audits it.
    """

    month: str
    number: int
    digest: str
    config: str
    kind: str
    k: Decimal
    phi: Decimal
    everywhere: MeansAnswer
    cells: list[MeansAnswer]
    lenient_schools: int
    leniency_least: Decimal
    leniency_most: Decimal


class SumsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Σw and Σwx under the cap, Σr of n schools, D in E months, audits; exact."""

    weight: Decimal
    said: Decimal
    renewed: Decimal
    decided: int
    severity: int
    months: int
    passed: int
    audits: int


class SchoolPartAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a school brings; `schools` of few teachers are told together, without a name.

    `moves_by`: the score less what it is without it. To a vendor by a letter, in two places, and by
    its opinion alone; `leniency` and `evidence` are null to it.
    """

    school: str
    schools: int
    opinion: Decimal | None
    weight: Decimal
    capped: bool
    moves_by: Decimal
    leniency: Decimal | None
    evidence: dict[str, Any] | None


class EvidenceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One score with all that it follows from: `sums`, the run's estimates, and `numbers`, the
    published configuration of the score. `components`: mean and variance of each.
    """

    month: str
    number: int
    config: str
    key: str
    cell: str
    k: Decimal
    phi: Decimal
    means: MeansAnswer
    numbers: dict[str, Any]
    sums: SumsAnswer
    components: dict[str, dict[str, Decimal]]
    score: Decimal
    sd: Decimal
    p_bad: Decimal
    schools: list[SchoolPartAnswer]
    set_aside: list[dict[str, Any]]
    inputs_digest: str


@get(
    "/rankings/priors",
    opt=PUBLIC,
    sync_to_thread=True,
    operation_id="getRankingPriors",
    summary="What a run estimated",
)
def get_priors(
    request: AnyRequest,
    callers: Callers,
    *,
    kind: FromQuery[str] = VENDOR,
    month: FromQuery[str] = "",
    run: FromQuery[str] = "",
) -> PriorsAnswer:
    """Answer the means of each cell, k and φ, as a run estimated them."""
    with callers.open(request) as unit:
        if kind not in KINDS:
            raise InvalidInput(field="kind", value=kind, expected="vendor | resource")
        by = named_run(unit, parse_month(month) if month else None, number=run)
        found = priors_of(by, kind)
        lenient = [value for _, value in found.leniency] or [Decimal(0)]
        return PriorsAnswer(
            month=show_month(by.month),
            number=by.number,
            digest=by.digest.hex(),
            config=by.config_version,
            kind=kind,
            k=found.k,
            phi=found.phi,
            everywhere=_means(found.everywhere),
            cells=[_means(one) for one in found.cells],
            lenient_schools=len(found.leniency),
            leniency_least=min(lenient),
            leniency_most=max(lenient),
        )


@get(
    "/rankings/evidence",
    opt=READERS,
    sync_to_thread=True,
    operation_id="getScoreEvidence",
    summary="What a score is made of",
)
def get_evidence(
    request: AnyRequest,
    callers: Callers,
    *,
    key: FromQuery[str] = "",
    cell: FromQuery[str] = "",
    month: FromQuery[str] = "",
    run: FromQuery[str] = "",
) -> EvidenceAnswer:
    """Answer what a vendor's (`code`) or a resource's (`vendor/sku`) score is made of.

    By it and `docs/ranking.md` each digit can be had again. For the vendor itself, and for auditors
    and reviewers who see its standing.
    """
    with callers.open(request) as unit:
        by = named_run(unit, parse_month(month) if month else None, number=run)
        found = evidence_of(unit, by, key=key, cell=cell)
        row, told = found.found.row, found.found.apart.score
        parts = row.result["parts"]
        return EvidenceAnswer(
            month=show_month(by.month),
            number=by.number,
            config=by.config_version,
            key=row.key,
            cell=row.cell,
            k=found.k,
            phi=found.phi,
            means=_means(found.cell),
            numbers=msgspec.to_builtins(found.found.config, str_keys=True),
            sums=SumsAnswer(
                **{name: getattr(found.sums, name) for name in SumsAnswer.__struct_fields__}
            ),
            components={
                name: {"mean": Decimal(one["mean"]), "variance": Decimal(one["variance"])}
                for name, one in parts.items()
            },
            score=row.score,
            sd=row.sd,
            p_bad=told.p_bad,
            schools=[_part(one) for one in found.schools],
            set_aside=[
                {"school": one.name, "why": one.why, "effect": one.effect}
                for one in found.set_aside
            ],
            inputs_digest=row.digest,
        )


HANDLERS: Final = (get_priors, get_evidence)


def _means(one: CellPrior) -> MeansAnswer:
    return MeansAnswer(**{name: getattr(one, name) for name in MeansAnswer.__struct_fields__})


def _part(one: SchoolPart) -> SchoolPartAnswer:
    evidence = None
    if one.evidence is not None:
        told = msgspec.to_builtins(one.evidence)
        evidence = {name: value for name, value in told.items() if name not in NOT_SCORED}
    return SchoolPartAnswer(
        school=one.name,
        schools=one.schools,
        opinion=one.opinion,
        weight=one.weight,
        capped=one.is_capped,
        moves_by=one.moves,
        leniency=one.leniency,
        evidence=evidence,
    )
