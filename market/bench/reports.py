"""A generated month of reports: master data, launches, and the uses that a vendor reports of them.

For N uses there are N/2 launches, N/333 agreements and a tenth as many schools of 100 learners. The
uses come in two shapes, as events of launches and as rows of a file without; ids are random, as
vendors make them.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import select, text

from kernel.actors import Role
from kernel.clock import Month, month_bounds
from kernel.copying import copy_rows
from kernel.identity.models import NATION, Learner, Organisation, Person, Region, RegionClosure
from kernel.identity.secret import person_hash
from kernel.ids import new_id, new_learner_id
from kernel.unit import Unit
from market.bench.scratch import past_the_reviewers
from market.bench.workload import TERMS
from settlement.agreements import terms_digest
from settlement.metering.models import UsageSource
from settlement.metering.partitions import ensure_partitions

USES_PER_AGREEMENT = 333
USES_PER_LAUNCH = 2
AGREEMENTS_PER_SCHOOL = 10
LEARNERS_PER_SCHOOL = 100
TICKETS, LOG = "bench-tickets", "bench-log"
VENDOR_CODE = "BENCH-VENDOR"
LAUNCH_COLUMNS = (
    *("id", "payer_id", "agreement_id", "vendor_id", "resource_id", "version_id", "school_id"),
    *("learner_id", "kind", "class_name", "session_id", "pseudonym", "device_id", "issued_at"),
    "expires_at",
)


@dataclass(frozen=True, slots=True)
class Use:
    """One use in both shapes, and what it becomes in the books."""

    event_id: str
    at: datetime
    launch_id: UUID
    pseudonym: str
    session: str
    school_code: str
    person_no: str
    sku: str
    payer_id: UUID
    agreement_id: UUID
    resource_id: UUID
    learner_id: UUID

    def event(self) -> dict[str, object]:
        return {
            "id": self.event_id,
            "source": TICKETS,
            "type": "cn.xuanyong.usage.v1",
            "time": self.at,
            "subject": self.pseudonym,
            "data": {"launch": self.launch_id},
        }

    def row(self) -> dict[str, str]:
        return {
            "event_id": self.event_id,
            "time": self.at.isoformat(),
            "school_code": self.school_code,
            "learner": self.person_no,
            "vendor_code": VENDOR_CODE,
            "sku": self.sku,
            "session": self.session,
            "quantity": "1",
        }


@dataclass(frozen=True, slots=True)
class Reports:
    """What was generated: who reports, and the uses in the order in which they are sent."""

    month: Month
    vendor_id: UUID
    source_id: UUID
    uses: list[Use]


def build_reports(unit: Unit, month: Month, *, events: int) -> Reports:
    """Fill an empty database with what `events` uses need, all but the uses; return these."""
    agreements = max(events // USES_PER_AGREEMENT, AGREEMENTS_PER_SCHOOL)
    schools = max(agreements // AGREEMENTS_PER_SCHOOL, 1)
    vendor_id, source_id = _organisations(unit)
    resources = _resources(unit, vendor_id, number=max(agreements // 6, AGREEMENTS_PER_SCHOOL))
    uses = list(_uses(unit, month, vendor_id, resources, schools=schools, events=events))
    ensure_partitions(unit, [month])
    return Reports(month, vendor_id, source_id, uses)


def _organisations(unit: Unit) -> tuple[UUID, UUID]:
    """Make the nation with a bureau that admitted two sources, and the vendor of one of them."""
    session = unit.session
    if session.get(Region, NATION) is None:
        session.add(Region(code=NATION, name="bench", level="nation", parent_code=None))
        session.flush()
    if session.get(RegionClosure, (NATION, NATION)) is None:
        session.add(RegionClosure(ancestor_code=NATION, region_code=NATION, distance=0))
    bureau_id, vendor_id, person_id = new_id(), new_id(), new_id()
    for identity, kind, code in ((bureau_id, "bureau", NATION), (vendor_id, "vendor", VENDOR_CODE)):
        session.add(
            Organisation(
                id=identity, kind=kind, code=code, name="bench", region_code=NATION, facts={}
            )
        )
    session.flush()
    session.add(Person(id=person_id, organisation_id=bureau_id, person_no_hash=b"bench"))
    session.flush()
    sources = {TICKETS: ("ticketed", vendor_id), LOG: ("attested", None)}
    for code, (trust, organisation_id) in sources.items():
        session.add(
            UsageSource(
                id=new_id(),
                code=code,
                name=f"bench {Role.ADMISSION}",
                trust=trust,
                admitted_by=person_id,
                admitted_for=bureau_id,
                admitted_at=unit.clock.now(),
                organisation_id=organisation_id,
            )
        )
    session.flush()
    found = session.scalars(select(UsageSource.id).where(UsageSource.code == TICKETS)).one()
    return vendor_id, found


VERSIONS: Final = text(
    """
INSERT INTO version (id, resource_id, number, state, title, kind, tier, stage, subject, grade, type,
    metadata, digest, created_at)
SELECT v.id, v.resource_id, 1, 'listed', 'bench', 'personalised', 'basic', 'primary', '', '', '',
    '{}', '', now()
FROM unnest(CAST(:ids AS uuid[]), CAST(:resources AS uuid[])) AS v(id, resource_id)
"""
)


def _resources(unit: Unit, vendor_id: UUID, *, number: int) -> list[tuple[str, UUID, UUID]]:
    made = [(f"R{n}", new_id(), new_id()) for n in range(number)]
    copy_rows(
        unit,
        "resource",
        ("id", "vendor_id", "sku", "is_sample"),
        ((resource_id, vendor_id, sku, True) for sku, resource_id, _ in made),
    )
    with past_the_reviewers(unit):
        unit.session.execute(
            VERSIONS, {"ids": [one[2] for one in made], "resources": [one[1] for one in made]}
        )
    return made


def _uses(
    unit: Unit,
    month: Month,
    vendor_id: UUID,
    resources: list[tuple[str, UUID, UUID]],
    *,
    schools: int,
    events: int,
) -> Iterator[Use]:
    chance = random.Random(1)  # noqa: S311 - a workload, the same each time
    start, end = month_bounds(month)
    seconds = int((end - start).total_seconds()) - 7200
    known = [_school(unit, vendor_id, resources, number) for number in range(schools)]
    launches = []
    uses: list[Use] = []
    while len(uses) < events:
        school_id, school_code, learners, agreements = chance.choice(known)
        learner_id, person_no = chance.choice(learners)
        agreement_id, (sku, resource_id, version_id) = chance.choice(agreements)
        launch_id, pseudonym = new_id(), f"{chance.getrandbits(128):032x}"
        session = f"{chance.getrandbits(64):016x}"
        issued_at = start + timedelta(seconds=chance.randrange(seconds))
        launches.append(
            (
                *(launch_id, school_id, agreement_id, vendor_id, resource_id, version_id),
                *(school_id, learner_id, "learner", "", session, pseudonym, None),
                *(issued_at, issued_at + timedelta(hours=2)),
            )
        )
        for number in range(USES_PER_LAUNCH):
            uses.append(
                Use(
                    event_id=str(UUID(int=chance.getrandbits(128))),
                    at=issued_at + timedelta(seconds=60 * number + chance.randrange(30)),
                    launch_id=launch_id,
                    pseudonym=pseudonym,
                    session=session,
                    school_code=school_code,
                    person_no=person_no,
                    sku=sku,
                    payer_id=school_id,
                    agreement_id=agreement_id,
                    resource_id=resource_id,
                    learner_id=learner_id,
                )
            )
    copy_rows(unit, "launch", LAUNCH_COLUMNS, launches)
    chance.shuffle(uses)
    yield from uses[:events]


School = tuple[UUID, str, list[tuple[UUID, str]], list[tuple[UUID, tuple[str, UUID, UUID]]]]


def _school(
    unit: Unit, vendor_id: UUID, resources: list[tuple[str, UUID, UUID]], number: int
) -> School:
    """Make one school with its learners and agreements."""
    school_id, code = new_id(), f"{number:010d}"
    unit.session.add(
        Organisation(
            id=school_id, kind="school", code=code, name=code, region_code=NATION, facts={}
        )
    )
    unit.session.flush()
    learners = [
        (new_learner_id(), f"B{number:06d}{n:04d}", new_id()) for n in range(LEARNERS_PER_SCHOOL)
    ]
    copy_rows(
        unit,
        Person.__tablename__,
        ("id", "organisation_id", "person_no_hash"),
        (
            (person_id, school_id, person_hash(unit.settings, person_no))
            for _, person_no, person_id in learners
        ),
    )
    copy_rows(
        unit,
        Learner.__tablename__,
        ("id", "person_id"),
        ((learner_id, person_id) for learner_id, _, person_id in learners),
    )
    copy_rows(
        unit,
        "enrolment",
        ("learner_id", "school_id", "joined_on", "left_on", "stage", "grade", "class_name"),
        ((one[0], school_id, date(1, 1, 1), None, "", "", "") for one in learners),
    )
    agreements = []
    for k in range(AGREEMENTS_PER_SCHOOL):
        item = resources[(number * AGREEMENTS_PER_SCHOOL + k) % len(resources)]
        agreements.append((new_id(), item))
    copy_rows(
        unit,
        "agreement",
        (
            *("id", "number", "payer_id", "vendor_id", "resource_id", "version_id", "terms"),
            *("terms_digest", "ceiling_fen", "starts_on", "ends_on", "state", "opened_at"),
        ),
        (
            (
                *(agreement_id, f"{code}-{k}", school_id, vendor_id, resource_id, version_id),
                *(msgspec.json.encode(TERMS).decode(), terms_digest(dict(TERMS)), 1_000_000),
                *(date(2005, 1, 1), date(2199, 12, 31), "open", unit.clock.now()),
            )
            for k, (agreement_id, (_, resource_id, version_id)) in enumerate(agreements)
        ),
    )
    copy_rows(
        unit,
        "agreement_school",
        ("agreement_id", "school_id"),
        ((agreement_id, school_id) for agreement_id, _ in agreements),
    )
    return school_id, code, [(one[0], one[1]) for one in learners], agreements
