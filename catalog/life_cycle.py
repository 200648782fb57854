"""Moving versions through their life cycle (R4): the only module that changes a version's state.

Decides by the table of `catalog.states` whether a move exists and who may make it, and leaves one
row in the trail for each version that moved. What must hold besides (findings, self-check, appeal)
is asked by the service that moves, before it does.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import select

from catalog.listings import hold_listings, refresh_listings
from catalog.models import Resource, Version
from catalog.reviewers import refuse_interest, require_reviewer
from catalog.states import LIFE_CYCLE, Party, Transition, VersionState
from kernel.actors import OrganisationKind, Role
from kernel.errors import Conflict, NotFound, ReasonRequired
from kernel.identity.recording import among
from kernel.trail import record
from kernel.unit import Unit

SHOWN: Final = frozenset({VersionState.LISTED, VersionState.SUSPENDED, VersionState.WITHDRAWN})
"""States into which a version goes when what the storefront shows changes."""


def move(
    unit: Unit, versions: Sequence[Version], target: VersionState, *, note: str = "", **facts: Any
) -> None:
    """Move locked versions on, in the actor's name; `facts` go into the trail.

    Raises `Conflict` for a move that the table does not know, `ReasonRequired` for one that says
    why, and what keeps the actor from making it.
    """
    steps = [_step(version, target) for version in versions]
    for step in set(steps):
        if step.says_why and not note.strip():
            raise ReasonRequired
    for party in {step.party for step in steps}:
        moved = [one for one, step in zip(versions, steps, strict=True) if step.party is party]
        _require_party(unit, party, moved)
    shown = {version.resource_id for version in versions} if target in SHOWN else set()
    hold_listings(unit, shown)
    for version, step in zip(versions, steps, strict=True):
        before, version.state = version.state, target
        record(
            unit,
            step.act,
            subject_kind="version",
            subject_id=version.id,
            resource=version.resource_id,
            number=version.number,
            title=version.title,
            before=before,
            after=target,
            note=note,
            **facts,
        )
    unit.session.flush()
    refresh_listings(unit, shown)


def _step(version: Version, target: VersionState) -> Transition:
    """Return the move from where a version stands; raise `Conflict` if the table has none."""
    step = LIFE_CYCLE.get((VersionState(version.state), target))
    if step is None:
        raise Conflict(what="version", key=version.title, state=version.state, wanted=target)
    return step


def require_own_vendor(unit: Unit, versions: Sequence[Version]) -> None:
    """Raise unless a manager of the versions' vendor acts: others' are not there for them."""
    actor = unit.actor
    actor.require("act for a vendor", Role.VENDOR_MANAGER)
    if actor.organisation_kind is not OrganisationKind.VENDOR:
        return  # the system, for a vendor that has no people here
    foreign = unit.session.scalars(
        select(Resource.sku)
        .where(
            among(Resource.id, {version.resource_id for version in versions}),
            Resource.vendor_id != actor.organisation_id,
        )
        .limit(1)
    ).first()
    if foreign is not None:
        raise NotFound(what="version", key=foreign)


def _require_party(unit: Unit, party: Party, versions: Sequence[Version]) -> None:
    if party is Party.VENDOR:
        require_own_vendor(unit, versions)
    else:
        refuse_interest(unit, require_reviewer(unit, "review"), versions)
