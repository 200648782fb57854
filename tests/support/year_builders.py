"""What happens in a county's year: uses of a resource, months that are stated and posted."""

from datetime import datetime

from kernel.actors import OrganisationKind, Role, system_actor
from kernel.clock import parse_month
from kernel.errors import NotFound
from kernel.identity.grants import actor_of
from kernel.identity.organisations import organisation_by_code
from kernel.identity.people import RosterRow, record_roster
from kernel.identity.secret import person_hash
from settlement.closing import settle
from settlement.confirmations import confirm_lines
from settlement.metering.ingest import UsageRow, begin_batch, finish_batch, ingest_rows
from settlement.metering.sources import admit_source
from tests.support.funding_builders import JOINED, SCHOOL, VENDOR, CountyBuilder


def used(
    county: CountyBuilder,
    *moments: datetime,
    school: str = SCHOOL,
    sku: str = "maths-1",
    name: str = "uses.csv",
) -> None:
    """Uses at these moments by one pupil of the school, who is enrolled where there is none."""
    with county.units(system_actor("test")) as unit:
        pupil = f"pupil-{school}"
        row = RosterRow(
            person_no=pupil,
            name=pupil,
            organisation_kind=OrganisationKind.SCHOOL,
            organisation_code=school,
            roles=(Role.LEARNER,),
            stage="primary",
            joined_on=JOINED,
        )
        record_roster(unit, [row])
        digest = repr((name, moments)).encode()
        try:
            batch = begin_batch(unit, "player", file_name=name, file_digest=digest)
        except NotFound:
            unit.actor = actor_of(unit, login="reviewer-1", via="test")
            admit_source(unit, code="player", name="播放器", trust="player")
            unit.actor = system_actor("test")
            batch = begin_batch(unit, "player", file_name=name, file_digest=digest)
        rows = [
            UsageRow(
                event_id=f"{name}-{number}",
                occurred_at=moment,
                learner_hash=person_hash(unit.settings, pupil),
                vendor_code=VENDOR,
                sku=sku,
            )
            for number, moment in enumerate(moments)
        ]
        outcomes = ingest_rows(unit, batch, rows, first_position=0)
        assert {one.outcome for one in outcomes} == {"accepted"}, outcomes
        finish_batch(unit, batch)


def settled(
    county: CountyBuilder, month: str, *, school: str = SCHOOL, confirmed: bool = True
) -> None:
    """State a month and, if it is to be confirmed, post it."""
    period = parse_month(month)
    settle(county.units, system_actor("test"), period)
    if confirmed:
        with county.units(county.actor(f"school_finance-{school}")) as unit:
            confirm_lines(
                unit,
                organisation_by_code(unit, OrganisationKind.SCHOOL, code=school).id,
                period,
            )
        settle(county.units, system_actor("test"), period)
