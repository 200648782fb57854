"""Agreements on pages: a payer's list with its ceilings, and one with its lines by month."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from litestar import Response

from catalog.plan_words import plan_words
from kernel.errors import NotFound
from kernel.http.pages import Page
from kernel.i18n import msgid, translate
from kernel.money import yuan
from kernel.web.tables import Column, Table, excerpt, tabulate
from settlement.agreement_ends import MAY_END
from settlement.agreement_states import RUNNING
from settlement.queries.agreements import AgreementLife, ChangeRow, agreement_life
from settlement.queries.closed import ClosedAgreement, closed_agreements
from settlement.queries.funding import AgreementRow, agreements_of
from settlement.queries.lines import lines_of
from settlement.queries.versions import OwedVersion, owed_versions
from settlement.web.columns import (
    AGREEMENT_SUMS,
    LINE_SUMS,
    agreement_columns,
    agreement_line_columns,
)
from settlement.web.places import Place

NO_AGREEMENTS = msgid(
    "There is no agreement yet. One is opened when a selection has its last signature."
)

AGREED_ABOUT = msgid("agreed about this one")
OPENED = msgid("Agreed")
BECAUSE = msgid("{act}: {reason}")
CHANGED = {
    "raised": msgid("Ceiling of {year} raised by {amount} yuan"),
    "lowered": msgid("Ceiling of {year} lowered by {amount} yuan"),
    "committed": msgid("{amount} yuan committed on the lines of {year}"),
    "ended": msgid("Given up as of {day}"),
    "released": msgid("{amount} yuan that were left are free again"),
}


def show_agreements(page: Page, place: Place) -> Response[Any]:
    """List a payer's agreements."""
    closed = closed_agreements(page.unit, place.payer_code)
    columns = agreement_columns(place, locale=page.locale) + _standing_column(closed)
    table = tabulate(
        translate(msgid("Agreements"), page.locale),
        columns,
        agreements_of(page.unit, place.payer_code),
        view=page.view(columns),
        summed=AGREEMENT_SUMS,
        empty=NO_AGREEMENTS,
    )
    return page.render_table(
        "settlement/agreements.html",
        table,
        file_name=f"agreements-{place.payer_code}",
        place=place,
        closed=closed,
    )


def _standing_column(closed: Sequence[ClosedAgreement]) -> list[Column[AgreementRow]]:
    """Return the column of the vendors' standings, where one of them takes no new schools."""
    standings = {one.number: one.closed.state for one in closed}
    column: Column[AgreementRow] = Column(
        key="standing",
        title=msgid("Vendor's standing"),
        value=lambda row: standings.get(row.number),
        kind="state",
        label_kind="VendorStanding",
    )
    return [column] if closed else []


def all_agreements(page: Page, place: Place, rows: Sequence[AgreementRow]) -> Table[AgreementRow]:
    """Return a payer's agreements as a table beside others."""
    return excerpt(
        translate(msgid("Agreements"), page.locale),
        agreement_columns(place, locale=page.locale),
        rows,
        path=place.agreements,
        summed=AGREEMENT_SUMS,
        empty=NO_AGREEMENTS,
    )


def show_agreement(page: Page, place: Place, number: str) -> Response[Any]:
    """Show one agreement with what was billed under it month by month."""
    found = [row for row in agreements_of(page.unit, place.payer_code) if row.number == number]
    life = agreement_life(page.unit, number)
    if not found or life is None:
        raise NotFound(what="agreement", key=number)
    own = page.actor.organisation_code == place.payer_code
    closed = closed_agreements(page.unit, place.payer_code) if own else []
    columns = agreement_line_columns(place)
    table = tabulate(
        translate(msgid("Billed month by month"), page.locale),
        columns,
        lines_of(page.unit, payer_code=place.payer_code, agreement_number=number),
        view=page.view(columns, sort="-month"),
        summed=LINE_SUMS,
        empty=msgid("Nothing was billed under this agreement yet."),
    )
    return page.render_table(
        "settlement/agreement.html",
        table,
        file_name=f"agreement-{number}",
        place=place,
        closed=[one for one in closed if one.number == number],
        agreement=found[0],
        plan=plan_words(found[0].terms, page.locale),
        life=life,
        history=_history(life, page.locale),
        versions=excerpt(
            translate(msgid("Versions of the resource"), page.locale),
            _version_columns(page.locale),
            owed_versions(page.unit, number),
            path=place.agreement(number),
        ),
        own=own,
        running=found[0].state in RUNNING,
        may_end=page.actor.may(*MAY_END),
    )


def _version_columns(locale: str) -> list[Column[OwedVersion]]:
    agreed = translate(AGREED_ABOUT, locale)
    return [
        Column(key="number", title=msgid("Version"), value=lambda row: row.number, kind="number"),
        Column(key="title", title=msgid("Title"), value=lambda row: row.title),
        Column(
            key="state",
            title=msgid("State"),
            value=lambda row: row.state,
            kind="state",
            label_kind="VersionState",
        ),
        Column(
            key="created_at", title=msgid("Recorded"), value=lambda row: row.created_at, kind="day"
        ),
        Column(
            key="agreed",
            title=msgid("Agreement"),
            value=lambda row: agreed if row.agreed else "",
        ),
    ]


def _history(life: AgreementLife, locale: str) -> list[tuple[datetime, str, str]]:
    """Return what became of an agreement, the latest first."""
    happened = [
        (change.at, _words(change, locale), change.by if change.reference else "")
        for change in life.changes
    ]
    return [*happened, (life.opened_at, translate(OPENED, locale), "")]


def _words(change: ChangeRow, locale: str) -> str:
    words = translate(CHANGED[change.kind], locale).format(
        amount=yuan(abs(change.ceiling_fen or change.committed_fen)),
        year=change.fiscal_year,
        day=change.ends_on,
    )
    return (
        translate(BECAUSE, locale).format(act=words, reason=change.reason)
        if (change.reason)
        else words
    )
