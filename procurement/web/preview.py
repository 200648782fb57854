"""The month's estimate on a page, with a form that asks what had been; nothing is written.

Decides which months are offered and how the form's words become changes. The lines are
`settlement.preview`'s, what another headcount makes of the funding line is `funding.assumed`'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from litestar import Response
from sqlalchemy import func, select

from catalog.plan_words import plan_words
from kernel.clock import Month, parse_month, shanghai_day, show_month
from kernel.errors import InvalidPeriod, MarketError, NothingToSettle
from kernel.http.pages import Page
from kernel.i18n import msgid, translate, translate_error
from kernel.identity.models import Organisation
from kernel.money import parse_fen, parse_rate
from kernel.web.tables import Column, Table, tabulate
from procurement.funding.assumed import LineDifference, lines_with
from settlement.models import Agreement
from settlement.preview import Preview, PreviewLine, preview
from settlement.simulation import Changes, Difference, Simulation, simulate
from settlement.web.columns import money, number
from settlement.web.places import Place

MONTHS_OFFERED: Final = 12
FIELDS: Final = ("agreement", "unit_price", "period_cap", "ceiling", "pupils")
LARGEST_HEADCOUNT: Final = 9
"""Digits; no school has a thousand million pupils."""
SUMMED: Final = ("rated_fen", "above_ceiling_fen", "amount_fen", "uncovered_fen")
NOTHING: Final = msgid("Nobody has used anything in this month yet.")


@dataclass(frozen=True, kw_only=True, slots=True)
class WhatIf:
    """The form as it was sent, what it asks for, and what is wrong with it by field."""

    texts: Mapping[str, str]
    changes: Changes | None = None
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a page shows: the month as it is now and, if the form asked, as it had been."""

    now: Preview
    simulation: Simulation | None = None
    lines: Sequence[LineDifference] = ()


def show_preview(page: Page, place: Place) -> Response[Any]:
    """Show what a payer's month would be billed now; the address carries month and form."""
    months = _months(page, place)
    month = _chosen(page, months)
    asked = _read(page, place)
    try:
        outcome = _outcome(page, place, month, asked.changes)
    except NothingToSettle:
        outcome = Outcome(now=Preview(month=month, payers=1, lines=[]))
    except MarketError as error:
        # The form asks for what can't be, such as a cap under a flat price: said beside the form.
        message = translate_error(error, page.locale)
        asked = WhatIf(texts=asked.texts, errors={"": message})
        outcome = _outcome(page, place, month, None)
    differs = outcome.simulation is not None
    table = _compared(page, place, outcome) if differs else _estimated(page, place, outcome.now)
    return page.render_table(
        "procurement/preview.html",
        table,
        file_name=f"preview-{place.payer_code}-{show_month(month)}",
        place=place,
        path=page.request.scope["path"],
        outcome=outcome,
        asked=asked,
        month=month,
        months=[(show_month(one), show_month(one)) for one in months],
        agreements=_options(page, outcome.now),
        warned=[line for line in outcome.now.lines if line.warns],
    )


def _outcome(page: Page, place: Place, month: Month, changes: Changes | None) -> Outcome:
    unit, payer = page.unit, place.payer_code
    if changes is None:
        return Outcome(now=preview(unit, month, payer_code=payer))
    simulation = simulate(unit, month, changes, payer_code=payer)
    lines = (
        lines_with(unit, fiscal_year=month.year, pupils=changes.pupils) if changes.pupils else ()
    )
    return Outcome(now=simulation.before, simulation=simulation, lines=lines)


def _months(page: Page, place: Place) -> list[Month]:
    """Return the latest months in which the payer had an agreement, up to now, latest first."""
    first, last = page.unit.session.execute(
        select(func.min(Agreement.starts_on), func.max(Agreement.ends_on))
        .join(Organisation, Organisation.id == Agreement.payer_id)
        .where(Organisation.code == place.payer_code)
    ).one()
    today = shanghai_day(page.unit.clock.now())
    if first is None or first > today:
        return [parse_month(f"{today:%Y-%m}")]
    end = min(last, today)
    number_of_last = end.year * 12 + end.month - 1
    number_of_first = max(first.year * 12 + first.month - 1, number_of_last - MONTHS_OFFERED + 1)
    return [
        Month(date(number // 12, number % 12 + 1, 1))
        for number in range(number_of_last, number_of_first - 1, -1)
    ]


def _chosen(page: Page, months: Sequence[Month]) -> Month:
    """Return the month of the address, the latest where none can be read there."""
    try:
        wanted = parse_month(str(page.request.query_params.get("month", "")))
    except InvalidPeriod:
        return months[0]
    return wanted if wanted in months else months[0]


def _read(page: Page, place: Place) -> WhatIf:
    query = page.request.query_params
    texts = {name: str(query.get(name, "")).strip() for name in FIELDS}
    errors: dict[str, str] = {}
    plan: dict[str, Any] = {}
    ceiling: int | None = None
    for name in ("unit_price", "period_cap", "ceiling"):
        if not texts[name]:
            continue
        try:
            if name == "ceiling":
                ceiling = parse_fen(texts[name])
            else:
                plan[name] = f"{parse_rate(texts[name]):.4f}"
        except MarketError as error:
            errors[name] = translate_error(error, page.locale)
    pupils: dict[str, int] = {}
    if texts["pupils"]:
        count = texts["pupils"].replace(",", "")
        if count.isascii() and count.isdigit() and len(count) < LARGEST_HEADCOUNT:
            pupils[place.payer_code] = int(count)
        else:
            errors["pupils"] = translate(msgid("Give a whole number of pupils."), page.locale)
    if errors or not (plan or pupils or ceiling is not None):
        return WhatIf(texts=texts, errors=errors)
    changes = Changes(
        plan=plan, ceiling_fen=ceiling, pupils=pupils, agreement_number=texts["agreement"]
    )
    return WhatIf(texts=texts, changes=changes)


def _options(page: Page, now: Preview) -> list[tuple[str, str]]:
    everything = ("", translate(msgid("All agreements"), page.locale))
    titles = {line.agreement_number: line.title for line in now.lines}
    return [everything, *titles.items()]


def _estimated(page: Page, place: Place, now: Preview) -> Table[PreviewLine]:
    def href(row: PreviewLine) -> str:
        return place.agreement(row.agreement_number)

    columns: list[Column[PreviewLine]] = [
        Column(
            key="title",
            title=msgid("Resource"),
            value=lambda row: row.title,
            href=href,
            sortable=True,
        ),
        Column(
            key="plan",
            title=msgid("Price"),
            value=lambda row: plan_words(row.terms, page.locale),
            secondary=True,
        ),
        number("quantity", msgid("Used so far")),
        Column(
            key="metric",
            title=msgid("Paid by"),
            value=lambda row: row.metric.value,
            kind="label",
            label_kind="Metric",
            secondary=True,
        ),
        money("rated_fen", msgid("At the agreed prices"), secondary=True),
        money("above_ceiling_fen", msgid("Above the ceiling"), secondary=True),
        money("amount_fen", msgid("Would be billed")),
        money("uncovered_fen", msgid("Uncovered"), secondary=True),
        Column(
            key="used",
            title=msgid("Ceiling used"),
            value=lambda row: row.used_percent,
            kind="number",
            sortable=True,
            help=msgid("With this month, in per cent of the agreement's ceiling."),
        ),
        Column(
            key="ceiling_use",
            title=msgid("Warning"),
            value=lambda row: row.ceiling_use.value,
            kind="state",
            label_kind="CeilingUse",
            sortable=True,
        ),
    ]
    return tabulate(
        translate(msgid("Estimate of the month"), page.locale),
        columns,
        now.lines,
        view=page.view(columns, sort="-used"),
        summed=SUMMED,
        empty=NOTHING,
    )


def _compared(page: Page, place: Place, outcome: Outcome) -> Table[Difference]:
    def href(row: Difference) -> str:
        return place.agreement(row.line.agreement_number)

    assert outcome.simulation is not None
    columns: list[Column[Difference]] = [
        Column(
            key="title",
            title=msgid("Resource"),
            value=lambda row: row.line.title,
            href=href,
            sortable=True,
        ),
        Column(
            key="plan",
            title=msgid("Price as assumed"),
            value=lambda row: plan_words(row.line.terms, page.locale),
            secondary=True,
        ),
        money("before_fen", msgid("Billed as it is")),
        money("after_fen", msgid("Billed as assumed")),
        money("difference_fen", msgid("Difference")),
        money("uncovered_fen", msgid("Uncovered as assumed"), secondary=True),
    ]
    return tabulate(
        translate(msgid("As it is and as assumed"), page.locale),
        columns,
        outcome.simulation.differences,
        view=page.view(columns),
        summed=("before_fen", "after_fen", "difference_fen", "uncovered_fen"),
        empty=NOTHING,
    )
