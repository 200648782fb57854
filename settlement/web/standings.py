"""Standings on pages: a vendor's own with its appeals, and the bureau's desk with its acts."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from litestar import Response
from sqlalchemy import select

from kernel.actors import Role
from kernel.clock import Month, parse_month, shanghai_day
from kernel.errors import MarketError, NotFound
from kernel.http.pages import Form, Page
from kernel.i18n import label, msgid, translate, translate_error
from kernel.web.tables import Column, Filter, tabulate
from settlement.evaluation.finding_views import findings_about_us
from settlement.models import STATED, Period
from settlement.queries.rankings import RankRow, places_of_vendor
from settlement.queries.standings import StandingRow, StandingView, standing_rows, standing_view
from settlement.ranking.due_process import issue_notice, let_exit, suspend
from settlement.ranking.models import ScoreRun
from settlement.ranking.ranking import rank
from settlement.ranking.rules import SHIPPED
from settlement.ranking.runs import last_run
from settlement.ranking.standing_states import Because, VendorStanding
from settlement.ranking.trial import Trial, judged_today
from settlement.web.places import Crumb
from settlement.web.rankings import (
    Interval,
    cell_words,
    interval_of,
    line_of,
    tenth,
    tenth_up,
    why_address,
)
from settlement.web.standing_people import barred_words, is_bureau, names_of_people

STEPS: Final[Mapping[Because, Callable[..., Any]]] = {
    Because.NOTICE: issue_notice,
    Because.SUSPENSION: suspend,
    Because.EXIT: let_exit,
}
UNTOLD: Final = (VendorStanding.NEWCOMER, VendorStanding.NORMAL, VendorStanding.WATCH)
"""Where no notice stands."""
CALM: Final = (VendorStanding.NORMAL, VendorStanding.NEWCOMER, VendorStanding.LEFT)
NO_STANDINGS: Final = msgid(
    "No vendor stands anywhere yet. Standings begin with the first ranking."
)
A_REVIEWER: Final = msgid("a reviewer of the education bureau")
VOIDED: Final = msgid("taken back: the appeal was upheld on %(day)s")
ON_A_PAGE: Final = 20
"""Standings on a page of the desk: what waits stands first, and a phone shows each as a card."""
TEXTS: Final = frozenset({"claim", "note"})
"""What services call the text that a form of a standing sends."""
REASON: Final = msgid("Reason")
OWN_EMPTY: Final = msgid("You are not ranked yet. That begins when schools' use was billed.")


class StepForm(Form, frozen=True):
    """A step that a reviewer signs (`notice`, `suspension`, `exit`), with its reason.

    `run`: of the look that was shown with the form.
    """

    step: str = ""
    note: str = ""
    run: str = ""
    confirmed: str = ""


class RankForm(Form, frozen=True):
    """The month to rank."""

    month: str = ""


@dataclass(frozen=True, slots=True)
class StandingDesk:
    """Where standings are listed for those who look: its crumbs, address and title."""

    root: tuple[Crumb, ...]
    address: str
    title: str

    def standing(self, standing_id: UUID) -> str:
        return f"{self.address}/{standing_id}"


def show_own_standings(page: Page, desk: StandingDesk) -> Response[Any]:
    """Show a vendor where it stands, as if it were judged today, what it may do, and what third
    parties found about it; where it is new comes last."""
    run = last_run(page.unit)
    rows = standing_rows(page.unit)
    own: list[RankRow] = []
    if run is not None and page.actor.organisation_id is not None:
        own = places_of_vendor(page.unit, run, page.actor.organisation_id)
    by_cell = {row.cell: row for row in own if not row.sku}
    trials: Mapping[str, Trial] = {}
    if run is not None and rows and page.actor.organisation_id is not None:
        trials = judged_today(page.unit, run, page.actor.organisation_id)
    return page.render(
        "settlement/own_standings.html",
        desk=desk,
        standings=[
            (row, by_cell.get(row.cell), trials.get(row.cell), _words(page, row.cell))
            for row in sorted(rows, key=lambda row: row.state == VendorStanding.NEWCOMER)
        ],
        trial_interval=trial_interval,
        resources=[(row, _words(page, row.cell)) for row in own if row.sku],
        run=run,
        why=why_address,
        interval=interval_of,
        tenth=tenth,
        tenth_up=tenth_up,
        empty_words=translate(OWN_EMPTY, page.locale),
        findings=findings_about_us(page.unit),
    )


def show_standings(page: Page, desk: StandingDesk, *, error: str = "") -> Response[Any]:
    """List the standings that the bureau answers for: what waits first, then the worst looks."""
    columns = _columns(page, desk)
    by_state = Filter(
        key="state",
        title=msgid("Standing"),
        options=tuple((one.value, label(one, page.locale)) for one in VendorStanding),
    )
    view = page.view(columns, filters=(by_state,))
    if view.per_page:
        view = replace(view, per_page=ON_A_PAGE)
    wanted = view.filters.get("state")
    every = sorted(standing_rows(page.unit), key=_waits)
    rows = [row for row in every if wanted in {None, row.state}]
    counts = Counter(row.state for row in every)
    table = tabulate(desk.title, columns, rows, view=view, filters=(by_state,), empty=NO_STANDINGS)
    months = page.unit.session.scalars(
        select(Period.month)
        .where(Period.state.in_(STATED))
        .group_by(Period.month)
        .order_by(Period.month.desc())
        .limit(12)
    ).all()
    run = last_run(page.unit)
    return page.render_table(
        "settlement/standings.html",
        table,
        file_name="standings",
        status=409 if error else 200,
        desk=desk,
        reviews=page.actor.may(Role.ADMISSION),
        months=months,
        wait_days=SHIPPED.ranking.gates.wait_days,
        counts=[(one.value, counts[one]) for one in reversed(VendorStanding) if counts[one]],
        appeals=sum(1 for row in every if row.appeal),
        run=run,
        ranked=_just_ranked(page),
        is_same="same" in page.request.query_params,
        error=error,
    )


def _waits(row: StandingRow) -> tuple[bool, bool]:
    """Order what waits for a reviewer first: an appeal, then a vendor on watch or worse."""
    return not row.appeal, row.state in CALM


def post_rank(page: Page, desk: StandingDesk, form: RankForm) -> Response[Any]:
    """Rank a month at the press of a button; what stands against it is said."""
    try:
        with page.unit.session.begin_nested():
            found = rank(page.unit, Month(parse_month(form.month)))
    except MarketError as error:
        if error.status in {403, 404}:
            raise
        return show_standings(page, desk, error=translate_error(error, page.locale))
    same = "" if found.is_new else "&same=yes"
    return page.redirect(f"{desk.address}?ranked={found.run.id}{same}")


def _just_ranked(page: Page) -> ScoreRun | None:
    """Return the run that the button made or found, as it sent the reader on here."""
    return page.unit.session.get(ScoreRun, _uuid(str(page.request.query_params.get("ranked", ""))))


def show_standing(
    page: Page,
    desk: StandingDesk,
    standing_id: UUID,
    *,
    form: Form | None = None,
    errors: Mapping[str, str] | None = None,
    asked: StepForm | None = None,
    verdict: Form | None = None,
    status: int = 422,
) -> Response[Any]:
    """Show one standing: its course, the gates before the next step, and the forms of who acts.

    `asked`: the step that is named once more before it is signed, `verdict` the decision of an
    appeal likewise. `status`: where there are errors.
    """
    found = standing_view(page.unit, standing_id)
    names = names_of_people(page, found)
    return page.render(
        "settlement/standing.html",
        status=status if errors else 200,
        desk=desk,
        view=found,
        row=found.row,
        cell=_words(page, found.row.cell),
        history=_history(page, found, names),
        names=names,
        barred=barred_words(page, found),
        tenth=tenth,
        three=three,
        today=shanghai_day(page.unit.clock.now()),
        is_vendor=page.actor.organisation_id is not None and not is_bureau(page),
        reviews=page.actor.may(Role.ADMISSION),
        form=form,
        asked=asked,
        verdict=verdict,
        number_of={one.id: one.number for one in found.events},
        errors=dict(errors or {}),
    )


def post_step(page: Page, desk: StandingDesk, standing_id: UUID, form: StepForm) -> Response[Any]:
    """Ask once, naming what the step does; then sign it."""
    step = next((one for one in STEPS if one == form.step), None)
    if step is None:
        raise NotFound(what="step", key=form.step)
    if not form.note.strip():
        errors = {"note": translate(msgid("Fill this in."), page.locale)}
        return show_standing(page, desk, standing_id, form=form, errors=errors)
    if not form.confirmed:
        return show_standing(page, desk, standing_id, asked=form)
    try:
        with page.unit.session.begin_nested():
            STEPS[step](page.unit, standing_id, note=form.note, seen=_uuid(form.run))
    except MarketError as error:
        return again(page, desk, standing_id, form, error, field="note", title=REASON)
    return page.redirect(desk.standing(standing_id))


def again(
    page: Page,
    desk: StandingDesk,
    standing_id: UUID,
    form: Form,
    error: MarketError,
    *,
    field: str = "",
    title: str = "",
) -> Response[Any]:
    """Show a standing with what is wrong with the form; `field`: where its text belongs, which the
    form calls `title`."""
    if error.status == 404:
        raise error
    is_text = error.facts.get("field") in TEXTS
    if is_text:
        error.facts["field"] = translate(title, page.locale)
    at = field if is_text or error.code == "reason-required" else ""
    errors = {at: translate_error(error, page.locale)}
    status = error.status if error.status == 409 else 422
    return show_standing(page, desk, standing_id, form=form, errors=errors, status=status)


def _uuid(text: str) -> UUID:
    """Return the id that is named; what is no id names nothing that there is."""
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


def _history(
    page: Page, found: StandingView, names: Mapping[UUID, str]
) -> list[tuple[Any, str, str]]:
    """Return what moved a standing, the latest first: (moment, text, by whom)."""
    nameless = translate(A_REVIEWER, page.locale)
    shown = []
    for one in found.events:
        text = f"{label(one.from_state, page.locale, kind='VendorStanding')} → " + label(
            one.to_state, page.locale, kind="VendorStanding"
        )
        why = label(one.because, page.locale, kind="Because")
        note = f"：{one.note}" if one.note else ""
        if one.id in found.voided:
            words = translate(VOIDED, page.locale) % {"day": found.voided[one.id].isoformat()}
            note += f"（{words}）"
        by = names.get(one.signed_by, nameless) if one.signed_by else ""
        shown.append((one.at, f"{text} · {why}{note}", by))
    return shown


def _words(page: Page, cell: str) -> str:
    return cell_words(cell, page.locale)


def three(value: Decimal) -> str:
    """Return a number with three decimals, a whole one without any."""
    return str(value if value == value.to_integral_value() else round(value, 3).normalize())


def trial_interval(trial: Trial) -> Interval:
    return line_of(trial.score.score, trial.score.sd)


def _columns(page: Page, desk: StandingDesk) -> list[Column[StandingRow]]:
    def href(row: StandingRow) -> str:
        return desk.standing(row.id)

    exact = bool(page.export)
    return [
        Column(
            key="vendor_name",
            title=msgid("Vendor"),
            value=lambda row: row.vendor_name,
            href=href,
            sortable=True,
        ),
        Column(
            key="cell",
            title=msgid("Stage, subject and type"),
            value=lambda row: _words(page, row.cell),
        ),
        Column(
            key="state",
            title=msgid("Standing"),
            value=lambda row: row.state,
            kind="state",
            label_kind="VendorStanding",
            sortable=True,
        ),
        Column(
            key="since", title=msgid("Stands there since"), value=lambda row: row.since, kind="day"
        ),
        Column(
            key="month",
            title=msgid("Last look"),
            value=lambda row: row.month,
            kind="month",
            secondary=True,
        ),
        Column(
            key="score",
            title=msgid("Score"),
            value=lambda row: row.score if exact or row.score is None else tenth(row.score),
            kind="ratio",
            href=href,
            sortable=True,
        ),
        Column(
            key="p_bad",
            title=msgid("Probably below the line"),
            value=lambda row: row.p_bad if exact or row.p_bad is None else round(row.p_bad, 3),
            kind="ratio",
            href=href,
            sortable=True,
            help=msgid("The probability that the score lies below the published line."),
        ),
        Column(
            key="fresh",
            title=msgid("Schools affected since the notice"),
            value=lambda row: None if row.state in UNTOLD else row.fresh,
            kind="number",
            href=href,
            secondary=True,
        ),
        Column(
            key="appeal",
            title=msgid("Appeal"),
            value=lambda row: row.appeal or None,
            kind="state",
            label_kind="appeal-standing",
        ),
    ]
