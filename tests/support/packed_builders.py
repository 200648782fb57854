"""A vendor that sells parts in a pack to all schools of a contest, for tests of the ranking."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text

from catalog.packs import parts_of
from kernel.actors import Actor, Role
from kernel.clock import SHANGHAI, Month
from kernel.identity.models import Organisation
from kernel.ids import ResourceId, new_id
from kernel.unit import Unit, Units
from settlement.agreements import Draw
from settlement.dispute_rules import DisputeReason
from settlement.disputes import answer_dispute, dispute_line
from settlement.metering.models import Launch
from settlement.metering.sources import admit_source
from settlement.models import Agreement, StatementLine
from tests.support.builders import a_listed_version, a_person, a_resource, a_vendor, acting_as
from tests.support.pack_builders import a_pack
from tests.support.ranking_builders import Contest, move_to
from tests.support.settlement_builders import SYSTEM, an_agreement, deliver
from tests.support.usage_builders import a_report


@dataclass(frozen=True, slots=True)
class Packed:
    """A vendor whose pack of a Chinese and a maths part every school of the contest agreed on."""

    vendor: Organisation
    manager: Actor
    pack: ResourceId
    source: str = "packs"


def packed(units: Units, contest: Contest, *, ends_on: date = date(2026, 12, 31)) -> Packed:
    with units(SYSTEM) as unit:
        vendor = a_vendor(unit)
        manager = a_person(unit, vendor, [Role.VENDOR_MANAGER])
        a_resource(unit, vendor, "P-1")
        a_resource(unit, vendor, "P-2", subject="数学")
        pack = a_pack(unit, vendor, ("P-1", "P-2"))
        with acting_as(unit, contest.reviewers[0]):
            admit_source(
                unit, code="packs", name="资源方上报", trust="ticketed", organisation_id=vendor.id
            )
        for school in contest.schools:
            agreed(unit, school, vendor, pack, reference="PACK", ends_on=ends_on)
    return Packed(vendor, manager, pack)


def agreed(
    unit: Unit,
    school: Organisation,
    vendor: Organisation,
    resource_id: ResourceId,
    *,
    reference: str,
    starts_on: date = date(2026, 3, 1),
    ends_on: date = date(2026, 12, 31),
) -> None:
    line_id = unit.session.scalar(
        text("SELECT id FROM funding_line WHERE payer_id = :payer"), {"payer": school.id}
    )
    assert isinstance(line_id, UUID)
    an_agreement(
        unit,
        school,
        vendor_id=vendor.id,
        resource_id=resource_id,
        draws=[Draw(line_id, 10_000)],
        unit_price="0.5000",
        reference=reference,
        starts_on=starts_on,
        ends_on=ends_on,
    )


def taught(
    units: Units,
    contest: Contest,
    seller: Packed,
    month: Month,
    *,
    parts: Sequence[int] = (0,),
    name: str = "packs",
) -> None:
    """Have every teacher use these parts of the pack once in the month."""
    at = datetime(month.year, month.month, 12, 9, tzinfo=SHANGHAI).astimezone(UTC)
    launches = []
    with units(SYSTEM) as unit:
        items = parts_of(unit, a_listed_version(unit, seller.pack))
        agreements = {
            one.payer_id: one
            for one in unit.session.scalars(
                select(Agreement).where(
                    Agreement.resource_id == seller.pack,
                    Agreement.starts_on <= at.date(),
                    Agreement.ends_on >= at.date(),
                )
            )
        }
        for school in contest.schools:
            for teacher in contest.teachers[school.id]:
                for part in parts:
                    launch = Launch(
                        id=new_id(),
                        payer_id=school.id,
                        agreement_id=agreements[school.id].id,
                        vendor_id=seller.vendor.id,
                        resource_id=items[part].resource_id,
                        version_id=items[part].version_id,
                        school_id=school.id,
                        learner_id=teacher.learner_id,
                        kind="class",
                        class_name="三年级1班",
                        session_id=f"{teacher.learner_id}-{part}-{at:%m%d}",
                        pseudonym="ps-1",
                        device_id=None,
                        issued_at=at,
                        expires_at=at + timedelta(hours=2),
                    )
                    unit.session.add(launch)
                    launches.append(launch.id)
    move_to(units, max(units.clock.now(), at + timedelta(hours=8)))
    rows = [
        a_report(one, f"{one}", occurred_at=at + timedelta(minutes=10), session="s")
        for one in launches
    ]
    outcomes = deliver(units, rows, source=seller.source, name=f"{name}-{at:%Y-%m-%d}.csv")
    assert {one.outcome for one in outcomes} == {"accepted"}, outcomes


def wronged(units: Units, contest: Contest, seller: Packed, month: Month) -> None:
    """Have every school dispute its line of the pack, all of which is given back."""
    for school in contest.schools:
        with units(SYSTEM) as unit:
            line = unit.session.scalars(
                select(StatementLine)
                .join(Agreement, Agreement.id == StatementLine.agreement_id)
                .where(
                    StatementLine.payer_id == school.id,
                    StatementLine.month == month,
                    Agreement.resource_id == seller.pack,
                )
            ).one()
        with units(contest.heads[school.id]) as unit:
            dispute_id = dispute_line(
                unit, line.id, reason=DisputeReason.UNUSABLE, claim="打不开", claimed_fen=0
            )
        with units(seller.manager) as unit:
            answer_dispute(unit, dispute_id, answer="全部退回", offered_fen=line.amount_fen)
