"""Delegation on pages: who signs in whose place, on which days."""

from typing import Any, Final
from uuid import UUID

from litestar import Response

from kernel.actors import ROLES_OF, Role
from kernel.errors import InvalidInput, NotFound
from kernel.http.pages import Form, Page
from kernel.http.typed import Typed
from kernel.i18n import label, msgid, translate
from kernel.web.tables import Column, excerpt
from procurement.approval_rules import SIGNING_ROLES
from procurement.delegations import (
    DelegationView,
    colleagues,
    delegate,
    delegations,
    revoke_delegation,
)

NONE = msgid("Nobody signs in another's place.")
AT_ONCE, IF_OVERDUE = "now", "overdue"


class DelegationForm(Form, frozen=True):
    """Who signs for whom: `holder` is a person and a role, as `role/id`; `when`: now | overdue."""

    holder: str = ""
    colleague: str = ""
    starts_on: str = ""
    ends_on: str = ""
    when: str = AT_ONCE


def show_delegations(
    page: Page,
    address: str,
    *,
    form: DelegationForm | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Response[Any]:
    """List who signs for whom, with the form of those who may say so."""
    people = colleagues(page.unit)
    locale = page.locale
    signing = [
        (person, role)
        for person in people
        for role in sorted(person.roles & SIGNING_ROLES)
        if person.id == page.actor.person_id or Role.PRINCIPAL in page.actor.roles
    ]
    return page.render(
        "procurement/delegations.html",
        status=status,
        address=address,
        table=excerpt(
            translate(msgid("Who signs in whose place"), locale),
            COLUMNS,
            delegations(page.unit),
            path=address,
            empty=NONE,
        ),
        revocable=[
            row
            for row in delegations(page.unit)
            if row.revoked_at is None
            and (Role.PRINCIPAL in page.actor.roles or row.holder_id == page.actor.person_id)
        ],
        holders=[
            (f"{role}/{person.id}", f"{person.name or person.login} · {label(role, locale)}")
            for person, role in signing
        ],
        people=[
            ("", ""),
            *((str(person.id), person.name or person.login) for person in people),
        ],
        form=form or DelegationForm(),
        errors=errors or {},
    )


def post_delegation(page: Page, address: str, *, form: DelegationForm) -> Response[Any]:
    """Let a colleague sign, or show the form again with what is wrong."""
    typed = Typed(page.locale)
    starts_on, ends_on = typed.days(("starts_on", form.starts_on), ("ends_on", form.ends_on))
    holder, colleague = _holder(form.holder), _person(form.colleague)
    for field, chosen in (("holder", holder), ("colleague", colleague)):
        if chosen is None:
            typed.not_chosen(field)
    if typed.errors or holder is None or colleague is None:
        return show_delegations(page, address, form=form, errors=typed.errors, status=422)
    role, holder_id = holder
    try:
        delegate(
            page.unit,
            role=role,
            holder_id=holder_id,
            delegate_id=colleague,
            starts_on=starts_on,
            ends_on=ends_on,
            only_overdue=form.when == IF_OVERDUE,
        )
    except (InvalidInput, NotFound) as error:
        name = str(error.facts.get("field", "colleague"))
        typed.tell(FIELDS.get(name, name), error)
        return show_delegations(page, address, form=form, errors=typed.errors, status=422)
    return page.redirect(address)


def post_revocation(page: Page, address: str, delegation_id: UUID) -> Response[Any]:
    """Take a delegation back."""
    revoke_delegation(page.unit, delegation_id)
    return page.redirect(address)


FIELDS: Final = {"delegate": "colleague", "role": "holder", "person": "colleague"}


def _holder(text: str) -> tuple[Role, UUID] | None:
    role, _, person = text.partition("/")
    person_id = _person(person)
    if person_id is None or role not in frozenset().union(*ROLES_OF.values()):
        return None
    return Role(role), person_id


def _person(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


COLUMNS: list[Column[DelegationView]] = [
    Column(key="holder", title=msgid("Holder"), value=lambda row: row.holder_name),
    Column(
        key="role", title=msgid("Role"), value=lambda row: row.role, kind="label", label_kind="Role"
    ),
    Column(
        key="delegate", title=msgid("Signs in their place"), value=lambda row: row.delegate_name
    ),
    Column(key="starts_on", title=msgid("From"), value=lambda row: row.starts_on, kind="day"),
    Column(key="ends_on", title=msgid("Until"), value=lambda row: row.ends_on, kind="day"),
    Column(
        key="when",
        title=msgid("Signs"),
        value=lambda row: IF_OVERDUE if row.only_overdue else AT_ONCE,
        kind="label",
        label_kind="delegation",
    ),
    Column(
        key="state",
        title=msgid("State"),
        value=lambda row: (
            "revoked" if row.revoked_at else "running" if row.is_running else "to-come"
        ),
        kind="state",
        label_kind="delegation",
    ),
]
