"""Whatever is changed of a standing behind the database's back is named by `market verify`."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import text

from kernel.actors import Role
from kernel.unit import Units
from settlement.ranking.due_process import let_exit
from settlement.ranking.returning import apply_to_return, decide_return
from settlement.ranking.runs import require_run
from settlement.verify.recompute import CHECKS
from settlement.verify.standing_trail import check_standing_trail
from settlement.verify.standings import check_standings
from tests.support.builders import a_person
from tests.support.ranking_builders import (
    BAD,
    departed,
    next_look,
    standing_of,
    suspended,
)
from tests.support.settlement_builders import SYSTEM
from tests.support.standing_builders import an_appeal


def found(units: Units) -> list[str]:
    with units(SYSTEM) as unit:
        return [*check_standings(unit), *check_standing_trail(unit)]


def planted(units: Units, statement: str, **given: object) -> list[str]:
    """Return what is found after a statement that no trigger of a table sees; it is taken back."""
    with units(SYSTEM) as unit, unit.session.begin_nested() as nested:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        changed = unit.session.execute(text(statement), given)
        assert changed.rowcount > 0, statement
        findings = [*check_standings(unit), *check_standing_trail(unit)]
        nested.rollback()
    return findings


def unnamed(units: Units, cases: Sequence[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Return the statements whose difference is not named as it should be."""
    missed = []
    for statement, named in cases:
        findings = planted(units, statement)
        if not any(named in one for one in findings):
            missed.append((statement, findings))
    return missed


def test_both_checks_are_part_of_verify() -> None:
    """R45."""
    assert {check_standings, check_standing_trail} <= {*CHECKS}


def test_a_whole_course_with_return_differs_in_nothing(units: Units) -> None:
    """R44, R45: notice, suspension, exit, the end, and the way back."""
    contest = departed(units)
    assert found(units) == []
    units.clock.advance(timedelta(days=367))
    standing = standing_of(units, contest)
    for granted in (False, True):
        with units(contest.sellers[BAD].manager) as unit:
            apply_to_return(unit, standing.id, claim="更换了内容团队")
        with units(contest.reviewers[2]) as unit:
            decide_return(unit, standing.id, granted=granted, note="已核实")
    assert standing_of(units, contest).state == "newcomer"
    assert found(units) == []
    assert planted(units, "UPDATE standing_return SET outcome = 'granted', note = '改'") != []
    for change, says in (
        (f"UPDATE standing_return SET made_by = ({SIGNER})", "is made by"),
        (f"UPDATE standing_return SET decided_by = ({SIGNER})", "is decided by"),
        ("UPDATE standing_return SET claim = '改'", "another claim"),
        ("DELETE FROM standing_return WHERE outcome = 'granted'", "1 applications"),
    ):
        assert any(says in one for one in planted(units, change)), change


NOTICE = "UPDATE standing_event SET {} WHERE because = 'notice'"
LAST = "run_id = (SELECT run_id FROM standing_look ORDER BY month DESC LIMIT 1)"


SIGNER = "SELECT signed_by FROM standing_event WHERE because = 'notice'"
EVENT_OF_APPEAL = """
UPDATE standing_appeal SET event_id = (
    SELECT id FROM standing_event WHERE because = 'notice' ORDER BY number LIMIT 1)
"""
OF_A_COURSE = [
    ("UPDATE standing_look SET p_bad = 0.01 WHERE p_bad >= 0.7", "p_bad is 0.010000"),
    ("UPDATE standing_look SET score = 99", "score is 99.0000"),
    ("UPDATE standing_look SET is_newcomer = NOT is_newcomer", "is_newcomer is"),
    (f"UPDATE standing_look SET fresh = '[]' WHERE {LAST}", "looks are not those"),
    ("UPDATE standing_look SET at = at - interval '9 days'", "looks are not those"),
    (f"DELETE FROM standing_look WHERE {LAST}", "there is none, and the run has a score"),
    ("UPDATE standing SET state = 'watch' WHERE state = 'no_new_schools'", "its events give"),
    ("UPDATE standing SET since = since - 30", "its events give"),
    (NOTICE.format("note = '改过的理由'"), "another note"),
    (NOTICE.format(LAST), "another run"),
    (NOTICE.format("appeal_by = appeal_by + 30"), "another appeal_by"),
    (NOTICE.format("at = at - interval '9 days', day = day - 9"), "the trail says"),
    (NOTICE.format("because = 'suspension'"), "which nothing does"),
    ("DELETE FROM standing_event WHERE because = 'notice'", "there is no such event"),
    ("DELETE FROM standing_event WHERE because = 'suspension'", "there is no such event"),
    ("DELETE FROM standing_event", "there is no such event"),
    ("UPDATE standing_notice SET mend_by = mend_by - 180", "its term ends on"),
    ("UPDATE standing_notice SET note = '改'", "another note than the event"),
    (
        "UPDATE standing_notice SET items = jsonb_set(items, '{0,what,stars}', '1')",
        "does not name what its run has",
    ),
    ("DELETE FROM standing_notice", "is not there"),
    ("DELETE FROM standing", "the trail tells of it, and there is none"),
]
OF_AN_APPEAL = [
    (False, "UPDATE standing_appeal SET outcome = 'upheld'", "the trail says dismissed"),
    (False, "UPDATE standing_appeal SET outcome = 'upheld'", "no event follows it"),
    (True, "UPDATE standing_appeal SET outcome = 'dismissed'", "was not upheld"),
    (True, "UPDATE standing_appeal SET note = '改'", "another note"),
    (True, "UPDATE standing_appeal SET claim = '改'", "another claim"),
    (True, "UPDATE standing_appeal SET contested = '[]'", "another contested"),
    (True, "UPDATE standing_appeal SET made_on = made_on + 30", "was not in time"),
    (True, "DELETE FROM standing_appeal", "0 appeals"),
    (True, "DELETE FROM struck_evidence WHERE component = 'ratings'", "struck out"),
    (True, "DELETE FROM score_run WHERE number = 2", "its run is gone"),
    (True, f"UPDATE standing_appeal SET decided_by = ({SIGNER})", "is decided by"),
    (True, f"UPDATE standing_appeal SET made_by = ({SIGNER})", "is made by"),
    (True, EVENT_OF_APPEAL, "another event"),
]


def test_each_planted_difference_of_a_course_is_named(units: Units) -> None:
    """R44, R45."""
    suspended(units)

    missed = unnamed(units, OF_A_COURSE)

    assert (found(units), missed) == ([], [])


@pytest.mark.parametrize("upheld", [True, False])
def test_each_planted_difference_of_an_appeal_is_named(units: Units, upheld: bool) -> None:
    """R44, R45: with what it struck out, and the run that follows."""
    an_appeal(units, suspended(units), upheld=upheld)

    missed = unnamed(units, [case[1:] for case in OF_AN_APPEAL if case[0] is upheld])

    assert (found(units), missed) == ([], [])


def test_who_signs_for_somebody_who_could_not_is_named(units: Units) -> None:
    """R44: a teacher, a reviewer whose role was over, and another reviewer than the trail says."""
    contest = suspended(units)
    with units(SYSTEM) as unit:
        teacher = a_person(unit, contest.schools[0], [Role.TEACHER])
    signed = NOTICE.format("signed_by = :who")
    findings = planted(units, signed, who=teacher.person_id)
    assert any("who was no reviewer for it then" in one for one in findings)
    findings = planted(units, signed, who=contest.reviewers[2].person_id)
    assert not any("was no reviewer" in one for one in findings)
    assert any("the trail says" in one for one in findings)
    findings = planted(
        units,
        "UPDATE role_grant SET granted_until = granted_from + interval '1 day'"
        " WHERE role = 'admission'",
    )
    assert any("who was no reviewer for it then" in one for one in findings)


def test_an_exit_before_the_days_to_appeal_were_over_is_named(units: Units) -> None:
    """R44."""
    contest = suspended(units)
    next_look(units, contest)
    with units(contest.reviewers[1]) as unit:
        let_exit(unit, standing_of(units, contest).id, note="整改无效", seen=require_run(unit).id)
    assert found(units) == []

    findings = planted(
        units,
        "UPDATE standing_event SET appeal_by = appeal_by + 300 WHERE because = 'suspension'",
    )

    assert any("before the days to appeal against the suspension" in one for one in findings)
