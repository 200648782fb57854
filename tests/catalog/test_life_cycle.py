"""A version's life cycle: one table, one way through it, and a database that keeps it (R4)."""

import itertools

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from catalog.admission import decide_admission, propose_admission
from catalog.life_cycle import move
from catalog.models import Admission, Version
from catalog.reviewers import lock_versions
from catalog.states import FIRST_STATES, LIFE_CYCLE, VersionState
from catalog.submissions import withdraw
from catalog.takedowns import Ground, restore, take_down
from catalog.visibility import visible_versions
from kernel.actors import VISITOR, Role
from kernel.errors import Conflict, NotFound, ReasonRequired, Refused
from kernel.ids import new_id
from kernel.trail import TrailRow
from tests.support.admission_builders import Desk, a_desk
from tests.support.builders import a_person, a_resource, a_school
from tests.support.settlement_builders import SYSTEM


@pytest.fixture
def desk(units) -> Desk:
    return a_desk(units)


def set_state(desk: Desk, version_id, state: str) -> None:
    with desk.units(SYSTEM) as unit:
        unit.session.execute(
            text("UPDATE version SET state = :state WHERE id = :id"),
            {"state": state, "id": version_id},
        )


def acts_of(desk: Desk, version_id) -> list[tuple[str, str]]:
    with desk.units(SYSTEM) as unit:
        return [
            (row.act, row.actor_name)
            for row in unit.session.scalars(
                select(TrailRow).where(TrailRow.subject_id == str(version_id)).order_by(TrailRow.id)
            )
        ]


def test_each_move_of_a_life_names_who_made_it(desk):
    """R4, R59: from the draft to its withdrawal, with a takedown between."""
    version_id = desk.listed()
    with desk.units(desk.third) as unit:
        take_down(unit, version_id, ground=Ground.ERRORS, reason="第3页有误")
    with desk.units(desk.second) as unit:
        restore(unit, version_id, note="已更正")
    with desk.units(desk.manager) as unit:
        withdraw(unit, version_id, note="停产")
    assert acts_of(desk, version_id) == [
        ("version.drafted", "manager"),
        ("version.submitted", "manager"),
        ("admission.claimed", "first"),
        ("admission.proposed", "first"),
        ("admission.admitted", "second"),
        ("version.listed", "second"),
        ("version.taken_down", "third"),
        ("version.restored", "second"),
        ("version.withdrawn", "manager"),
    ]


def test_the_database_knows_the_same_table(desk):
    """R4: every pair of states that the table lacks is refused, whoever asks."""
    version_id = desk.listed()
    for before, after in itertools.permutations(VersionState, 2):
        with desk.units(SYSTEM) as unit:
            unit.session.execute(text("ALTER TABLE version DISABLE TRIGGER moves"))
            unit.session.execute(text("UPDATE version SET state = :state"), {"state": before})
            unit.session.execute(text("ALTER TABLE version ENABLE TRIGGER moves"))
        if (before, after) in LIFE_CYCLE:
            set_state(desk, version_id, after)
        else:
            with pytest.raises(DBAPIError, match="is refused"):
                set_state(desk, version_id, after)


@pytest.mark.parametrize("state", sorted(set(VersionState) - FIRST_STATES))
def test_nothing_begins_beyond_the_desk(desk, state):
    version_id = desk.draft()
    with pytest.raises(DBAPIError, match="begins as a draft"), desk.units(SYSTEM) as unit:
        version = unit.session.get_one(Version, version_id)
        unit.session.execute(
            text(
                "INSERT INTO version (id, resource_id, number, state, title, kind, tier, stage, "
                "subject, grade, type, metadata, digest, created_at) "
                "VALUES (:id, :resource, 9, :state, 'x', 'basic', 'basic', '', '', '', '', '{}', "
                "'', now())"
            ),
            {"id": new_id(), "resource": version.resource_id, "state": state},
        )


def admit_by_hand(desk: Desk, version_id, proposed_by, decided_by) -> None:
    """Write an admission as no service would, then list the version."""
    with desk.units(SYSTEM) as unit:
        admission = unit.session.scalars(
            select(Admission).where(Admission.version_id == version_id)
        ).one()
        admission.proposed_by = proposed_by.person_id
        admission.findings = {}
        unit.session.flush()
        admission.state, admission.verdict = "admitted", "admitted"
        admission.decided_by = decided_by.person_id
        admission.decided_at = unit.clock.now()
        unit.session.flush()
    for state in ("admitted", "listed"):
        set_state(desk, version_id, state)


def test_what_one_person_admitted_is_not_listed_by_the_database(desk):
    """R13: two different people, or the row itself is refused."""
    version_id = desk.claimed(desk.submitted())
    with pytest.raises(DBAPIError):
        set_state(desk, version_id, "admitted")
    with pytest.raises(DBAPIError):
        admit_by_hand(desk, version_id, desk.first, desk.first)
    with pytest.raises(DBAPIError):
        admit_by_hand(desk, version_id, desk.first, desk.second)  # no findings, no proposal
    assert desk.state(version_id) == "in_review"


def test_two_people_of_two_bureaus_admit_nothing(desk):
    version_id = desk.proposed(desk.submitted())
    with pytest.raises(DBAPIError, match="two reviewers of one bureau"):
        with desk.units(SYSTEM) as unit:
            admission = unit.session.scalars(select(Admission)).one()
            admission.state = "admitted"
            admission.decided_by = desk.upper.person_id
            admission.decided_at = unit.clock.now()
            unit.session.flush()
        set_state(desk, version_id, "admitted")


def test_what_was_proposed_stays_as_the_second_reviewer_saw_it(desk):
    version_id = desk.proposed(desk.submitted())
    for statement in (
        "UPDATE admission SET findings = '{}'",
        "UPDATE admission SET proposed_by = decided_by",
        "UPDATE admission SET verdict = 'refused'",
        "DELETE FROM admission",
    ):
        with pytest.raises(DBAPIError), desk.units(SYSTEM) as unit:
            unit.session.execute(text(statement))
    with desk.units(desk.second) as unit:
        decide_admission(unit, [version_id], note="同意")
    with pytest.raises(DBAPIError), desk.units(SYSTEM) as unit:
        unit.session.execute(text("UPDATE admission SET decision_note = 'x'"))


def test_a_takedown_is_lifted_only_by_its_restoring(desk):
    version_id = desk.listed()
    with desk.units(desk.first) as unit:
        take_down(unit, version_id, ground=Ground.RED_LINE, reason="内容不当")
    with pytest.raises(DBAPIError, match="under a takedown"):
        set_state(desk, version_id, "listed")


def test_a_move_that_the_table_lacks_is_a_conflict_and_some_say_why(desk):
    version_id = desk.listed()
    with desk.units(desk.first) as unit:
        versions = lock_versions(unit, [version_id])
        with pytest.raises(Conflict):
            move(unit, versions, VersionState.IN_REVIEW)
        with pytest.raises(ReasonRequired):
            move(unit, versions, VersionState.SUSPENDED)


def test_only_its_vendor_withdraws_a_version(desk):
    version_id = desk.submitted()
    with desk.units(desk.other_manager) as unit, pytest.raises(NotFound):
        withdraw(unit, version_id)
    with desk.units(desk.first) as unit, pytest.raises(Refused):
        withdraw(unit, version_id)
    with desk.units(desk.manager) as unit:
        withdraw(unit, version_id)
    with desk.units(desk.first) as unit, pytest.raises(Conflict):
        propose_admission(unit, [version_id], note="八项核对")


def seen(desk: Desk, actor) -> set:
    with desk.units(actor) as unit:
        return {version.id for version in unit.session.scalars(visible_versions(unit))}


def test_a_draft_is_its_vendors_alone_and_what_is_listed_everybodys(desk):
    """R4: a bureau sees what was submitted, a school and a visitor what is listed."""
    draft, submitted, listed = desk.draft("D"), desk.submitted("S"), desk.listed("L")
    with desk.units(SYSTEM) as unit:
        teacher = a_person(unit, a_school(unit), [Role.TEACHER])
    assert seen(desk, desk.manager) == {draft, submitted, listed}
    assert seen(desk, desk.first) == seen(desk, desk.upper) == {submitted, listed}
    assert seen(desk, desk.other_manager) == seen(desk, teacher) == seen(desk, VISITOR) == {listed}


def test_a_file_brings_versions_that_wait_for_the_desk(desk):
    with desk.units(SYSTEM) as unit:
        resource_id = a_resource(unit, desk.firm, "F", listed=False)
        found = unit.session.scalars(
            select(Version.state).where(Version.resource_id == resource_id)
        ).all()
    assert found == ["submitted"]
