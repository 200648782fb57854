"""Rankings on pages that everybody may read: a cell, why somebody stands there, and the rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from typing import Any, Final
from urllib.parse import quote, urlencode
from uuid import UUID

from litestar import Response

from catalog.places import exposures
from catalog.web.addresses import resource_address, vendor_address
from catalog.web.words import word_of
from kernel.actors import OrganisationKind, Role
from kernel.clock import Month, month_of, parse_month, shanghai_day, show_month
from kernel.errors import MarketError, NotFound
from kernel.http.pages import Page
from kernel.i18n import label, msgid, translate
from kernel.web.tables import Column, Table, View
from settlement.evaluation.finding_views import findings
from settlement.queries.closed import CONSEQUENCES
from settlement.queries.ranking_evidence import may_read
from settlement.queries.ranking_reasons import reasons_of
from settlement.queries.ranking_runs import named_run, runs_of, upheld_of
from settlement.queries.rankings import RankRow, Why, cells_of, ranking_of, why
from settlement.ranking.dimensions import adding_up
from settlement.ranking.evidence_queries import KINDS, VENDOR
from settlement.ranking.models import ScoreRun
from settlement.ranking.rules import SHIPPED
from settlement.ranking.runs import last_run, rules_of, runs_that_hold
from settlement.ranking.standing_states import VendorStanding
from settlement.web.ranking_numbers import numbers_of

RANKINGS: Final = "/rankings"
METHOD: Final = f"{RANKINGS}/method"
ANY_WORD: Final = {
    "stage": msgid("any stage"),
    "subject": msgid("any subject"),
    "type": msgid("any type"),
}
BETWEEN: Final = " · "
READ_EVIDENCE: Final = (Role.VENDOR_MANAGER, Role.ADMISSION, Role.AUDITOR)
"""Who may read what a score is made of, school by school."""
NEWCOMER: Final = VendorStanding.NEWCOMER.value
TENTH: Final = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Interval:
    """A score with its doubt along a line of 100, in percent of its width, without floats."""

    left: str
    width: str
    at: str


def show_rankings(page: Page) -> Response[Any]:
    """Show a cell's ranking: of vendors or resources, of a month that was ranked.

    What is asked for and is not there is named, above what is shown in its place.
    """
    query = page.request.query_params
    runs = runs_that_hold(page.unit)
    if not runs:
        return page.render("settlement/rankings.html", runs=(), method=METHOD)
    kind = str(query.get("kind", "")) or VENDOR
    month = str(query.get("month", "")) or show_month(runs[0].month)
    absent = [] if kind in KINDS else [kind]
    kind = kind if kind in KINDS else VENDOR
    run = next((one for one in runs if show_month(one.month) == month), None)
    if run is None:
        absent.append(month)
        run = runs[0]
    number = str(query.get("run", "")) if not absent else ""
    of_month = runs_of(page.unit, run.month)
    if number:
        run = named_run(page.unit, Month(run.month), number=number)
    cells = cells_of(page.unit, run, kind=kind)
    names = [one.cell for one in cells]
    cell = str(query.get("cell", "")) or (names[0] if names else "")
    if cell and cell not in names:
        absent.append(cell_words(cell, page.locale))
        cell = names[0] if names else ""
    if absent and page.export:
        raise NotFound(what="ranking", key=absent[0])
    rows = ranking_of(page.unit, run, kind=kind, cell=cell) if cell else []
    shown: Mapping[UUID, int] = {}
    if kind != VENDOR:
        shown = exposures(page.unit, since=month_of(shanghai_day(page.unit.clock.now())))
    table = _table(page, rows, cell=cell, kind=kind, run=run, number=number, shown=shown)
    return page.render_table(
        "settlement/rankings.html",
        table,
        file_name=f"ranking-{show_month(run.month)}",
        runs=runs,
        run=run,
        of_month=of_month,
        of_run=lambda one: ranking_address(one, kind=kind, cell=cell, number=str(one.number)),
        absent=absent,
        kind=kind,
        kinds=KINDS,
        cell=cell,
        cells=[(one.cell, cell_words(one.cell, page.locale), one) for one in cells],
        ranked=[row for row in rows if not row.is_newcomer],
        newcomers=[row for row in rows if row.is_newcomer],
        href=lambda row: why_address(row, run, number=number),
        interval=interval_of,
        tenth=tenth,
        method=METHOD,
        config=rules_of(page.unit, run).ranking,
        shown=shown,
    )


def show_why(page: Page, key: str) -> Response[Any]:
    """Show why a vendor or a resource stands where it stands."""
    query = page.request.query_params
    run, number = run_asked_for(page)
    found = why(page.unit, run, key=key, cell=str(query.get("cell", "")))
    row = found.row
    reasons = None if row.is_newcomer else reasons_of(page.unit, run, found)
    return page.render(
        "settlement/ranking_why.html",
        why=found,
        points=points_of(found),
        asked=_asked(row, run, number),
        reads_evidence=_reads_evidence(page, row),
        findings=findings(page.unit, about=(row.key,)),
        reasons=reasons,
        consequences=CONSEQUENCES,
        href=lambda one: why_address(one, run, number=number),
        row=row,
        run=run,
        of_month=runs_of(page.unit, run.month),
        of_run=lambda one: why_address(row, one, number=str(one.number)),
        upheld=upheld_of(
            page.unit, run, vendor=row.vendor_code, cell=row.cell, evidence=found.evidence
        ),
        cell=cell_words(row.cell, page.locale),
        ranking=ranking_address(run, kind=row.kind, cell=row.cell, number=number),
        shop=resource_address(row.vendor_code, row.sku)
        if row.sku
        else vendor_address(row.vendor_code),
        interval=interval_of(row),
        tenth=tenth,
        tenth_up=tenth_up,
        method=METHOD,
    )


def _asked(row: RankRow, run: ScoreRun, number: str) -> str:
    """Return how an address asks for a row of a run."""
    asked = {"key": row.key, "cell": row.cell, "kind": row.kind, "month": show_month(run.month)}
    return urlencode(asked | _named(number))


def _reads_evidence(page: Page, row: RankRow) -> bool:
    """Whether the reader is shown the way to what a score is made of, school by school."""
    is_vendor = page.actor.organisation_kind is OrganisationKind.VENDOR
    if not any(page.actor.may(role) for role in READ_EVIDENCE) or (is_vendor and row.is_newcomer):
        return False
    return may_read(page.unit, vendor=row.vendor_code, cell=row.cell)


def points_of(found: Why) -> dict[str, Decimal]:
    """Return the points of each component in tenths that add up to the score as it is shown."""
    points = adding_up(
        [one.points for one in found.contributions], tenth(found.row.score), unit=TENTH
    )
    return {one.name: own for one, own in zip(found.contributions, points, strict=True)}


def show_method(page: Page) -> Response[Any]:
    """Show how scores are made: the formula, and every number of the published configuration."""
    run = last_run(page.unit)
    rules = rules_of(page.unit, run) if run is not None else SHIPPED
    return page.render(
        "settlement/ranking_method.html",
        rules=rules,
        config=rules.ranking,
        numbers=numbers_of(rules, page.locale),
        digest=rules.digest().hex(),
        run=run,
        rankings=RANKINGS,
    )


def ranking_address(run: ScoreRun, *, kind: str, cell: str, number: str = "") -> str:
    query = {"cell": cell, "kind": kind, "month": show_month(run.month)}
    return f"{RANKINGS}?{urlencode(query | _named(number))}"


def why_address(row: RankRow, run: ScoreRun, *, number: str = "") -> str:
    """Return the address of why a row stands there; `number` names a run, else the one that holds
    of its month."""
    query = urlencode({"cell": row.cell, "month": show_month(run.month)} | _named(number))
    article = f"resources/{row.vendor_code}/{quote(row.sku)}"
    place = article if row.sku else f"vendors/{row.vendor_code}"
    return f"{RANKINGS}/{place}?{query}"


def _named(number: str) -> dict[str, str]:
    return {"run": number} if number else {}


def cell_words(cell: str, locale: str) -> str:
    """Return how a cell reads: 小学 · 语文 · 视频."""
    names = ("stage", "subject", "type")
    words = zip(names, cell.split("/", 2), strict=False)
    return BETWEEN.join(
        word_of(name, word, locale) if word else translate(ANY_WORD[name], locale)
        for name, word in words
    )


def interval_of(row: RankRow) -> Interval:
    """Return where a row's score and its doubt lie along a line of 100."""
    return line_of(row.score, row.sd)


def line_of(score: Decimal, sd: Decimal) -> Interval:
    """Return where a score and its doubt lie along a line of 100."""
    least = max(score - sd, Decimal(0))
    most = min(score + sd, Decimal(100))
    return Interval(
        left=f"{tenth(least)}%",
        width=f"{tenth(max(most - least, TENTH))}%",
        at=f"{tenth(score)}%",
    )


def tenth(value: Decimal) -> Decimal:
    return value.quantize(TENTH, rounding=ROUND_HALF_EVEN)


def tenth_up(value: Decimal) -> Decimal:
    """Return a bound, or what is missing, in tenths: never less than it is."""
    return value.quantize(TENTH, rounding=ROUND_CEILING)


def run_asked_for(page: Page) -> tuple[ScoreRun, str]:
    """Return the run that an address asks for, and its number if it names one, else the one that
    holds and nothing. Raises `NotFound`."""
    query = page.request.query_params
    month, number = str(query.get("month", "")), str(query.get("run", ""))
    if not month:
        return named_run(page.unit, None, number=number), number
    try:
        return named_run(page.unit, Month(parse_month(month)), number=number), number
    except MarketError as error:
        raise NotFound(what="ranking", key=month) from error


def _part(name: str, schools: str, score: str) -> list[Column[RankRow]]:
    """Return the columns of the score by urban or by rural schools alone, with their number."""
    return [
        Column(key=name, title=schools, value=lambda row: row.part(name).schools, kind="number"),
        Column(
            key=f"{name}_score", title=score, value=lambda row: row.part(name).score, kind="ratio"
        ),
    ]


def _table(
    page: Page,
    rows: Sequence[RankRow],
    *,
    cell: str,
    kind: str,
    run: ScoreRun,
    number: str,
    shown: Mapping[UUID, int],
) -> Table[RankRow]:
    """Return the ranking as its exports have it: all that the page has, to four places."""
    columns: list[Column[RankRow]] = [
        Column(key="place", title=msgid("Place"), value=lambda row: row.place, kind="number"),
        Column(key="name", title=msgid("Name"), value=lambda row: row.name),
        Column(key="vendor", title=msgid("Vendor"), value=lambda row: row.vendor_name),
        Column(key="code", title=msgid("Code"), value=lambda row: row.key, kind="code"),
        Column(key="band", title=msgid("Band"), value=lambda row: row.band),
        Column(
            key="score",
            title=msgid("Score"),
            value=lambda row: None if row.is_newcomer else row.score,
            kind="ratio",
        ),
        Column(
            key="sd",
            title=msgid("Standard deviation"),
            value=lambda row: None if row.is_newcomer else row.sd,
            kind="ratio",
        ),
        Column(
            key="low", title=msgid("Best place"), value=lambda row: row.place_low, kind="number"
        ),
        Column(
            key="high", title=msgid("Worst place"), value=lambda row: row.place_high, kind="number"
        ),
        Column(key="schools", title=msgid("Schools"), value=lambda row: row.schools, kind="number"),
        *_part("urban", msgid("Urban schools"), msgid("Score by urban schools alone")),
        *_part("rural", msgid("Rural schools"), msgid("Score by rural schools alone")),
        Column(
            key="state",
            title=msgid("Standing"),
            value=lambda row: NEWCOMER if row.is_newcomer else row.state or None,
            kind="state",
            label_kind="VendorStanding",
        ),
    ]
    if kind != VENDOR:
        columns.append(
            Column(
                key="shown",
                title=msgid("Shown on a kept place this month"),
                value=lambda row: shown.get(row.subject_id, 0) if row.is_newcomer else None,
                kind="number",
            )
        )
    filters = {"cell": cell, "kind": kind, "month": show_month(run.month)} | _named(number)
    view = View(path=RANKINGS, filters=filters, per_page=None)
    caption = f"{label(kind, page.locale, kind='RankedKind')}{BETWEEN}" + cell_words(
        cell, page.locale
    )
    return Table(caption=caption, columns=columns, rows=rows, view=view, count=len(rows))
