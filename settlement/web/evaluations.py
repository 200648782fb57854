"""Evaluations on pages that everybody may read: sharing schools, bureaus, the platform (R65)."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final
from urllib.parse import urlencode

from litestar import Response

from catalog.blind_audit import JUDGED_WITHIN_DAYS
from catalog.web.addresses import resource_address
from kernel.actors import OrganisationKind
from kernel.errors import InvalidInput, NotFound
from kernel.http.pages import Page
from kernel.i18n import msgid, translate, translate_error
from kernel.identity.organisations import organisation_by_code
from kernel.web.tables import Column, Table, View
from settlement.evaluation.bureaus import BureauService
from settlement.evaluation.evaluating import evaluation, school_works
from settlement.evaluation.finding_views import findings
from settlement.evaluation.platform import PlatformService
from settlement.evaluation.schools import Contribution, WorkRow
from settlement.evaluation.spans import Span, days_to_choose, is_visitor, read_span, spans_to_choose
from settlement.ranking.config import SHIPPED

EVALUATIONS: Final = "/reports/evaluations"
SCHOOLS, BUREAUS, PLATFORM = "schools", "bureaus", "platform"
PERCENT: Final = Decimal("0.1")


def show_evaluations(page: Page) -> Response[Any]:
    """Show all three evaluations of a span, by what is known now or was on a day."""
    query = page.request.query_params
    name, day, refused = _asked(page)
    found = evaluation(page.unit, name, as_of=day)
    span = found.span
    about = str(query.get("about", SCHOOLS))
    view = {"span": span.name, "as_of": day}
    tables: dict[str, Table[Any]] = {
        SCHOOLS: _schools(page, found.schools, shown=view),
        BUREAUS: _bureaus(page, found.bureaus, shown=view),
        PLATFORM: _platform(page, found.platform, shown=view),
    }
    return page.render_table(
        "settlement/evaluations.html",
        tables.get(about, tables[SCHOOLS]),
        file_name=f"evaluation-{about if about in tables else SCHOOLS}-{span.name}",
        tables=tables,
        span=span,
        spans=_choices(page, span),
        findings=findings(page.unit, known_before=span.as_of if day else None),
        known=span.known,
        day=day,
        days=days_to_choose(page.unit) if is_visitor(page.unit) else [],
        refused=refused,
        as_of=span.as_of,
        k=SHIPPED.k_satisfaction,
        admit_days=page.unit.settings.admit_days,
        audited_within=JUDGED_WITHIN_DAYS,
        due_days=page.unit.settings.due_days,
    )


def show_school(page: Page, code: str) -> Response[Any]:
    """Show what a school's contribution is made of, work by work."""
    school = organisation_by_code(page.unit, OrganisationKind.SCHOOL, code=code)
    query = page.request.query_params
    name, as_of = str(query.get("span", "")), str(query.get("as_of", ""))
    found = school_works(page.unit, name, school_code=code, as_of=as_of)
    span, rows = found.span, found.rows
    if not rows:
        raise NotFound(what="school", key=code)
    table = _works(page, rows, code=code, shown={"span": span.name, "as_of": as_of})
    return page.render_table(
        "settlement/evaluated_school.html",
        table,
        file_name=f"contribution-{code}-{span.name}",
        findings=findings(page.unit, about=(code,), known_before=span.as_of if as_of else None),
        school=school,
        span=span,
        known=span.known,
        back=f"{EVALUATIONS}?{urlencode({'span': span.name, 'as_of': as_of})}",
    )


def school_address(code: str, shown: Mapping[str, str]) -> str:
    query = urlencode({name: value for name, value in shown.items() if value})
    return f"{EVALUATIONS}/schools/{code}?{query}"


def _asked(page: Page) -> tuple[str, str, str]:
    """Return the span and the day that the address names; of what can't be shown, why not.

    A page says so and shows this year by today; a file would not say it, and is refused.
    """
    query = page.request.query_params
    name, day = str(query.get("span", "")), str(query.get("as_of", ""))
    try:
        read_span(page.unit, name, as_of=day)
    except InvalidInput as error:
        if page.export:
            raise
        return "", "", translate_error(error, page.locale)
    return name, day, ""


def _choices(page: Page, span: Span) -> list[str]:
    found = spans_to_choose(page.unit)
    return found if span.name in found else [span.name, *found]


def _table(
    caption: str, columns: Sequence[Column[Any]], rows: Sequence[Any], *, view: View, empty: str
) -> Table[Any]:
    return Table(
        caption=caption, columns=columns, rows=rows, view=view, count=len(rows), empty=empty
    )


def _view(about: str, shown: dict[str, str]) -> View:
    filters = {"about": about, **{name: value for name, value in shown.items() if value}}
    return View(path=EVALUATIONS, filters=filters, per_page=None)


def _schools(
    page: Page, rows: Sequence[Contribution], *, shown: dict[str, str]
) -> Table[Contribution]:
    def figure(key: str, title: str, help_: str, *, secondary: bool = False) -> Column[Any]:
        return Column(
            key=key,
            title=title,
            value=lambda row: getattr(row, key),
            kind="number",
            href=lambda row: school_address(row.code, shown),
            help=help_,
            secondary=secondary,
        )

    columns: list[Column[Contribution]] = [
        Column(key="place", title=msgid("Place"), value=lambda row: row.place, kind="number"),
        Column(
            key="name",
            title=msgid("School"),
            value=lambda row: row.name,
            href=lambda row: school_address(row.code, shown),
        ),
        Column(
            key="code",
            title=msgid("Code"),
            value=lambda row: row.code,
            kind="code",
            export_only=True,
        ),
        Column(key="region", title=msgid("Region"), value=lambda row: row.region, secondary=True),
        figure(
            "contribution",
            msgid("Contribution"),
            msgid("Taken up + works made from theirs, less what is beyond the cap"),
        ),
        figure(
            "taken_up", msgid("Taken up"), msgid("Works, each once for each other school using it")
        ),
        figure("derivatives", msgid("Built on"), msgid("Works of other schools made from theirs")),
        figure(
            "beyond",
            msgid("Beyond the cap"),
            msgid("Of what two schools do for each other no more than three count each way"),
            secondary=True,
        ),
        figure("schools", msgid("Other schools"), msgid("Other schools that used any of it")),
        figure("works", msgid("Works listed"), msgid("Works let in up to the end of the span")),
        figure("uses", msgid("Uses by others"), msgid("Settled uses; they order nothing")),
        Column(
            key="quality",
            title=msgid("Opinion"),
            value=lambda row: row.quality,
            kind="ratio",
            href=lambda row: school_address(row.code, shown),
            help=msgid("What teachers of other schools say of it, from 0 to 1"),
        ),
        figure("ratings", msgid("Ratings"), msgid("Teachers of other schools who rated")),
    ]
    return _table(
        translate(msgid("Sharing schools"), page.locale),
        columns,
        rows,
        view=_view(SCHOOLS, shown),
        empty=msgid("No school's teachers have a work that was let in yet."),
    )


def _bureaus(
    page: Page, rows: Sequence[BureauService], *, shown: dict[str, str]
) -> Table[BureauService]:
    def figure(key: str, title: str) -> Column[BureauService]:
        return Column(
            key=key,
            title=title,
            value=lambda row: getattr(row, key),
            kind="number",
        )

    columns: list[Column[BureauService]] = [
        Column(key="name", title=msgid("Bureau"), value=lambda row: row.name),
        Column(
            key="code",
            title=msgid("Code"),
            value=lambda row: row.code,
            kind="code",
            export_only=True,
        ),
        figure("decided", msgid("Admissions decided")),
        Column(
            key="median_days",
            title=msgid("Median days"),
            value=lambda row: row.median_days,
            kind="ratio",
        ),
        figure("in_time", msgid("Within the promised days")),
        Column(
            key="share",
            title=msgid("In time (percent)"),
            value=lambda row: _percent(row.in_time, row.decided),
            kind="ratio",
        ),
        figure("appeals", msgid("Appeals decided")),
        figure("upheld", msgid("Of these upheld against it")),
        figure("takedowns", msgid("Takedowns of what it let in")),
        figure("audits", msgid("Blind audits to judge by then")),
        figure("audits_in_time", msgid("Judged in time")),
        figure("disputes", msgid("Disputes to decide by then")),
        figure("disputes_in_time", msgid("Decided in time")),
        figure("statements", msgid("Statements due")),
        figure("overdue", msgid("Overdue")),
    ]
    return _table(
        translate(msgid("Bureaus"), page.locale),
        columns,
        rows,
        view=_view(BUREAUS, shown),
        empty=msgid("There is no bureau yet."),
    )


def _platform(
    page: Page, service: PlatformService, *, shown: dict[str, str]
) -> Table[tuple[str, Decimal | int | None, int | None, str]]:
    """Return the platform's measures as rows: what, how much, of how many, how it is reckoned."""
    rows: list[tuple[str, Decimal | int | None, int | None, str]] = [
        (
            msgid("Median days from statement to payout"),
            service.median_days,
            service.payouts,
            msgid("payouts that arrived; each from its last statement's day"),
        ),
        (
            msgid("Reconciliation differences"),
            service.differences,
            None,
            msgid("between our books and the gateway's, each once"),
        ),
        (
            msgid("Use in quarantine"),
            service.quarantined,
            service.received,
            msgid("rows of use that came in for these months"),
        ),
        (
            msgid("Disputes upheld against the platform's own acts"),
            service.upheld,
            service.disputes,
            msgid("disputes decided about whose use was counted and when"),
        ),
    ]
    columns: list[Column[tuple[str, Decimal | int | None, int | None, str]]] = [
        Column(
            key="measure",
            title=msgid("Measure"),
            value=lambda row: translate(row[0], page.locale),
        ),
        Column(
            key="figure",
            title=msgid("Figure"),
            value=lambda row: row[1],
            kind="ratio",
        ),
        Column(
            key="of",
            title=msgid("Out of"),
            value=lambda row: row[2],
            kind="number",
        ),
        Column(
            key="what", title=msgid("It rests on"), value=lambda row: translate(row[3], page.locale)
        ),
    ]
    return _table(
        translate(msgid("The platform"), page.locale),
        columns,
        rows,
        view=_view(PLATFORM, shown),
        empty="",
    )


def _works(
    page: Page, rows: Sequence[WorkRow], *, code: str, shown: dict[str, str]
) -> Table[WorkRow]:
    def figure(key: str, title: str) -> Column[WorkRow]:
        return Column(key=key, title=title, value=lambda row: getattr(row, key), kind="number")

    columns: list[Column[WorkRow]] = [
        Column(
            key="title",
            title=msgid("Work"),
            value=lambda row: row.title,
            href=lambda row: resource_address(row.vendor_code, row.sku),
        ),
        Column(key="vendor", title=msgid("Offered by"), value=lambda row: row.vendor_name),
        Column(
            key="listed",
            title=msgid("Let in on"),
            value=lambda row: row.listed_at,
            kind="moment",
            secondary=True,
        ),
        figure("schools", msgid("Other schools")),
        figure("derivatives", msgid("Built on")),
        figure("uses", msgid("Uses by others")),
        figure("ratings", msgid("Ratings")),
        Column(key="stars", title=msgid("Mean stars"), value=lambda row: row.stars, kind="ratio"),
    ]
    totals = {
        name: sum(getattr(row, name) for row in rows)
        for name in ("schools", "derivatives", "uses", "ratings")
    }
    return Table(
        caption=translate(msgid("Works"), page.locale),
        columns=columns,
        rows=rows,
        view=View(
            path=f"{EVALUATIONS}/schools/{code}",
            filters={name: value for name, value in shown.items() if value},
            per_page=None,
        ),
        count=len(rows),
        totals=totals,
    )


def _percent(part: int, whole: int) -> Decimal | None:
    if not whole:
        return None
    return (100 * Decimal(part) / whole).quantize(PERCENT, rounding=ROUND_HALF_EVEN)
