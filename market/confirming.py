"""Confirming a month in the name of each payer's finance person: for demonstrations and guides.

People confirm on their school's page; a script that runs a whole county confirms through this.
"""

from dataclasses import dataclass, field
from uuid import UUID

from kernel.actors import Actor, Role, system_actor
from kernel.clock import Month
from kernel.identity.grants import actor_of, person_with_role
from kernel.ids import OrganisationId
from kernel.unit import Unit, Units
from settlement.confirmations import confirm_lines
from settlement.periods import payers_of, stated_periods


@dataclass(slots=True)
class Confirmed:
    """Confirmed lines by payer code, and how many payers have nobody who may confirm."""

    lines: dict[str, int] = field(default_factory=dict)
    unheld: int = 0


def confirm_for_payers(
    units: Units,
    month: Month,
    *,
    via: str,
    payer_code: str | None = None,
    person: Actor | None = None,
) -> Confirmed:
    """Confirm what waits, statement by statement, each in a unit of its own finance person.

    `person`: only they act, for their own organisation.
    """
    with units(system_actor(via)) as unit:
        waiting = set(stated_periods(unit).get(month, []))
        payers = [one for one in payers_of(unit, month, payer_code=payer_code) if one in waiting]
        actors: list[Actor | None] = [
            person or _finance_person(unit, one, via=via) for one in payers
        ]
    done = Confirmed(unheld=actors.count(None))
    for actor in dict.fromkeys(actors):
        if actor is None or actor.organisation_id not in waiting:
            continue
        with units(actor) as unit:
            payer_id = OrganisationId(actor.organisation_id)
            done.lines[actor.organisation_code] = confirm_lines(unit, payer_id, month)
    return done


def _finance_person(unit: Unit, payer_id: UUID, *, via: str) -> Actor | None:
    for role in (Role.SCHOOL_FINANCE, Role.BUREAU_FINANCE):
        person = person_with_role(unit, payer_id, role)
        if person is not None:
            return actor_of(unit, person_id=person.id, via=via)
    return None
