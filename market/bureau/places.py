"""Where pages about one school hang under its bureau."""

from dataclasses import replace
from typing import Final

from sqlalchemy import select

from kernel.actors import OrganisationKind, Role
from kernel.errors import NotFound
from kernel.http.pages import Page
from kernel.i18n import msgid, translate
from kernel.identity.models import Organisation
from kernel.identity.visibility import visible_organisations
from procurement.queries import SelectionView
from procurement.web.budgets import desk_root
from procurement.web.selections import SelectionDesk
from settlement.web.disputes import Desk
from settlement.web.places import Crumb, Place

SCHOOLS = "/bureau/schools"
PERIODS = "/bureau/periods"
UNDATED = "/bureau/quarantine"
DISPUTES = "/bureau/disputes"
APPROVALS = "/bureau/approvals"
BULK = "/bureau/bulk"

ACCOUNTABLE: Final = (Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR)
"""Who looks into the bureau's own lines: no page leads anybody else there."""


def school_place(page: Page, code: str) -> Place:
    """Return the place of a school of the bureau's region, or raise `NotFound`."""
    visible = visible_organisations(page.unit, OrganisationKind.SCHOOL)
    name = page.unit.session.scalar(
        select(Organisation.name).where(
            Organisation.code == code,
            Organisation.kind == OrganisationKind.SCHOOL,
            Organisation.id.in_(visible.with_only_columns(Organisation.id)),
        )
    )
    if name is None:
        raise NotFound(what="school", key=code)
    return place_of(page, code, name=name)


def place_of(page: Page, code: str, *, name: str) -> Place:
    """Return the place of a school that the bureau is known to see."""
    own = f"{SCHOOLS}/{code}"
    return Place(
        root=(
            (translate(msgid("Home"), page.locale), "/bureau"),
            (translate(msgid("Schools"), page.locale), SCHOOLS),
            (name, own),
        ),
        statements=f"{own}/statements",
        statements_title=translate(msgid("Statements"), page.locale),
        agreements=f"{own}/agreements",
        funding=f"{own}/funding",
        payer_code=code,
        payer_name=name,
    )


def own_place(page: Page) -> Place:
    """Return the place of the bureau's own lines, and of what it buys for schools."""
    return Place(
        root=desk_root(page),
        statements="/bureau/statements",
        statements_title=translate(msgid("Statements"), page.locale),
        agreements="/bureau/agreements",
        funding="/bureau/funding" if page.actor.may(*ACCOUNTABLE) else "",
        selection=APPROVALS,
        bulk=BULK,
        has_breakdowns=True,
        payer_code=page.actor.organisation_code,
        payer_name=page.actor.organisation_name,
    )


def buyer_place(page: Page) -> Place:
    """Return the place of what the bureau buys for schools: its agreements and statements."""
    bulk = (translate(msgid("Bulk purchases"), page.locale), BULK)
    return replace(own_place(page), root=(*bureau_root(page), bulk))


def dispute_desk(page: Page) -> Desk:
    """Return where a bureau finds the disputes of its region."""
    return Desk(
        root=bureau_root(page),
        address=DISPUTES,
        title=translate(msgid("Disputes to decide"), page.locale),
        place_of=lambda row: place_of(page, row.payer_code, name=row.payer_name),
    )


def selection_desk(page: Page) -> SelectionDesk:
    """Return where a bureau finds the selections that its signature is asked for."""
    return SelectionDesk(
        root=bureau_root(page),
        address=APPROVALS,
        title=translate(msgid("Approvals"), page.locale),
        inbox=APPROVALS,
        agreement=_agreement,
    )


def _agreement(row: SelectionView) -> str:
    """Return the address of the agreement that came of a selection, or that it would change."""
    if row.terms.get("kind") == "bulk":
        return f"{BULK}/{row.agreement_number}"
    return f"{SCHOOLS}/{row.school_code}/agreements/{row.agreement_number}"


def bureau_root(page: Page) -> tuple[Crumb, ...]:
    return ((translate(msgid("Home"), page.locale), "/bureau"),)
