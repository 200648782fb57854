"""A bureau's desk of third-party evaluators: who is let in where, and the end of it (R65)."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from litestar import Response

from kernel.errors import InvalidInput, MarketError
from kernel.http.pages import Form, Page
from kernel.i18n import msgid, translate, translate_error
from kernel.identity.models import Region
from kernel.identity.visibility import visible_regions
from kernel.web.tables import Column, tabulate
from settlement.evaluation.admissions import (
    AdmissionView,
    admissions,
    admit_evaluator,
    end_admission,
    one_admission,
)
from settlement.evaluation.finding_views import findings_under
from settlement.texts import words_of
from settlement.web.places import Crumb

TITLE: Final = msgid("Third-party evaluators")
NOBODY: Final = msgid("No third party was let in yet. Let one in below, once it is recorded.")
FIELD_OF: Final = {"evaluator": "code", "region": "region"}
REGIONS_SHOWN: Final = 500


class EvaluatorForm(Form, frozen=True):
    """Whom to let in, for which region, and what it declares of its interests."""

    code: str = ""
    region: str = ""
    interest: str = ""


class EndForm(Form, frozen=True):
    """Why an admission ends; asked once more before it does."""

    because: str = ""
    confirmed: str = ""


def show_evaluators(
    page: Page,
    *,
    root: tuple[Crumb, ...],
    address: str,
    form: EvaluatorForm | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response[Any]:
    """List the admissions in the bureau's regions, with the form that lets another in."""
    columns = _columns(address)
    table = tabulate(
        translate(TITLE, page.locale),
        columns,
        admissions(page.unit),
        view=page.view(columns),
        empty=NOBODY,
    )
    regions = page.unit.session.execute(
        visible_regions(page.unit)
        .with_only_columns(Region.code, Region.name)
        .order_by(Region.code)
        .limit(REGIONS_SHOWN)
    ).all()
    return page.render_table(
        "settlement/evaluators.html",
        table,
        file_name="evaluators",
        status=422 if errors else 200,
        root=root,
        address=address,
        regions=[("", ""), *((code, f"{name} {code}") for code, name in regions)],
        form=form or EvaluatorForm(),
        errors=dict(errors or {}),
    )


def post_evaluator(
    page: Page, form: EvaluatorForm, *, root: tuple[Crumb, ...], address: str
) -> Response[Any]:
    """Let an evaluator in, or show the form again with what is wrong."""
    try:
        with page.unit.session.begin_nested():
            made = admit_evaluator(
                page.unit, form.code.strip(), region_code=form.region, interest=form.interest
            )
    except MarketError as error:
        if error.status == 403:
            raise
        at = str(error.facts.get("field", "")) or FIELD_OF.get(str(error.facts.get("what", "")), "")
        errors = {at: translate_error(error, page.locale)}
        return show_evaluators(page, root=root, address=address, form=form, errors=errors)
    return page.redirect(f"{address}/{made}")


def show_admission(
    page: Page,
    admission_id: UUID,
    *,
    root: tuple[Crumb, ...],
    address: str,
    asked: EndForm | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response[Any]:
    """Show one admission with what was found under it, and the form that ends it."""
    found = one_admission(page.unit, admission_id)
    return page.render(
        "settlement/evaluator.html",
        status=422 if errors else 200,
        root=(*root, (translate(TITLE, page.locale), address)),
        address=f"{address}/{admission_id}",
        one=found,
        findings=findings_under(page.unit, admission_id),
        asked=asked,
        errors=dict(errors or {}),
    )


def post_end(
    page: Page, admission_id: UUID, form: EndForm, *, root: tuple[Crumb, ...], address: str
) -> Response[Any]:
    """Ask once, naming what it does; then end the admission."""
    if not form.because.strip():
        errors = {"because": translate(msgid("Fill this in."), page.locale)}
        return show_admission(page, admission_id, root=root, address=address, errors=errors)
    try:
        words_of("because", form.because)
    except InvalidInput as error:
        errors = {"because": translate_error(error, page.locale)}
        return show_admission(page, admission_id, root=root, address=address, errors=errors)
    if not form.confirmed:
        return show_admission(page, admission_id, root=root, address=address, asked=form)
    try:
        with page.unit.session.begin_nested():
            end_admission(page.unit, admission_id, because=form.because)
    except MarketError as error:
        if error.status in {403, 404}:
            raise
        errors = {"": translate_error(error, page.locale)}
        return show_admission(page, admission_id, root=root, address=address, errors=errors)
    return page.redirect(f"{address}/{admission_id}")


def _columns(address: str) -> list[Column[AdmissionView]]:
    def href(row: AdmissionView) -> str:
        return f"{address}/{row.id}"

    return [
        Column(
            key="name",
            title=msgid("Evaluator"),
            value=lambda row: row.name,
            href=href,
            sortable=True,
        ),
        Column(key="code", title=msgid("Code"), value=lambda row: row.code, kind="code"),
        Column(key="region", title=msgid("Region"), value=lambda row: row.region, sortable=True),
        Column(
            key="state",
            title=msgid("State"),
            value=lambda row: row.state,
            kind="state",
            label_kind="evaluator-admission",
        ),
        Column(
            key="admitted_at",
            title=msgid("Let in on"),
            value=lambda row: row.admitted_at,
            kind="moment",
            secondary=True,
        ),
        Column(
            key="bureau", title=msgid("Let in by"), value=lambda row: row.bureau, secondary=True
        ),
        Column(
            key="findings",
            title=msgid("Findings"),
            value=lambda row: row.findings,
            kind="number",
            href=href,
        ),
    ]
