"""Facts of a ranking that are changed behind the database's back are named by `market verify`."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import pytest
from sqlalchemy import select, text

from kernel.clock import parse_month, shanghai_day
from kernel.unit import Unit, Units
from settlement.agreement_ends import EndWhy, end_agreement
from settlement.models import Agreement
from settlement.verify.ranking_facts import check_ranking_facts
from settlement.verify.rankings import check_rankings
from settlement.verify.recompute import CHECKS
from tests.support.draws import drawn_before
from tests.support.ranking_builders import (
    BAD,
    MARCH,
    a_contest,
    audited,
    lived,
    ranked,
    said,
    suspended,
)
from tests.support.settlement_builders import SYSTEM
from tests.support.standing_builders import an_appeal
from tests.support.worlds import a_world

RATING: Final = "rating of version"
DRAW: Final = "sample of bureau"
AUDIT: Final = "audit of version"
OPENED: Final = "dispute "
DECIDED: Final = "decision of dispute"
ENDED: Final = "end of agreement"
ADMITTED: Final = "admission of version"
RUN: Final = "ranking of 2026-"
CONFIG: Final = "ranking configuration"
STRUCK: Final = "evidence of school"
ANYBODY: Final = "(SELECT id FROM person ORDER BY id DESC LIMIT 1)"
ONE: Final = "(SELECT id FROM {0} ORDER BY id LIMIT 1)"
MISSING: Final = "and there is none"
PLANTED: Final = "it is not in the trail"
UPHELD: Final = "WHERE outcome = 'upheld'"

# Two snapshots of one kind and cell change places, digits and all.
SWAPPED: Final = """
WITH pair AS (
    SELECT run_id, kind, cell, min(score) AS low, max(score) AS high FROM score_snapshot
    WHERE kind = 'resource' GROUP BY run_id, kind, cell
)
UPDATE score_snapshot s SET inputs = o.inputs, inputs_digest = o.inputs_digest, score = o.score,
    sd = o.sd, p_bad = o.p_bad, schools = o.schools, is_newcomer = o.is_newcomer, place = o.place,
    place_low = o.place_low, place_high = o.place_high, band = o.band, result = o.result
FROM score_snapshot o JOIN pair p ON (p.run_id, p.kind, p.cell) = (o.run_id, o.kind, o.cell)
WHERE (s.run_id, s.kind, s.cell) = (p.run_id, p.kind, p.cell)
    AND (s.score, o.score) IN ((p.low, p.high), (p.high, p.low))
"""
PLANTED_RATINGS: Final = """
INSERT INTO rating (id, person_id, school_id, resource_id, version_id, launch_id, stars, at)
SELECT gen_random_uuid(), person_id, school_id, resource_id, version_id, launch_id, 5, at
FROM rating WHERE stars = 1
"""
PLANTED_AUDIT: Final = """
INSERT INTO blind_sample (id, bureau_id, seed, version_id, drawn_by, drawn_at, passed, judged_by,
    judged_at, note)
SELECT gen_random_uuid(), bureau_id, 'planted', version_id, drawn_by, drawn_at, true, judged_by,
    judged_at, note FROM blind_sample LIMIT 1
"""
PLANTED_STRIKE: Final = """
INSERT INTO struck_evidence (appeal_id, school_id, component, vendor_id, cell, until, reason)
SELECT gen_random_uuid(), school_id, component, vendor_id, cell, until, reason FROM struck_evidence
"""
PLANTED_RUN: Final = """
INSERT INTO score_run (id, month, number, config_version, priors, counts, digest, ran_at, ran_by)
SELECT gen_random_uuid(), month, number + 9, config_version, priors, counts, digest, ran_at, ran_by
FROM score_run
"""
MOVED_ADMISSION: Final = f"""
UPDATE admission SET version_id = {ONE.format("resource")} WHERE id = {ONE.format("admission")}
"""

# A statement, how each of its findings begins, what one of them says, and what one says where acts
# are those of before: None where the trail of then has nothing to compare with.
CASES: Final[list[tuple[str, str | tuple[str, str], str, str | None]]] = [
    (
        "UPDATE rating SET stars = 5 WHERE stars = 1",
        RATING,
        "stars is 5, the trail says 1",
        MISSING,
    ),
    ("UPDATE rating SET at = at - interval '400 days'", RATING, "it is of 2025-", "it is of 2025-"),
    (f"UPDATE rating SET person_id = {ANYBODY}", RATING, "person is", PLANTED),
    (
        f"UPDATE rating SET version_id = {ONE.format('version')} WHERE stars = 4",
        *(RATING, "version is", PLANTED),
    ),
    (
        "UPDATE rating SET school_id = (SELECT id FROM organisation WHERE kind = 'bureau' LIMIT 1)",
        *(RATING, "school is", "school is"),
    ),
    ("DELETE FROM rating WHERE stars = 1", RATING, MISSING, MISSING),
    ("DELETE FROM rating WHERE stars = 2", RATING, MISSING, MISSING),
    (PLANTED_RATINGS, RATING, PLANTED, PLANTED),
    ("UPDATE blind_sample SET passed = NOT passed", AUDIT, "passed is", "passed is"),
    ("UPDATE blind_sample SET note = '改'", AUDIT, "note is '改'", "note is '改'"),
    (f"UPDATE blind_sample SET judged_by = {ANYBODY}", AUDIT, "by is", "by is"),
    (
        "UPDATE blind_sample SET judged_at = judged_at - interval '2 years'",
        AUDIT,
        "it is of 2024-",
        "it is of 2024-",
    ),
    (f"UPDATE blind_sample SET drawn_by = {ANYBODY}", DRAW, "by is", "by is"),
    ("UPDATE blind_sample SET drawn_at = '2024-01-01'", DRAW, "it is of 2024-", "it is of 2024-"),
    ("DELETE FROM blind_sample WHERE NOT passed", (DRAW, AUDIT), "drawn is 2", "drawn is 2"),
    (
        f"UPDATE blind_sample SET version_id = {ONE.format('resource')} WHERE passed IS NULL",
        *(DRAW, "versions is", None),
    ),
    ("DELETE FROM blind_sample", (DRAW, AUDIT), MISSING, MISSING),
    (PLANTED_AUDIT, (DRAW, AUDIT), PLANTED, PLANTED),
    (
        f"UPDATE dispute SET reason = 'not-our-learners' {UPHELD}",
        *(OPENED, "reason is 'not-our-learners', the trail says 'unusable'", "reason is"),
    ),
    (f"UPDATE dispute SET opened_by = 'system' {UPHELD}", OPENED, "by is 'system'", "by is"),
    ("UPDATE dispute SET opened_at = '2024-01-01'", OPENED, "it is of 2024-", "it is of 2024-"),
    ('UPDATE dispute SET evidence = \'{"part": "x"}\'', OPENED, "part is 'x'", None),
    (f"UPDATE dispute SET outcome = 'dismissed' {UPHELD}", DECIDED, "outcome is", "outcome is"),
    ("UPDATE dispute SET credit_fen = 1", DECIDED, "credit_fen is 1", "credit_fen is 1"),
    (
        "UPDATE dispute SET decided_at = decided_at - interval '2 years'",
        *(DECIDED, "it is of 2024-", "it is of 2024-"),
    ),
    ("DELETE FROM dispute", (OPENED, DECIDED), MISSING, MISSING),
    (
        "UPDATE agreement_end_reason SET why = 'curriculum-change'",
        *(ENDED, "why is 'curriculum-change', the trail says 'other'", None),
    ),
    (f"UPDATE agreement_end_reason SET said_by = {ANYBODY}", ENDED, "by is", "by is"),
    ("UPDATE agreement_end_reason SET said_at = '2024-01-01'", ENDED, "it is of", "it is of"),
    ("DELETE FROM agreement_end_reason", ENDED, MISSING, None),
    (
        f"UPDATE agreement_end_reason SET agreement_id = {ONE.format('agreement')}",
        *(ENDED, PLANTED, PLANTED),
    ),
    ("UPDATE admission SET decided_at = '2035-01-01'", ADMITTED, "it is of 2035-", "it is of 2035"),
    (f"UPDATE admission SET decided_by = {ANYBODY}", ADMITTED, "by is", "by is"),
    (
        f"UPDATE admission SET bureau_id = {ONE.format('resource')}",
        *(ADMITTED, "bureau is", None),
    ),
    ("UPDATE admission SET state = 'refused'", ADMITTED, MISSING, MISSING),
    (
        MOVED_ADMISSION,
        *(ADMITTED, PLANTED, PLANTED),
    ),
    (
        """UPDATE score_run SET counts = counts || '{"vendors": 99}'""",
        RUN,
        "counts is",
        "counts is",
    ),
    ("UPDATE score_run SET counts = counts - 'left_out'", RUN, "counts is", "counts is"),
    ("UPDATE score_run SET ran_by = 'x'", RUN, "by is 'x'", "by is 'x'"),
    ("UPDATE score_run SET ran_at = '2024-01-01'", (RUN, CONFIG), "it is of 2024", "it is of 2024"),
    ("UPDATE score_run SET number = number + 5", RUN, "number is", "number is"),
    (PLANTED_RUN, RUN, PLANTED, PLANTED),
    ("UPDATE ranking_config SET published_at = '2035-01-01'", CONFIG, "it is of", "it is of"),
    (PLANTED_STRIKE, STRUCK, "by an appeal that nobody made", "by an appeal that nobody made"),
    (
        "UPDATE struck_evidence SET until = until + interval '100 years'",
        *(STRUCK, "is struck out until 2126-", "is struck out until 2126-"),
    ),
    (
        "UPDATE struck_evidence SET cell = 'primary/数学/视频'",
        *(STRUCK, "of another standing", "of another standing"),
    ),
    ("UPDATE struck_evidence SET reason = '改'", STRUCK, "another reason", "another reason"),
    (
        "UPDATE standing_appeal SET outcome = 'dismissed'",
        *(STRUCK, "which was not upheld", "which was not upheld"),
    ),
    (SWAPPED, RUN, "has the inputs of another", "has the inputs of another"),
    (
        "UPDATE score_snapshot SET cell = 'primary/数学/视频' WHERE kind = 'resource'",
        *(RUN, "has the inputs of another", "has the inputs of another"),
    ),
]
NOT_TOLD_BEFORE: Final = ["at", "rating", "versions", "part", "why", "appeal", "bureau"]


@a_world
def with_all(units: Units) -> None:
    """All that a ranking rests on: opinions, one of them corrected, audits, one of them waiting,
    upheld disputes, a term that was given up, and an appeal that struck evidence out."""
    contest = suspended(units)
    units.clock.advance(timedelta(days=1))
    said(units, contest, {1: 2})
    audited(units, contest, failing=BAD, times=2)
    drawn_before(units, contest.bureau, contest.reviewers[2], seed="waits", size=1)
    school = contest.schools[0]
    with units(contest.heads[school.id]) as unit:
        number = unit.session.scalars(
            select(Agreement.number).where(
                Agreement.payer_id == school.id,
                Agreement.vendor_id == contest.sellers[BAD].organisation.id,
            )
        ).one()
        last_day = shanghai_day(unit.clock.now()) + timedelta(days=5)
        end_agreement(unit, number, last_day=last_day, reason="不再使用", why=EndWhy.OTHER)
    an_appeal(units, contest, upheld=True)


def as_before(units: Units) -> None:
    """Have acts tell what they told before the moment and more of a fact were told."""
    with units(SYSTEM) as unit:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        unit.session.execute(
            text(
                "UPDATE trail SET facts = facts - CAST(:names AS text[]), "
                "at = at + interval '3 seconds' WHERE act <> 'month.looked-at'"
            ),
            {"names": NOT_TOLD_BEFORE},
        )
        unit.session.execute(text("DELETE FROM trail WHERE act = 'ranking.published'"))


def found(unit: Unit) -> Iterator[str]:
    yield from check_rankings(unit)
    yield from check_ranking_facts(unit)


def planted(units: Units, statement: str) -> list[str]:
    """Return what is found after a statement that no trigger of a table sees; it is taken back."""
    with units(SYSTEM) as unit, unit.session.begin_nested() as nested:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        changed = unit.session.execute(text(statement))
        assert changed.rowcount > 0, statement
        findings = list(found(unit))
        nested.rollback()
    return findings


def test_the_check_is_part_of_verify() -> None:
    """R45."""
    assert check_ranking_facts in CHECKS


@pytest.mark.parametrize("before", [False, True], ids=["told", "as-before"])
def test_each_planted_difference_of_a_fact_is_named(units: Units, before: bool) -> None:
    """R45, R59: it and no other, also where acts of before told less; an honest run is clean."""
    with_all(units)
    if before:
        as_before(units)
    with units(SYSTEM) as unit:
        assert list(found(unit)) == []

    missed = []
    for statement, begins, told, told_before in CASES:
        says = told_before if before else told
        findings = planted(units, statement)
        named = any(says in one for one in findings) if says else not findings
        if not named or not all(one.startswith(begins) for one in findings):
            missed.append((statement, findings[:3]))

    assert missed == []


def test_a_moment_is_compared_to_the_second_where_its_act_tells_it(units: Units) -> None:
    """R45: acts of before stand for the hour in which they were written."""
    lived(units, a_contest(units), MARCH, {0: 5, 1: 3, BAD: 1})
    moved = "UPDATE rating SET at = at + interval '{}'"

    assert all("it is of" in one for one in planted(units, moved.format("1 second")))
    assert len(planted(units, moved.format("1 second"))) == 24
    as_before(units)
    assert planted(units, moved.format("59 minutes")) == []
    assert len(planted(units, moved.format("62 minutes"))) == 24


def test_opinions_of_before_and_of_now_are_told_apart(units: Units) -> None:
    """R45: of a teacher who rated before acts named their rating, and rates again since."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 3, BAD: 1})
    as_before(units)
    lived(units, contest, parse_month("2026-04"), {0: 5, 1: 4, BAD: 1})
    ranked(units, parse_month("2026-04"))
    with units(SYSTEM) as unit:
        assert list(found(unit)) == []

    assert len(planted(units, "DELETE FROM rating WHERE stars = 5")) == 16
    assert len(planted(units, "UPDATE rating SET stars = 2 WHERE stars = 3")) == 16
    assert len(planted(units, "UPDATE rating SET stars = 2 WHERE stars = 4")) == 8
