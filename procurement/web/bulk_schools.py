"""Schools of a signed bulk purchase on a bureau's pages: how they stand, and other ceilings.

What is typed becomes a proposal, which another person checks.
"""

from collections.abc import Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

from litestar import Response

from kernel.errors import MarketError
from kernel.http.pages import Form, Page
from kernel.http.typed import Typed
from kernel.i18n import msgid, translate
from kernel.money import yuan
from kernel.web.tables import Column, excerpt
from procurement.bulk_lists import (
    SchoolChangeRow,
    SchoolUse,
    bulk_agreement,
    schools_using,
    wanted_rows,
)
from procurement.bulk_school_proposals import propose_schools, schools_wish
from procurement.record_proposals import RecordRow
from procurement.web.bulk_forms import read_school_ceilings
from procurement.web.school_days import days_words
from procurement.web.waiting_records import RECORDS
from settlement.agreement_schools import SchoolWish
from settlement.ceilings import CeilingUse
from settlement.models import Agreement

BULK: Final = "/bureau/bulk"
FIELDS: Final = {"school_code": "schools"}
CEILING_ACT: Final = "ceiling"
ADDED: Final = msgid("{school} joins on {day}, up to {amount} yuan: {reason}")
AGAIN: Final = msgid("{school} joins again on {day}: {reason}")
RAISED: Final = msgid("Ceiling of {school} raised by {amount} yuan: {reason}")
LOWERED: Final = msgid("Ceiling of {school} lowered by {amount} yuan: {reason}")
DECLINED: Final = msgid("{school} goes by its own agreements from {day} on: {reason}")


class SchoolsForm(Form, frozen=True):
    """Schools that join on a day, as lines; or one school's other ceiling in yuan."""

    act: str = "add"
    schools: str = ""
    from_day: str = ""
    school: str = ""
    ceiling: str = ""
    reason: str = ""


def ask_schools(
    page: Page,
    number: str,
    *,
    form: SchoolsForm | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response[Any]:
    """Show the forms by which schools join, and by which one gets another ceiling."""
    agreement = bulk_agreement(page.unit, number)
    schools = schools_using(page.unit, agreement)
    return page.render(
        "procurement/bulk_schools.html",
        status=422 if errors else 200,
        agreement=agreement,
        form=form or SchoolsForm(),
        errors=errors or {},
        schools=[
            ("", ""),
            *(
                (
                    one.standing.code,
                    f"{one.standing.name} · {yuan(one.standing.ceiling_fen or 0)}",
                )
                for one in schools
            ),
        ],
    )


def post_schools(page: Page, number: str, *, form: SchoolsForm) -> Response[Any]:
    """Propose what is typed, or show the form again with what is wrong."""
    typed = Typed(page.locale)
    wishes = _read(form, typed)
    reason = typed.text("reason", form.reason)
    if typed.errors:
        return ask_schools(page, number, form=form, errors=typed.errors)
    try:
        proposal = propose_schools(page.unit, number, wishes, reason=reason)
    except MarketError as error:
        ceiling = "ceiling" if form.act == CEILING_ACT else "schools"
        typed.refuse(error, {**FIELDS, "ceiling": ceiling})
        return ask_schools(page, number, form=form, errors=typed.errors)
    return page.redirect(f"{RECORDS}/{proposal}")


def _read(form: SchoolsForm, typed: Typed) -> list[SchoolWish]:
    if form.act == CEILING_ACT:
        code = typed.text("school", form.school)
        return [SchoolWish(code=code, ceiling_fen=typed.yuan("ceiling", form.ceiling))]
    ceilings = read_school_ceilings(typed, "schools", form.schools)
    from_day = typed.day("from_day", form.from_day)
    return [
        SchoolWish(code=code, ceiling_fen=fen, from_day=from_day) for code, fen in ceilings.items()
    ]


def wanted_schools(page: Page, row: RecordRow) -> dict[str, Any]:
    """Return what the page of a proposal shows of it: the agreement, and each school."""
    wish = schools_wish(row.content)
    agreement = bulk_agreement(page.unit, wish.agreement_number)
    table = excerpt(
        translate(msgid("What is proposed"), page.locale),
        [
            Column(key="name", title=msgid("School"), value=attrgetter("name")),
            Column(
                key="code",
                title=msgid("Code"),
                value=attrgetter("wish.code"),
                kind="code",
                secondary=True,
            ),
            Column(
                key="from_day",
                title=msgid("Joins on"),
                value=attrgetter("wish.from_day"),
                kind="day",
            ),
            Column(
                key="now",
                title=msgid("Ceiling now"),
                value=attrgetter("ceiling_fen"),
                kind="money",
            ),
            Column(
                key="proposed",
                title=msgid("Proposed ceiling"),
                value=attrgetter("wish.ceiling_fen"),
                kind="money",
            ),
        ],
        wanted_rows(page.unit, agreement, wish.schools),
        path=f"{RECORDS}/{row.number}",
    )
    return {"agreement": agreement, "table": table}


def happened(row: SchoolChangeRow, locale: str) -> tuple[datetime, str, str]:
    """Return one change of a school as a line of what happened: (moment, text, by whom)."""
    change = row.change
    if change.kind == "added":
        words = ADDED if change.ceiling_fen else AGAIN
    elif change.kind == "declined":
        words = DECLINED
    else:
        words = RAISED if change.ceiling_fen > 0 else LOWERED
    text = translate(words, locale).format(
        school=row.school_name,
        amount=yuan(abs(change.ceiling_fen)),
        day=change.from_day,
        reason=change.reason,
    )
    if change.reference:
        text = f"{text} ({change.reference})"
    return change.at, text, change.by


def school_columns(agreement: Agreement, locale: str) -> list[Column[SchoolUse]]:
    amounts = {
        "ceiling": msgid("Ceiling"),
        "billed": msgid("Billed"),
        "estimated": msgid("Not stated yet, estimate"),
        "left": msgid("Left by the estimate"),
        "above": msgid("Above the ceiling"),
    }
    return [
        Column(
            key="name",
            title=msgid("School"),
            value=attrgetter("standing.name"),
            sortable=True,
        ),
        Column(
            key="code",
            title=msgid("Code"),
            value=attrgetter("standing.code"),
            kind="code",
            sortable=True,
            export_only=True,
        ),
        *(
            Column(
                key=key,
                title=title,
                value=attrgetter(f"standing.{key}_fen"),
                kind="money",
                sortable=True,
                secondary=key == "estimated",
            )
            for key, title in amounts.items()
        ),
        Column(
            key="quantity",
            title=msgid("Billable quantity"),
            value=attrgetter("standing.quantity"),
            kind="number",
            sortable=True,
        ),
        Column(
            key="pupils",
            title=msgid("Pupils"),
            value=lambda row: row.pupils,
            kind="number",
            sortable=True,
            secondary=True,
        ),
        Column(
            key="per_pupil",
            title=msgid("For each pupil"),
            value=lambda row: row.per_pupil,
            kind="ratio",
            sortable=True,
            secondary=True,
        ),
        Column(
            key="use",
            title=msgid("By the estimate"),
            value=attrgetter("standing.use"),
            kind="state",
            label_kind=CeilingUse.__name__,
            sortable=True,
        ),
        Column(
            key="days",
            title=msgid("Days of use"),
            value=lambda row: days_words(
                row.standing.runs, agreement.starts_on, agreement.ends_on, locale=locale
            ),
        ),
    ]
