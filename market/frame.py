"""What stands around every page and only the whole program knows: navigation, home, platform."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, bindparam, literal, select

from kernel.actors import ROLES_OF, Actor, OrganisationKind, Role
from kernel.i18n import msgid, translate
from kernel.identity.models import Organisation, Region
from kernel.unit import Unit
from kernel.web.rendering import Frame, NavigationEntry
from procurement.waiting_counts import count_waiting, waiting_values
from settlement.metering.devices import KEEPERS as DEVICE_KEEPERS
from settlement.preview import MAY_PREVIEW
from settlement.queries.standing_waits import contestable_values, count_contestable

PLATFORM: Final = msgid("Digital education resources")
PLATFORM_OF: Final = msgid("Digital education resources of {region}")

PUBLIC_RANKINGS: Final = NavigationEntry(title=msgid("Public rankings"), href="/rankings")
"""Last of everybody's entries; the evaluations are one step from there."""
NAVIGATION: Final[dict[OrganisationKind, tuple[NavigationEntry, ...]]] = {
    OrganisationKind.SCHOOL: (
        NavigationEntry(title=msgid("Home"), href="/school"),
        NavigationEntry(title=msgid("Choose resources"), href="/school/resources"),
        NavigationEntry(title=msgid("Our agreements"), href="/school/agreements"),
        NavigationEntry(title=msgid("Approvals"), href="/school/approvals"),
        NavigationEntry(title=msgid("Estimate of the month"), href="/school/preview"),
        NavigationEntry(title=msgid("Statements"), href="/school/statements"),
        NavigationEntry(title=msgid("Funding"), href="/school/funding"),
        NavigationEntry(title=msgid("Classroom boxes"), href="/school/devices"),
        PUBLIC_RANKINGS,
    ),
    OrganisationKind.VENDOR: (
        NavigationEntry(title=msgid("Home"), href="/vendor"),
        NavigationEntry(title=msgid("Resources"), href="/vendor/resources"),
        NavigationEntry(title=msgid("What schools need"), href="/vendor/needs"),
        NavigationEntry(title=msgid("Earnings"), href="/vendor/periods"),
        NavigationEntry(title=msgid("Payouts"), href="/vendor/payouts"),
        NavigationEntry(title=msgid("Disputes"), href="/vendor/disputes"),
        NavigationEntry(title=msgid("Ranking"), href="/vendor/standing"),
        NavigationEntry(title=msgid("Use before the funds"), href="/vendor/early-use"),
        PUBLIC_RANKINGS,
    ),
    OrganisationKind.BUREAU: (
        NavigationEntry(title=msgid("Home"), href="/bureau"),
        NavigationEntry(title=msgid("Admission"), href="/bureau/admission"),
        NavigationEntry(title=msgid("Schools"), href="/bureau/schools"),
        NavigationEntry(title=msgid("Allocation"), href="/bureau/allocations"),
        NavigationEntry(title=msgid("Bulk purchases"), href="/bureau/bulk"),
        NavigationEntry(title=msgid("Approvals"), href="/bureau/approvals"),
        NavigationEntry(title=msgid("Periods"), href="/bureau/periods"),
        NavigationEntry(title=msgid("Payments"), href="/bureau/payments"),
        NavigationEntry(title=msgid("Reconciliation"), href="/bureau/payments/reconciliation"),
        NavigationEntry(title=msgid("Disputes to decide"), href="/bureau/disputes"),
        NavigationEntry(title=msgid("Survival of the fittest"), href="/bureau/standings"),
        NavigationEntry(title=msgid("Classroom boxes"), href="/bureau/devices"),
        NavigationEntry(title=msgid("Third-party evaluators"), href="/bureau/evaluators"),
        PUBLIC_RANKINGS,
    ),
    OrganisationKind.EVALUATOR: (
        NavigationEntry(title=msgid("Your findings"), href="/evaluator/findings"),
        NavigationEntry(title=msgid("Evaluations"), href="/reports/evaluations"),
        NavigationEntry(title=msgid("Rankings"), href="/rankings"),
    ),
}
"""Left navigation by the kind of organisation, the home first."""


class Counted(NamedTuple):
    """How many things wait at an entry: an expression that is built once, and what it takes."""

    expression: Callable[[], ColumnElement[int]]
    values: Callable[[Unit], dict[str, Any]]


SIGNATURES: Final = Counted(count_waiting, waiting_values)
INBOXES: Final = {
    "/school/approvals": SIGNATURES,
    "/bureau/approvals": SIGNATURES,
    "/vendor/standing": Counted(count_contestable, contestable_values),
}
"""Entries that tell how much waits for the reader, at most one of each navigation: signatures, and
steps of due process that a vendor can appeal against today."""
OPENING: Final = NavigationEntry(title=msgid("My resources"), href="/learn")
"""For who opens resources; their home where that is all they do."""
CREDITS: Final = NavigationEntry(title=msgid("Credits"), href="/learn/credits")
"""For teachers: what they earned for their continuing education."""
SEARCH: Final = "/catalog"
"""The storefront, which everybody may search from any page."""
CLASSROOM: Final = frozenset({Role.LEARNER, Role.TEACHER})
ONLY_FOR: Final[dict[str, frozenset[Role]]] = {
    "/school/preview": frozenset(MAY_PREVIEW),
    "/school/devices": frozenset(DEVICE_KEEPERS),
    "/bureau/admission": frozenset({Role.ADMISSION, Role.AUDITOR}),
    "/bureau/standings": frozenset({Role.ADMISSION, Role.AUDITOR}),
    "/bureau/allocations": frozenset({Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR}),
    "/bureau/payments": frozenset({Role.BUREAU_FINANCE, Role.AUDITOR}),
    "/bureau/payments/reconciliation": frozenset(
        {Role.BUREAU_FINANCE, Role.AUDITOR, Role.OPERATOR}
    ),
    "/bureau/devices": frozenset({Role.ADMISSION, Role.OPERATOR}),
    "/bureau/evaluators": frozenset({Role.OPERATOR}),
}
"""Entries for some of the organisation: who may open them, or whose task they are."""


def complete_frame(unit: Unit, frame: Frame) -> Frame:
    """Add what the actor's organisation brings: its region's platform, navigation, whether it is
    sample data."""
    navigation = navigation_of(unit.actor)
    frame = replace(
        frame,
        platform=translate(PLATFORM, frame.locale),
        navigation=navigation,
        home=navigation[0].href if navigation else "/",
        search="" if frame.address.partition("?")[0] == SEARCH else SEARCH,
    )
    if unit.actor.organisation_id is None:
        return frame
    values: dict[str, Any] = {"frame_organisation": unit.actor.organisation_id}
    counted = next((INBOXES[one.href] for one in navigation if one.href in INBOXES), None)
    if unit.actor.person_id is None:
        counted = None
    if counted is not None:
        values |= counted.values(unit)
    region, is_sample, waiting = unit.session.execute(_facts(counted), values).one()
    return replace(
        frame,
        platform=translate(PLATFORM_OF, frame.locale).format(region=region),
        sample=frame.sample or is_sample,
        navigation=tuple(
            replace(entry, waiting=waiting) if entry.href in INBOXES else entry
            for entry in navigation
        ),
    )


@cache
def _facts(counted: Counted | None) -> Select[str, bool, int]:
    """Select the name of the organisation's region, whether either is sample data, what waits."""
    waiting: ColumnElement[int] = counted.expression() if counted is not None else literal(0)
    return (
        select(Region.name, Organisation.is_sample | Region.is_sample, waiting)
        .join(Organisation, Organisation.region_code == Region.code)
        .where(Organisation.id == bindparam("frame_organisation"))
    )


def navigation_of(actor: Actor) -> tuple[NavigationEntry, ...]:
    """Return the pages of the actor's kind of organisation, and those of their roles there.

    Learners see nothing of a school but what they may open.
    """
    kind = actor.organisation_kind
    if kind is None or not actor.roles & ROLES_OF[kind]:
        return ()
    opening = (OPENING,) if actor.roles & CLASSROOM else ()
    if actor.roles == {Role.LEARNER}:
        return opening
    entries = tuple(
        entry for entry in NAVIGATION[kind] if actor.roles & ONLY_FOR.get(entry.href, actor.roles)
    )
    if Role.TEACHER in actor.roles:
        opening = (*opening, CREDITS)
    return (*opening, *entries) if actor.roles <= CLASSROOM else (*entries, *opening)


def home_of(actor: Actor) -> str:
    """Return the address at which the actor begins their work."""
    navigation = navigation_of(actor)
    return navigation[0].href if navigation else "/"
