"""A market whose learners and teachers open resources, for tests of launches and the player."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import select

from catalog.queries import resources_by_key
from catalog.resources import CatalogueRow, record_catalogue
from kernel.actors import Actor, Role
from kernel.identity.grants import actor_of
from kernel.identity.models import Organisation
from kernel.identity.people import RosterRow, record_roster
from kernel.ids import ResourceId
from kernel.unit import Unit, Units
from settlement.agreements import AgreementDraft, open_agreement
from settlement.metering.models import UsageEvent
from tests.support.builders import a_listed_version, a_person, admit, took
from tests.support.settlement_builders import FREE_TERMS, SYSTEM, Market, a_market
from tests.support.worlds import a_world

ELSEWHERE = "https://vendor.example/open"
CLASS = "三年级2班"


@dataclass(frozen=True, slots=True)
class Classroom:
    """A market with a pupil of class 三年级2班 and their teacher; everything has its agreement."""

    market: Market
    pupil: Actor
    teacher: Actor

    @property
    def school(self) -> Organisation:
        return self.market.school


@a_world
def a_classroom(units: Units, *, password: str = "") -> Classroom:
    """Build it at the clock's time; both sign in by their role's name if a password is given."""
    market = a_market(units)
    with units(SYSTEM) as unit:
        pupil = a_pupil(unit, market.school, "L3", login="pupil")
        teacher = a_person(unit, market.school, [Role.TEACHER], login="teacher", password=password)
    return Classroom(market, pupil, teacher)


def a_pupil(
    unit: Unit,
    school: Organisation,
    person_no: str,
    *,
    login: str = "",
    left_on: date | None = None,
) -> Actor:
    """Enrol a pupil of class 三年级2班; return their actor, whose standing is the enrolment."""
    row = RosterRow(
        person_no=person_no,
        name=f"学生{person_no}",
        organisation_kind="school",
        organisation_code=school.code,
        roles=(Role.LEARNER,),
        stage="primary",
        grade="三年级",
        class_name="2班",
        joined_on=date(2025, 9, 1),
        left_on=left_on,
        login=login,
    )
    took(record_roster(unit, [row]))
    return actor_of(unit, person_no=person_no, via="test")


def a_resource_elsewhere(
    unit: Unit, market: Market, *, sku: str = "OUT-1", address: str = ELSEWHERE
) -> ResourceId:
    """Make a listed resource of the market's vendor that is used at the vendor's own address."""
    row = CatalogueRow(
        vendor_code=market.vendor.code,
        sku=sku,
        title=f"外部资源{sku}",
        kind="basic",
        tier="basic",
        launch_url=address,
    )
    took(record_catalogue(unit, [row]))
    from_vendor = resources_by_key(unit, [(market.vendor.code, sku)])
    resource_id = ResourceId(from_vendor[market.vendor.code, sku].id)
    admit(unit, [a_listed_version(unit, resource_id)])
    return resource_id


def a_free_agreement(
    unit: Unit,
    market: Market,
    *,
    resource_id: ResourceId,
    sku: str,
    reference: str = "B-1",
    terms: dict[str, object] | None = None,
    starts_on: date = date(2026, 3, 1),
    schools: tuple[Organisation, ...] = (),
) -> str:
    """Open an agreement without a price for the market's school; return its number."""
    number = f"{market.school.code}-{reference}"
    open_agreement(
        unit,
        AgreementDraft(
            number=number,
            payer_id=market.school.id,
            vendor_id=market.vendor.id,
            resource_id=resource_id,
            version_id=a_listed_version(unit, resource_id),
            terms={**FREE_TERMS, "sku": sku, **(terms or {})},
            ceiling_fen=0,
            starts_on=starts_on,
            ends_on=date(2026, 6, 30),
            school_ids=[school.id for school in schools or (market.school,)],
        ),
    )
    return number


def events(units: Units) -> list[UsageEvent]:
    """Return all uses that were accepted, in the order in which they were."""
    with units(SYSTEM) as unit:
        return list(unit.session.scalars(select(UsageEvent).order_by(UsageEvent.sequence)))
