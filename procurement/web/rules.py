"""The rules that lines go by, with their history: quotas, funding rules, year's ends."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from litestar import Response

from kernel.http.pages import Page
from kernel.i18n import label, msgid, translate
from kernel.web.tables import Column, Table, excerpt
from procurement.funding.desk import FundingRuleLine, QuotaLine, YearEndLine, rule_history
from procurement.funding.rules import HeadcountBasis, Holder, QuotaKind
from procurement.funding.year_end_rules import Commitments, YearEnd
from procurement.web.budgets import desk_root

RULES: Final = "/bureau/rules"
WHICH: Final = "table"
"""Names in an address which of the page's tables is exported."""


def show_rules(page: Page) -> Response[Any]:
    """Show every row that was recorded for the region, those above it and below it."""
    history = rule_history(page.unit)
    locale = page.locale
    tables: dict[str, Table[Any]] = {
        "quotas": excerpt(
            translate(msgid("Quotas per pupil and year"), locale),
            _quota_columns(locale),
            history.quotas,
            path=RULES,
            empty=msgid("No quota was recorded yet. Quotas are imported from a list."),
        ),
        "funding_rules": excerpt(
            translate(msgid("Floor, headcount and share for digital resources"), locale),
            _funding_rule_columns(locale),
            history.funding_rules,
            path=RULES,
        ),
        "year_ends": excerpt(
            translate(msgid("What becomes of lines at the year's end"), locale),
            _year_end_columns(locale),
            history.year_ends,
            path=RULES,
        ),
    }
    for name, one in tables.items():
        if not one.rows:
            continue
        view = replace(one.view, filters={WHICH: name})
        tables[name] = replace(one, exportable=True, view=view)
    wanted = str(page.request.query_params.get(WHICH, ""))
    name = wanted if wanted in tables else "quotas"
    return page.render_table(
        "procurement/rules.html",
        tables[name],
        file_name=name.replace("_", "-"),
        root=desk_root(page),
        tables=list(tables.values()),
    )


def _quota_columns(locale: str) -> list[Column[QuotaLine]]:
    return [
        Column(
            key="kind",
            title=msgid("Quota"),
            value=lambda row: (
                label(row.stage, locale, kind="Stage")
                if row.stage
                else label(row.kind, locale, kind=QuotaKind.__name__)
            ),
        ),
        _region(),
        _region_code(),
        Column(key="valid_from", title=msgid("From"), value=lambda row: row.valid_from, kind="day"),
        Column(
            key="amount_fen",
            title=msgid("Per pupil and year"),
            value=lambda row: row.amount_fen,
            kind="money",
        ),
        Column(
            key="verified",
            title=msgid("Verified"),
            value=lambda row: "verified" if row.verified else "unverified",
            kind="label",
            label_kind="quota",
        ),
        _stands(),
        Column(
            key="recorded_at",
            title=msgid("Recorded"),
            value=lambda row: row.recorded_at,
            kind="moment",
            secondary=True,
        ),
        Column(key="origin", title=msgid("Document"), value=lambda row: row.origin, secondary=True),
    ]


def _funding_rule_columns(locale: str) -> list[Column[FundingRuleLine]]:
    return [
        _source(),
        _region(),
        _region_code(),
        Column(
            key="valid_from",
            title=msgid("From"),
            value=lambda row: row.rule.valid_from,
            kind="day",
        ),
        Column(
            key="floor",
            title=msgid("Floor"),
            value=lambda row: row.rule.floor_pupils,
            kind="number",
            help=msgid("Pupils that a small rural school or teaching point is paid for at least"),
        ),
        Column(
            key="share",
            title=msgid("Share"),
            value=_percent,
        ),
        _words(
            "headcount",
            msgid("Headcount"),
            lambda row: label(row.rule.headcount, locale, kind=HeadcountBasis.__name__),
        ),
        _words(
            "holder",
            msgid("Held by"),
            lambda row: label(row.rule.holder, locale, kind=Holder.__name__),
        ),
        _stands(),
        _words("origin", msgid("Document"), lambda row: row.rule.origin),
    ]


def _percent(row: FundingRuleLine) -> str:
    rule = row.rule
    share, least, most = (
        f"{(rate * 100).normalize():f}%"
        for rate in (rule.digital_share, rule.share_minimum, rule.share_maximum)
    )
    return f"{share} ({least}–{most})"


def _year_end_columns(locale: str) -> list[Column[YearEndLine]]:
    return [
        _source(),
        _region(),
        _region_code(),
        Column(
            key="valid_from",
            title=msgid("From"),
            value=lambda row: row.rule.valid_from,
            kind="day",
        ),
        Column(
            key="outcome",
            title=msgid("At the year's end"),
            value=lambda row: label(row.rule.outcome, locale, kind=YearEnd.__name__),
        ),
        Column(
            key="until",
            title=msgid("Carried over until"),
            value=lambda row: row.rule.carry_until or None,
            kind="code",
        ),
        _words(
            "commitments",
            msgid("Commitments of agreements"),
            lambda row: label(row.rule.commitments, locale, kind=Commitments.__name__),
        ),
        _stands(),
        _words("origin", msgid("Document"), lambda row: row.rule.origin),
    ]


def _words(key: str, title: str, value: Callable[[Any], str]) -> Column[Any]:
    return Column(key=key, title=title, value=value, secondary=True)


def _region() -> Column[Any]:
    return Column(key="region", title=msgid("Region"), value=lambda row: row.region_name)


def _region_code() -> Column[Any]:
    return Column(
        key="region_code",
        title=msgid("Region code"),
        value=lambda row: row.region_code,
        kind="code",
        export_only=True,
    )


def _source() -> Column[Any]:
    return Column(
        key="source",
        title=msgid("Source of the money"),
        value=lambda row: row.rule.source,
        kind="label",
        label_kind="source",
    )


def _stands() -> Column[Any]:
    return Column(
        key="stands",
        title=msgid("Stands"),
        value=lambda row: "stands" if row.stands else "replaced",
        kind="label",
        label_kind="rule",
    )
