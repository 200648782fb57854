"""Small builders on which tests of every package stand; all go through the real services.

Use them in a unit of the system. What a test does not say gets a value that fits.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from itertools import count
from uuid import UUID

from sqlalchemy import select
from stdnum.cn import uscc

from catalog.admission import decide_admission, propose_admission
from catalog.offers import OfferRow, record_offers
from catalog.queries import latest_versions, resources_by_key
from catalog.resources import CatalogueRow, record_catalogue
from kernel.actors import Actor, OrganisationKind, Role, system_actor
from kernel.errors import NotFound
from kernel.identity.credentials import set_password
from kernel.identity.grants import actor_of
from kernel.identity.models import Learner, Organisation
from kernel.identity.organisations import (
    BureauRow,
    EvaluatorRow,
    SchoolRow,
    VendorRow,
    organisation_by_code,
    record_bureaus,
    record_evaluators,
    record_schools,
    record_vendors,
)
from kernel.identity.people import RosterRow, persons_by_no, record_roster
from kernel.identity.regions import RegionRow, record_regions
from kernel.ids import LearnerId, ResourceId, VersionId
from kernel.outcomes import Fate, RowOutcome
from kernel.unit import Unit

PROVINCE, CITY, COUNTY = "990000", "990100", "990121"
JOINED_ON = date(2025, 9, 1)
PASSWORD = "correct horse battery"

_numbers = count(1)


@contextmanager
def acting_as(unit: Unit, actor: Actor) -> Iterator[Unit]:
    """Let another actor do something within an open unit."""
    before, unit.actor = unit.actor, actor
    try:
        yield unit
    finally:
        unit.actor = before


def took(outcomes: Sequence[RowOutcome]) -> None:
    """Fail with the reason unless every row was accepted or known already."""
    wrong = [one for one in outcomes if one.fate not in {Fate.ACCEPTED, Fate.DUPLICATE}]
    assert not wrong, [f"{one.fate} {one.field}: {one.error}" for one in wrong]


def a_region_tree(unit: Unit) -> Organisation:
    """Make a province, a city and a county under the nation; return the county's bureau."""
    rows = [
        RegionRow(code=PROVINCE, name="清江省"),
        RegionRow(code=CITY, name="云澜市"),
        RegionRow(code=COUNTY, name="青禾县"),
    ]
    took(record_regions(unit, rows))
    return a_bureau(unit, region_code=COUNTY, name="青禾县教育局")


def a_bureau(unit: Unit, *, region_code: str, name: str = "") -> Organisation:
    row = BureauRow(region_code=region_code, name=name or f"{region_code}教育局")
    took(record_bureaus(unit, [row]))
    return organisation_by_code(unit, OrganisationKind.BUREAU, code=region_code)


def a_school(
    unit: Unit,
    *,
    code: str = "",
    region_code: str = COUNTY,
    stages: Sequence[str] = ("primary",),
    parent: Organisation | None = None,
    small_rural: bool = False,
) -> Organisation:
    """Make a school, or with `parent` a teaching point of it."""
    code = code or f"{2_199_000_000 + next(_numbers)}"
    row = SchoolRow(
        code=code,
        name=f"学校{code}",
        region_code=region_code,
        parent_code=parent.code if parent else "",
        stages=tuple(stages),
        setting="rural",
        small_rural=small_rural,
    )
    took(record_schools(unit, [row]))
    return organisation_by_code(unit, OrganisationKind.SCHOOL, code=code)


def a_uscc() -> str:
    """Return a 统一社会信用代码 with a right check digit, another one each time."""
    body = f"91990121MA{next(_numbers):07d}"
    return body + str(uscc.calc_check_digit(body))


def a_vendor(unit: Unit, *, code: str = "", region_code: str = COUNTY) -> Organisation:
    """Make a firm that sells."""
    code = code or a_uscc()
    row = VendorRow(code=code, name=f"公司{code}", region_code=region_code)
    took(record_vendors(unit, [row]))
    return organisation_by_code(unit, OrganisationKind.VENDOR, code=code)


def a_selling_teacher(unit: Unit, school: Organisation, *, code: str = "") -> Organisation:
    """Make a teacher of `school` who sells."""
    code = code or f"T-{next(_numbers)}"
    row = VendorRow(
        code=code,
        name=f"教师{code}",
        region_code=school.region_code,
        vendor_kind="teacher",
        school_code=school.code,
    )
    took(record_vendors(unit, [row]))
    return organisation_by_code(unit, OrganisationKind.VENDOR, code=code)


def an_evaluator(unit: Unit) -> Organisation:
    """Make a third party of the county that evaluates, not admitted anywhere yet."""
    code = a_uscc()
    took(record_evaluators(unit, [EvaluatorRow(code=code, name="评估中心", region_code=COUNTY)]))
    return organisation_by_code(unit, OrganisationKind.EVALUATOR, code=code)


def a_person(
    unit: Unit,
    organisation: Organisation,
    roles: Sequence[Role],
    *,
    login: str | None = None,
    person_no: str | None = None,
    password: str = "",
    name: str = "",
) -> Actor:
    """Make a person with roles from now on (and a password, if given); return their actor."""
    person_no = person_no or f"P{next(_numbers):08d}"
    row = RosterRow(
        person_no=person_no,
        name=name or f"教工{person_no}",
        organisation_kind=organisation.kind,
        organisation_code=organisation.code,
        roles=tuple(roles),
        login=login or "",
    )
    took(record_roster(unit, [row]))
    actor = actor_of(unit, person_no=person_no, via="test")
    if password and login and actor.person_id:
        set_password(unit, actor.person_id, login=login, password=password)
    return actor


def a_learner(
    unit: Unit,
    school: Organisation,
    person_no: str = "",
    *,
    left_on: date | None = None,
    joined_on: date = JOINED_ON,
    stage: str = "primary",
) -> LearnerId:
    """Enrol a learner; return the random number that use refers to."""
    person_no = person_no or f"L{next(_numbers):08d}"
    row = RosterRow(
        person_no=person_no,
        name=f"学生{person_no}",
        organisation_kind="school",
        organisation_code=school.code,
        roles=(Role.LEARNER,),
        stage=stage,
        joined_on=joined_on,
        left_on=left_on,
    )
    took(record_roster(unit, [row]))
    person = persons_by_no(unit, [person_no])[person_no]
    found = unit.session.scalar(select(Learner.id).where(Learner.person_id == person.id))
    assert found is not None
    return LearnerId(found)


def a_resource(
    unit: Unit,
    vendor: Organisation,
    sku: str = "",
    *,
    unit_price: str = "0.0200",
    listed: bool = True,
    kind: str = "",
    subject: str = "语文",
    valid_from: date = JOINED_ON,
) -> ResourceId:
    """Make a resource with an offer; `listed` by two reviewers of the county's bureau.

    Its kind is `personalised`, or `basic` if it is free.
    """
    sku = sku or f"S{next(_numbers):05d}"
    row = CatalogueRow(
        vendor_code=vendor.code,
        sku=sku,
        title=f"资源{sku}",
        kind=kind or ("personalised" if Decimal(unit_price) else "basic"),
        tier="basic",
        stage="primary",
        subject=subject,
        type="video",
        licence="CC BY 4.0",
    )
    offer = OfferRow(
        vendor_code=vendor.code,
        sku=sku,
        valid_from=valid_from,
        plan="per_use",
        unit_price_yuan=Decimal(unit_price),
    )
    took(record_catalogue(unit, [row]))
    took(record_offers(unit, [offer]))
    resource = resources_by_key(unit, [(vendor.code, sku)])[vendor.code, sku]
    if listed:
        version = latest_versions(unit, [resource.id])[ResourceId(resource.id)]
        admit(unit, [VersionId(version.id)])
    return ResourceId(resource.id)


def admit(unit: Unit, version_ids: Sequence[VersionId]) -> None:
    """Have versions proposed and decided by the county bureau's two reviewers."""
    first, second = (_reviewer(unit, number) for number in ("R-1", "R-2"))
    with acting_as(unit, first):
        propose_admission(unit, version_ids, note="材料齐全")
    with acting_as(unit, second):
        decide_admission(unit, version_ids, note="同意")


def a_listed_version(unit: Unit, resource_id: UUID) -> VersionId:
    """Return the newest version of a resource that a builder made."""
    return VersionId(latest_versions(unit, [resource_id])[ResourceId(resource_id)].id)


def _reviewer(unit: Unit, person_no: str) -> Actor:
    with acting_as(unit, system_actor("test")):
        try:
            return actor_of(unit, person_no=person_no, via="test")
        except NotFound:
            bureau = organisation_by_code(unit, OrganisationKind.BUREAU, code=COUNTY)
            return a_person(unit, bureau, [Role.ADMISSION], person_no=person_no)
