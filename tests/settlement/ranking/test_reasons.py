"""What a place hangs on: with a school left out, by its cell alone, and who is next above."""

from decimal import Decimal

from kernel.clock import parse_month
from kernel.unit import Units
from settlement.queries.ranking_reasons import reasons_of
from settlement.queries.rankings import ranking_of, why
from settlement.ranking.measuring import measure_all
from settlement.ranking.models import ScoreSnapshot
from settlement.ranking.runs import priors_of, rules_of, subject_from
from tests.support.ranking_builders import CELL, a_contest, lived, ranked, said
from tests.support.settlement_builders import SYSTEM

MARCH, APRIL = (parse_month(f"2026-{month:02d}") for month in (3, 4))


def test_a_place_says_what_it_hangs_on(units: Units) -> None:
    """R45: the school that raises a score most and the one that lowers it most, without names."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 3, 2: 1})
    said(units, contest, {1: 5}, schools=[0])
    lived(units, contest, APRIL)
    run = ranked(units, APRIL).run

    with units(SYSTEM) as unit:
        config = rules_of(unit, run).ranking
        rows = ranking_of(unit, run, kind="vendor", cell=CELL)
        found = [reasons_of(unit, run, why(unit, run, key=row.key, cell=CELL)) for row in rows]
        kept = unit.session.get_one(ScoreSnapshot, (run.id, "vendor", rows[1].subject_id, CELL))
        subject = subject_from(kept.inputs)
        (alone,) = measure_all([subject], priors_of(run, "vendor"), config)

    assert alone.score.score == rows[1].score
    assert found[0].above is None and found[0].ahead is None
    assert [one.above.key for one in found[1:] if one.above] == [rows[0].key, rows[1].key]
    for row, one in zip(rows[1:], found[1:], strict=True):
        assert one.ahead is not None
        gain = sum((points for _, points in one.ahead.parts), start=Decimal(0))
        assert one.above is not None
        assert abs(one.above.score - row.score - gain) <= Decimal("0.0004")
        assert one.ahead.certainty == row.sd - one.above.sd
    second = found[1]
    assert second.without_friend is not None and second.without_friend < rows[1].score
    assert 0 < second.expected < 100
