"""Findings on pages: an evaluator's own with the form to file one, one with its answers (R65)."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from litestar import Response

from kernel.clock import shanghai_day
from kernel.errors import InvalidInput, MarketError
from kernel.http.pages import Form, Page
from kernel.http.typed import Typed
from kernel.i18n import label, msgid, translate, translate_error
from kernel.web.tables import Column, tabulate
from settlement.evaluation.admissions import own_admissions
from settlement.evaluation.evidence import evidence_totals
from settlement.evaluation.finding_views import FindingView, one_finding, own_findings
from settlement.evaluation.outside import (
    LONGEST_SOURCE,
    SUBJECTS,
    file_finding,
    may_reply,
    may_withdraw,
    reply_to_finding,
    withdraw_finding,
    wrong_fields,
)
from settlement.texts import words_of
from settlement.web.taken_files import FileTaken

OWN: Final = "/evaluator/findings"
FINDING: Final = "/reports/findings"
NOTHING: Final = msgid("You filed nothing yet. File a finding below, or send a file of them.")
SHOWN: Final = 300
"""Characters of a finding in a list; the whole is a click away."""
FIELD_OF: Final = {"vendor-interest": "key", "not-found": "key"}


def shorten(text: str) -> str:
    """Return the beginning of a long text, as lists show it."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


class FindingForm(Form, frozen=True):
    """A finding as it is written: about whom, what, where it comes from, of which day."""

    kind: str = ""
    key: str = ""
    finding: str = ""
    source: str = ""
    found_on: str = ""


class AnswerForm(Form, frozen=True):
    """The reason of a withdrawal, or the subject's reply; asked once more before it is kept."""

    text: str = ""
    confirmed: str = ""


def show_own_findings(
    page: Page,
    *,
    form: FindingForm | None = None,
    errors: Mapping[str, str] | None = None,
    taken: FileTaken | None = None,
) -> Response[Any]:
    """Show an evaluator where it is admitted, what is known there, and what it filed."""
    columns = _columns(page)
    table = tabulate(
        translate(msgid("Your findings"), page.locale),
        columns,
        own_findings(page.unit),
        view=page.view(columns, at=OWN),
        empty=NOTHING,
    )
    admitted = own_admissions(page.unit)
    today = shanghai_day(page.unit.clock.now())
    return page.render_table(
        "settlement/own_findings.html",
        table,
        file_name="findings",
        status=422 if errors or (taken and (taken.rejected or taken.error)) else 200,
        address=OWN,
        admitted=admitted,
        runs=any(one.ended_at is None for one in admitted),
        totals=evidence_totals(page.unit),
        kinds=[
            ("", ""),
            *((one, label(one, page.locale, kind="FindingSubject")) for one in SUBJECTS),
        ],
        form=form or FindingForm(found_on=today.isoformat()),
        errors=dict(errors or {}),
        taken=taken,
    )


def post_finding(page: Page, form: FindingForm) -> Response[Any]:
    """File a finding, or show the form again with all that is wrong."""
    typed = Typed(page.locale)
    typed.choice("kind", form.kind, SUBJECTS)
    typed.check("finding", lambda: words_of("finding", form.finding))
    typed.check("source", lambda: words_of("source", form.source, most=LONGEST_SOURCE))
    found_on = typed.day("found_on", form.found_on)
    others = wrong_fields(
        page.unit,
        form.kind,
        form.key.strip(),
        finding=form.finding,
        source=form.source,
        found_on=None if "found_on" in typed.errors else found_on,
    )
    told = {at: translate_error(error, page.locale) for at, error in others.items()}
    if told or typed.errors:
        return show_own_findings(page, form=form, errors=told | typed.errors)
    try:
        with page.unit.session.begin_nested():
            made = file_finding(
                page.unit,
                form.kind,
                form.key.strip(),
                finding=form.finding,
                source=form.source,
                found_on=found_on,
            )
    except MarketError as error:
        named = str(error.facts.get("field", "")) or error.code
        at = FIELD_OF.get(named, named if named in FindingForm.__struct_fields__ else "")
        return show_own_findings(page, form=form, errors={at: translate_error(error, page.locale)})
    return page.redirect(f"{FINDING}/{made}")


def show_finding(
    page: Page,
    finding_id: UUID,
    *,
    asked: AnswerForm | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response[Any]:
    """Show one finding to everybody; its evaluator may withdraw it, its subject reply."""
    found = one_finding(page.unit, finding_id)
    return page.render(
        "settlement/finding.html",
        status=422 if errors else 200,
        one=found,
        address=f"{FINDING}/{finding_id}",
        may_reply=not found.reply and may_reply(page.unit, finding_id),
        may_withdraw=found.withdrawn_at is None and may_withdraw(page.unit, finding_id),
        asked=asked,
        errors=dict(errors or {}),
    )


def post_reply(page: Page, finding_id: UUID, form: AnswerForm) -> Response[Any]:
    """Reply as the subject: asked once, since it stays as it is written."""
    return _answer(page, finding_id, form, act=reply_to_finding, says="reply")


def post_withdrawal(page: Page, finding_id: UUID, form: AnswerForm) -> Response[Any]:
    """Withdraw an own finding: asked once, since it can't be filed back."""
    return _answer(page, finding_id, form, act=withdraw_finding, says="because")


def _answer(
    page: Page, finding_id: UUID, form: AnswerForm, *, act: Any, says: str
) -> Response[Any]:
    if not form.text.strip():
        errors = {"text": translate(msgid("Fill this in."), page.locale)}
        return show_finding(page, finding_id, errors=errors)
    try:
        words_of("text", form.text)
    except InvalidInput as error:
        errors = {"text": translate_error(error, page.locale)}
        return show_finding(page, finding_id, errors=errors)
    if not form.confirmed:
        return show_finding(page, finding_id, asked=form)
    try:
        with page.unit.session.begin_nested():
            act(page.unit, finding_id, **{says: form.text})
    except MarketError as error:
        if error.status in {403, 404}:
            raise
        errors = {"": translate_error(error, page.locale)}
        return show_finding(page, finding_id, errors=errors)
    return page.redirect(f"{FINDING}/{finding_id}")


def _columns(page: Page) -> list[Column[FindingView]]:
    def href(row: FindingView) -> str:
        return f"{FINDING}/{row.id}"

    def about(row: FindingView) -> str:
        kind = label(row.subject_kind, page.locale, kind="FindingSubject")
        return f"{kind} · {row.subject_name}" if row.subject_name else kind

    return [
        Column(key="about", title=msgid("About"), value=about, href=href),
        Column(
            key="key",
            title=msgid("Code"),
            value=lambda row: row.subject_key,
            kind="code",
            secondary=True,
        ),
        Column(
            key="finding",
            title=msgid("Evaluator's finding"),
            value=lambda row: row.finding if page.export else shorten(row.finding),
        ),
        Column(
            key="found_on",
            title=msgid("Found on"),
            value=lambda row: row.found_on,
            kind="day",
            sortable=True,
        ),
        Column(
            key="state",
            title=msgid("State"),
            value=lambda row: row.state,
            kind="state",
            label_kind="finding-state",
        ),
    ]
