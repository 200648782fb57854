"""What scores follow from, on pages: a run's estimates, and one score school by school (R45)."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Final
from urllib.parse import urlencode

from litestar import Response

from kernel.clock import show_month
from kernel.http.pages import Page
from kernel.i18n import msgid, translate
from kernel.web.tables import Cell, Column, Table, View
from settlement.queries.ranking_evidence import SchoolPart, ScoreEvidence, evidence_of
from settlement.ranking.evidence_queries import KINDS, VENDOR
from settlement.ranking.inputs import SchoolEvidence
from settlement.ranking.models import ScoreRun
from settlement.ranking.priors import CellPrior
from settlement.ranking.runs import priors_of
from settlement.web.rankings import (
    METHOD,
    RANKINGS,
    cell_words,
    run_asked_for,
    tenth,
    why_address,
)

PRIORS: Final = f"{RANKINGS}/priors"
EVIDENCE: Final = f"{RANKINGS}/evidence"
EVERY_CELL: Final = msgid("all cells together")
FEW: Final = msgid("%(schools)s schools of few teachers, together")


def priors_address(run: ScoreRun, *, kind: str, number: str = "") -> str:
    """Return the address of a run's estimates; `number` names a run, else that which holds."""
    query = {"kind": kind, "month": show_month(run.month)} | ({"run": number} if number else {})
    return f"{PRIORS}?{urlencode(query)}"


def show_priors(page: Page) -> Response[Any]:
    """Show the means of each cell, k and φ, as a run estimated them of all evidence."""
    run, number = run_asked_for(page)
    kind = str(page.request.query_params.get("kind", ""))
    kind = kind if kind in KINDS else VENDOR
    found = priors_of(run, kind)
    columns: list[Column[CellPrior]] = [
        Column(
            key="cell",
            title=msgid("Stage, subject and type"),
            value=lambda one: _cell(page, one.cell),
        ),
        Column(key="code", title=msgid("Code"), value=lambda one: one.cell, export_only=True),
        _mean("satisfaction", msgid("μ, satisfaction")),
        _mean("renewal", msgid("μᵣ, renewal")),
        _mean("defects", msgid("λ, severity per school-month")),
        _mean("audit", msgid("μₐ, audits passed")),
    ]
    asked = {"kind": kind, "month": show_month(run.month)} | ({"run": number} if number else {})
    rows = [found.everywhere, *found.cells]
    table = Table(
        caption=translate(msgid("Means of each cell"), page.locale),
        columns=columns,
        rows=rows,
        view=View(path=PRIORS, filters=asked, per_page=None),
        count=len(rows),
    )
    lenient = [value for _, value in found.leniency]
    return page.render_table(
        "settlement/ranking_priors.html",
        table,
        file_name=f"ranking-priors-{show_month(run.month)}-{kind}",
        run=run,
        kind=kind,
        kinds=[(one, priors_address(run, kind=one, number=number)) for one in KINDS],
        priors=found,
        lenient=len(lenient),
        least=min(lenient, default=0),
        most=max(lenient, default=0),
        rankings=RANKINGS,
        method=METHOD,
    )


def show_evidence(page: Page) -> Response[Any]:
    """Show what one score is made of to who audits it, or to its vendor."""
    query = page.request.query_params
    run, number = run_asked_for(page)
    found = evidence_of(
        page.unit, run, key=str(query.get("key", "")), cell=str(query.get("cell", ""))
    )
    row = found.found.row
    asked = {"key": row.key, "cell": row.cell, "month": show_month(run.month)}
    table = Table(
        caption=translate(msgid("School by school"), page.locale),
        columns=_columns(page, found),
        rows=found.schools,
        view=View(
            path=EVIDENCE, filters=asked | ({"run": number} if number else {}), per_page=None
        ),
        count=len(found.schools),
        empty=msgid("Too few teachers rated it to tell what their schools say."),
    )
    return page.render_table(
        "settlement/ranking_evidence.html",
        table,
        file_name=f"ranking-evidence-{show_month(run.month)}",
        found=found,
        row=row,
        run=run,
        score=found.found.apart.score,
        steps=_steps(found),
        why=why_address(row, run, number=number),
        priors=priors_address(run, kind=row.kind, number=number),
        cell=cell_words(row.cell, page.locale),
        rankings=RANKINGS,
        method=METHOD,
        tenth=tenth,
    )


def _steps(found: ScoreEvidence) -> Sequence[Mapping[str, Any]]:
    """Return by component: the cell's mean and for how much it counts, the sums, what follows."""
    config, sums, means = found.found.config, found.sums, found.cell
    score = found.found.apart.score
    told = {
        "satisfaction": (means.satisfaction, found.k, (("Σw", sums.weight), ("Σwx", sums.said))),
        "renewal": (
            means.renewal,
            config.k_renewal,
            (("n", sums.decided), ("Σr", sums.renewed)),
        ),
        "defects": (means.defects, config.k_defects, (("D", sums.severity), ("E", sums.months))),
        "audit": (
            means.audit,
            config.k_audit,
            (("n", sums.audits), ("n₊", sums.passed)),
        ),
    }
    return [
        {
            "name": name,
            "mean": mean,
            "counts_for": k,
            "sums": given,
            "component": getattr(score, name),
            "weight": getattr(config.weights, name),
        }
        for name, (mean, k, given) in told.items()
    ]


def _columns(page: Page, found: ScoreEvidence) -> list[Column[SchoolPart]]:
    yes, no = (translate(one, page.locale) for one in (msgid("yes"), msgid("no")))
    opinion: list[Column[SchoolPart]] = [
        Column(
            key="opinion",
            title=msgid("Opinion of teachers"),
            value=lambda one: one.opinion,
            kind="ratio",
        ),
        Column(key="weight", title=msgid("Weight"), value=lambda one: one.weight, kind="ratio"),
        Column(
            key="capped",
            title=msgid("Capped"),
            value=lambda one: yes if one.is_capped else no,
        ),
        Column(
            key="moves",
            title=msgid("Moves the score by"),
            value=lambda one: one.moves,
            kind="ratio",
        ),
    ]
    school: Column[SchoolPart] = Column(
        key="school",
        title=msgid("School"),
        value=lambda one: one.name or translate(FEW, page.locale) % {"schools": one.schools},
    )
    if found.is_for_vendor:
        return [school, *opinion]
    return [
        school,
        _fact("raters", msgid("Teachers who rated")),
        _fact("rating_points", msgid("Stars less one each, in all")),
        _fact("rating_age_days", msgid("Days since the latest rating")),
        Column(
            key="leniency", title=msgid("Leniency"), value=lambda one: one.leniency, kind="ratio"
        ),
        *opinion[:3],
        _fact("renewed", msgid("Terms renewed")),
        _fact("ended", msgid("Terms ended")),
        _fact("defects", msgid("Severity of disputes")),
        _fact("months", msgid("Months of use")),
        opinion[3],
        Column(
            key="rural",
            title=msgid("Rural"),
            value=lambda one: yes if one.evidence and one.evidence.rural else no,
            export_only=True,
        ),
        _fact("uses", msgid("Uses"), export_only=True),
    ]


def _fact(name: str, title: str, *, export_only: bool = False) -> Column[SchoolPart]:
    def value(one: SchoolPart) -> Cell:
        evidence: SchoolEvidence | None = one.evidence
        return None if evidence is None else int(getattr(evidence, name))

    return Column(key=name, title=title, value=value, kind="number", export_only=export_only)


def _mean(name: str, title: str) -> Column[CellPrior]:
    return Column(key=name, title=title, value=attrgetter(name), kind="ratio")


def _cell(page: Page, cell: str) -> str:
    return translate(EVERY_CELL, page.locale) if cell == "*" else cell_words(cell, page.locale)
