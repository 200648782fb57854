"""Launches, and what vendors report of them, for tests of metering."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select

from kernel.actors import Role
from kernel.identity.models import Learner, Person
from kernel.identity.secret import person_hash
from kernel.ids import new_id
from kernel.unit import Units
from settlement.metering.ingest import UsageRow
from settlement.metering.models import Launch
from settlement.metering.sources import admit_source
from settlement.models import Agreement
from tests.support.builders import a_person, acting_as
from tests.support.settlement_builders import SYSTEM, Market, at

TICKETS = "vendor-tickets"
PSEUDONYM = "ps-1"


def a_ticketed_source(
    units: Units, market: Market, *, code: str = TICKETS, organisation_id: UUID | None = None
) -> str:
    """Admit the market's vendor as a source that reports uses of launches; return its code."""
    with units(SYSTEM) as unit:
        reviewer = a_person(unit, market.bureau, [Role.ADMISSION], person_no="S-1")
        with acting_as(unit, reviewer):
            admit_source(
                unit,
                code=code,
                name="资源方上报",
                trust="ticketed",
                organisation_id=organisation_id or market.vendor.id,
            )
    return code


def a_launch(
    units: Units,
    market: Market,
    *,
    launch_id: UUID | None = None,
    issued_at: datetime | None = None,
    lasts: timedelta = timedelta(hours=2),
    **facts: Any,
) -> UUID:
    """Open the market's resource for its learner L1 (08:00 on 2 March); return the launch's id."""
    launch_id = launch_id or new_id()
    issued_at = issued_at or at(2, 8)
    with units(SYSTEM) as unit:
        agreement = unit.session.get_one(Agreement, market.agreement_id)
        learner_id = unit.session.scalars(
            select(Learner.id)
            .join(Person, Person.id == Learner.person_id)
            .where(Person.person_no_hash == person_hash(units.settings, "L1"))
        ).one()
        launch = {
            "payer_id": agreement.payer_id,
            "agreement_id": agreement.id,
            "vendor_id": agreement.vendor_id,
            "resource_id": agreement.resource_id,
            "version_id": agreement.version_id,
            "school_id": market.school.id,
            "learner_id": learner_id,
            "kind": "learner",
            "class_name": "",
            "session_id": "sitting-1",
            "pseudonym": PSEUDONYM,
            "device_id": None,
            **facts,
        }
        unit.session.add(
            Launch(id=launch_id, issued_at=issued_at, expires_at=issued_at + lasts, **launch)
        )
        unit.session.flush()
    return launch_id


def a_report(
    launch_id: UUID | None,
    event_id: str = "e1",
    *,
    occurred_at: datetime | None = None,
    **facts: Any,
) -> UsageRow:
    """Return a vendor's report of one use of a launch, at 08:30 on 2 March."""
    row = UsageRow(
        event_id=event_id,
        occurred_at=occurred_at or at(2, 8, 30),
        learner_hash=b"",
        vendor_code="",
        sku="",
        launch_id=launch_id,
        pseudonym=PSEUDONYM,
    )
    return msgspec.structs.replace(row, **facts)


def an_attested_source(units: Units, market: Market, *, code: str, organisation_id: UUID) -> None:
    """Admit an organisation's own system as a source without tickets."""
    with units(SYSTEM) as unit:
        reviewer = a_person(unit, market.bureau, [Role.ADMISSION], person_no="S-1")
        with acting_as(unit, reviewer):
            admit_source(
                unit, code=code, name="自有系统", trust="attested", organisation_id=organisation_id
            )
