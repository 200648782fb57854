"""Where pages about one school hang under its bureau."""

from sqlalchemy import select

from kernel.actors import OrganisationKind
from kernel.errors import NotFound
from kernel.http.pages import Page
from kernel.i18n import msgid, translate
from kernel.identity.models import Organisation
from kernel.identity.visibility import visible_organisations
from settlement.web.places import Place

SCHOOLS = "/bureau/schools"
PERIODS = "/bureau/periods"
UNDATED = "/bureau/quarantine"


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
