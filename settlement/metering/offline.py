"""What a launch without a network is worth, judged when it comes in (R31).

Nothing is asked of the present: who was enrolled, and which agreement was in force, is asked of the
day on which the box opened the resource.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, insert, select

from catalog.visibility import known_resources
from kernel.actors import Role
from kernel.clock import parse_moment, shanghai_day
from kernel.errors import InvalidDate
from kernel.identity.models import Enrolment, Learner, Person, RoleGrant
from kernel.identity.recording import among
from kernel.identity.secret import person_hash
from kernel.ids import new_learner_id
from kernel.unit import Unit
from settlement.agreement_items import parts_by_pack, version_under
from settlement.metering.ingest import CLOCK_SKEW
from settlement.metering.launches import agreements_on
from settlement.metering.models import ClassroomDevice
from settlement.metering.package_file import LONGEST_TEXT, PackedLaunch
from settlement.metering.pseudonyms import learner_pseudonym
from settlement.models import Agreement

KINDS: Final = frozenset({"learner", "class"})
COMPARED: Final = ("device_id", "kind", "class_name", "issued_at")
"""What a launch that is sent again must say as before, beside its learner and resource."""


@dataclass(slots=True)
class _Known:
    """A person of the roster: their random number if they have one, and where they were when."""

    person_id: UUID
    learner_id: UUID | None
    teaches: bool
    enrolments: list[tuple[UUID, date, date | None]] = field(default_factory=list)

    def learns_at(self, school_id: UUID, day: date) -> bool:
        return any(
            school == school_id and joined_on <= day and (left_on is None or left_on > day)
            for school, joined_on, left_on in self.enrolments
        )


class LaunchJudge:
    """Judges the launches of one package of a box."""

    def __init__(
        self, unit: Unit, device: ClassroomDevice, launches: Sequence[PackedLaunch]
    ) -> None:
        self._unit = unit
        self._device = device
        self._latest = unit.clock.now() + CLOCK_SKEW
        self._lasts = timedelta(hours=unit.settings.launch_hours)
        self._hash_of = {
            number: person_hash(unit.settings, number)
            for number in {packed.learner for packed in launches}
        }
        self._people = _people(unit, set(self._hash_of.values()), school_id=device.school_id)
        keys = {(packed.vendor_code, packed.sku) for packed in launches}
        self._resources = {
            key: resource.id for key, resource in known_resources(unit, keys).items()
        }
        self._agreements: dict[tuple[UUID, date], Agreement | None] = {}
        self._versions: dict[tuple[UUID, UUID], UUID] = {}
        self._packs: dict[UUID, bool] = {}

    def judged(self, packed: PackedLaunch) -> dict[str, Any] | str:
        """Return the launch's row, or the reason for which it can't be made."""
        issued_at = _moment(packed.issued_at)
        if issued_at is None:
            return "unreadable-time"
        wrong = _wrong_in_itself(packed) or ("time-in-future" if issued_at > self._latest else "")
        person = self._people.get(self._hash_of[packed.learner])
        resource_id = self._resources.get((packed.vendor_code, packed.sku))
        if wrong or person is None:
            return wrong or "unknown-learner"
        day = shanghai_day(issued_at)
        if not self._is_here(person, packed.kind, day):
            return "other-school"
        if resource_id is None:
            return "unknown-resource"
        agreement = self._agreement(resource_id, day)
        if agreement is None or self._is_pack(agreement, resource_id):
            return "no-agreement" if agreement is None else "pack-named"
        return self._row(packed, person, agreement, resource_id=resource_id, issued_at=issued_at)

    def _row(
        self,
        packed: PackedLaunch,
        person: _Known,
        agreement: Agreement,
        *,
        resource_id: UUID,
        issued_at: datetime,
    ) -> dict[str, Any]:
        learner_id = self._number_of(person)
        return {
            "id": packed.id,
            "payer_id": agreement.payer_id,
            "agreement_id": agreement.id,
            "vendor_id": agreement.vendor_id,
            "resource_id": resource_id,
            "version_id": self._version_under(agreement, resource_id),
            "school_id": self._device.school_id,
            "learner_id": learner_id,
            "kind": packed.kind,
            "class_name": packed.class_name,
            "session_id": packed.session or packed.id.hex,
            "pseudonym": learner_pseudonym(
                self._unit.settings, learner_id, vendor_id=agreement.vendor_id
            ),
            "device_id": self._device.id,
            "issued_at": issued_at,
            "expires_at": issued_at + self._lasts,
        }

    def is_same(self, packed: PackedLaunch, known: Mapping[str, Any]) -> bool:
        """Whether a launch says again what is known of it; an erased learner can't be compared."""
        said = {
            "device_id": self._device.id,
            "kind": packed.kind,
            "class_name": packed.class_name,
            "issued_at": _moment(packed.issued_at),
        }
        person = self._people.get(self._hash_of[packed.learner])
        return (
            all(known[name] == said[name] for name in COMPARED)
            and (person is None or person.learner_id == known["learner_id"])
            and self._resources.get((packed.vendor_code, packed.sku)) == known["resource_id"]
        )

    def _is_here(self, person: _Known, kind: str, day: date) -> bool:
        """Whether the person taught or learnt at the box's school."""
        if kind == "class":
            return person.teaches
        return person.learns_at(self._device.school_id, day)

    def _agreement(self, resource_id: UUID, day: date) -> Agreement | None:
        key = (resource_id, day)
        if key not in self._agreements:
            found = agreements_on(
                self._unit, school_id=self._device.school_id, resource_id=resource_id, day=day
            )
            self._agreements[key] = found[0] if found else None
        return self._agreements[key]

    def _is_pack(self, agreement: Agreement, resource_id: UUID) -> bool:
        """Whether this is the pack itself, which nobody opens, and not one of its parts."""
        if agreement.resource_id != resource_id:
            return False
        if agreement.id not in self._packs:
            self._packs[agreement.id] = bool(parts_by_pack(self._unit, [agreement.version_id]))
        return self._packs[agreement.id]

    def _version_under(self, agreement: Agreement, resource_id: UUID) -> UUID:
        key = (agreement.id, resource_id)
        if key not in self._versions:
            self._versions[key] = version_under(self._unit, agreement, resource_id)
        return self._versions[key]

    def _number_of(self, person: _Known) -> UUID:
        """Return the person's random number; a teacher gets theirs with their first launch."""
        if person.learner_id is None:
            person.learner_id = new_learner_id()
            self._unit.session.execute(
                insert(Learner).values(id=person.learner_id, person_id=person.person_id)
            )
        return person.learner_id


def _wrong_in_itself(packed: PackedLaunch) -> str:
    texts = (packed.class_name, packed.session)
    if packed.kind not in KINDS or any(len(text) > LONGEST_TEXT for text in texts):
        return "malformed-launch"
    return ""


def _moment(text: str) -> datetime | None:
    try:
        return parse_moment(text)
    except InvalidDate:
        return None


def _people(unit: Unit, numbers: set[bytes], *, school_id: UUID) -> dict[bytes, _Known]:
    """Return the people of these hashed numbers, and who of them has taught at the school."""
    teaches = (
        select(func.count())
        .select_from(RoleGrant)
        .where(
            RoleGrant.person_id == Person.id,
            RoleGrant.organisation_id == school_id,
            RoleGrant.role == Role.TEACHER,
        )
        .correlate(Person)
        .scalar_subquery()
    )
    rows = unit.session.execute(
        select(Person.person_no_hash, Person.id, Learner.id, teaches > 0)
        .outerjoin(Learner, Learner.person_id == Person.id)
        .where(among(Person.person_no_hash, numbers))
    )
    people = {
        number: _Known(person_id, learner_id, taught)
        for number, person_id, learner_id, taught in rows
    }
    by_learner = {known.learner_id: known for known in people.values() if known.learner_id}
    for enrolment in unit.session.scalars(
        select(Enrolment).where(among(Enrolment.learner_id, by_learner))
    ):
        by_learner[enrolment.learner_id].enrolments.append(
            (enrolment.school_id, enrolment.joined_on, enrolment.left_on)
        )
    return people
