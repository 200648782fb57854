"""An appeal that is upheld ranks a month again, while somebody else ranks: one waits for the other.

Whoever ranks locks the ranking first and all standings after it. An appeal that held its standing
while it waits for the ranking would be waited for by the ranking, and one of the two be undone.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select

import settlement.ranking.ranking
import settlement.ranking.standing_appeals
from kernel.clock import parse_month
from kernel.unit import Units
from settlement.ranking.models import ScoreRun, StandingAppeal
from settlement.ranking.ranking import rank
from settlement.ranking.standing_appeals import appeal_standing, decide_standing_appeal
from settlement.verify.rankings import check_rankings
from tests.faults.test_agreements_at_once import wait_for_a_lock
from tests.support.ranking_builders import BAD, Contest, lived, standing_of, suspended
from tests.support.settlement_builders import SYSTEM
from tests.support.standing_builders import last_event

OCTOBER, NOVEMBER = (parse_month(f"2026-{month}") for month in (10, 11))


@contextmanager
def meanwhile(
    units: Units,
    monkeypatch: pytest.MonkeyPatch,
    place: Any,
    name: str,
    act: Callable[[], object],
) -> Iterator[None]:
    """Have another thread act once a function is reached, which goes on when the thread waits."""
    failures: list[BaseException] = []

    def acting() -> None:
        try:
            act()
        except BaseException as failure:  # noqa: BLE001 (told to the test)
            failures.append(failure)

    other = threading.Thread(target=acting)
    found = getattr(place, name)

    def reached(*args: Any, **kwargs: Any) -> Any:
        if other.ident is None:
            other.start()
            wait_for_a_lock(units, other)
        return found(*args, **kwargs)

    monkeypatch.setattr(place, name, reached)
    yield
    assert other.ident is not None
    other.join(timeout=60)
    assert not other.is_alive()
    assert not failures


def appealed(units: Units) -> tuple[Contest, Any]:
    """A suspended vendor appeals, and November waits to be ranked."""
    contest = suspended(units)
    standing = standing_of(units, contest)
    with units(contest.sellers[BAD].manager) as unit:
        appeal = appeal_standing(
            unit,
            standing.id,
            event=last_event(unit, standing.id),
            claim="评价者未实际使用",
            contested=[1, 3],
        )
    lived(units, contest, NOVEMBER)
    return contest, appeal.id


def ranking(units: Units) -> None:
    with units(SYSTEM) as unit:
        rank(unit, NOVEMBER)


def upheld(units: Units, contest: Contest, appeal_id: Any) -> None:
    with units(contest.reviewers[2]) as unit:
        decide_standing_appeal(
            unit, appeal_id, upheld=True, note="评价者未实际使用", struck=[*range(1, 9)]
        )


def checked(units: Units, contest: Contest) -> list[tuple[int, int]]:
    """Return the runs of the last months; all is decided, and adds up."""
    with units(SYSTEM) as unit:
        assert unit.session.scalars(select(StandingAppeal.outcome)).all() == ["upheld"]
        assert list(check_rankings(unit)) == []
        runs = unit.session.scalars(
            select(ScoreRun).where(ScoreRun.month >= OCTOBER).order_by(ScoreRun.ran_at, ScoreRun.id)
        ).all()
    assert standing_of(units, contest).state == "normal"
    return [(one.month.month, one.number) for one in runs]


def test_an_appeal_that_comes_while_a_month_is_ranked_waits(
    units: Units, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R44: it is decided by what that ranking says, without what was struck out."""
    contest, appeal_id = appealed(units)

    with meanwhile(
        units,
        monkeypatch,
        settlement.ranking.ranking,
        "look_at",
        lambda: upheld(units, contest, appeal_id),
    ):
        ranking(units)

    assert sorted(checked(units, contest)) == [(10, 1), (11, 1), (11, 2)]


def test_a_ranking_that_comes_while_an_appeal_is_decided_waits(
    units: Units, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R44: the month before is ranked again by the appeal, then the month."""
    contest, appeal_id = appealed(units)

    with meanwhile(
        units,
        monkeypatch,
        settlement.ranking.standing_appeals,
        "rank_month",
        lambda: ranking(units),
    ):
        upheld(units, contest, appeal_id)

    assert sorted(checked(units, contest)) == [(10, 1), (10, 2), (11, 1)]
