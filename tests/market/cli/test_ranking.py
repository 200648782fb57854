"""`market rank` on the database that the commands use: made once, the same again, recomputed."""

from kernel.unit import Units
from tests.support.ranking_builders import APRIL, MARCH, a_contest, lived


def test_a_month_is_ranked_once_and_its_digits_are_had_again(units: Units, market) -> None:
    """R45."""
    contest = a_contest(units)
    lived(units, contest, MARCH, {0: 5, 1: 3, 2: 1})
    lived(units, contest, APRIL)

    first = market("rank", "2026-04", "--json")
    again = market("rank", "2026-04", "--json")

    assert (first.status, first.json["is_new"], again.json["is_new"]) == (0, True, False)
    assert first.json | {"is_new": False} == again.json
    assert (first.json["vendors"], first.json["cells"], first.json["schools"]) == (3, 1, 4)
    assert market("rank", "2026-04").out.startswith("month")
    assert market("verify").status == 0
    wrong = market("rank", "2026-02")
    assert (wrong.status, "no statement of it" in wrong.err) == (1, True)
    assert market("rank", "May").status == 2
