"""Schools of a bulk purchase change while money is committed for it, or are proposed twice."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

import procurement.bulk_school_proposals
import procurement.commitments
from kernel.clock import FixedClock
from kernel.errors import AlreadyExists, SchoolNotPaidFor
from kernel.ids import OrganisationId, SelectionId, new_id
from kernel.unit import Units
from procurement.agreement_requests import request_ceiling
from procurement.verification import verify
from settlement.funding_lines import issue_amount, open_line
from settlement.models import AgreementDraw, FundingLine
from tests.support.bulk_builders import Buyer, a_buyer, another_ceiling, joins, standings
from tests.support.settlement_builders import SYSTEM

pytestmark = pytest.mark.faults

Beside = Callable[[Callable[[], Any]], Future[Any]]
JOINING = date(2026, 9, 10)
WAITING = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture
def buyer(units: Units, clock: FixedClock) -> Buyer:
    clock.at = datetime(2026, 8, 20, 1, tzinfo=UTC)
    return a_buyer(units)


@pytest.fixture
def beside(units: Units) -> Iterator[Beside]:
    """Start an act on a thread of its own, and return once it waits for somebody's lock."""
    with ThreadPoolExecutor(1) as pool:

        def start(act: Callable[[], Any]) -> Future[Any]:
            started = pool.submit(act)
            for _ in range(200):
                with units.engine.connect() as connection:
                    if connection.scalar(WAITING):
                        return started
                time.sleep(0.05)
            raise AssertionError("it waited for nobody")

        yield start


def before(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, act: Callable[[], None]
) -> None:
    """Have `act` done once, just before a function of a module is called."""
    found, left = getattr(module, name), [act]

    def first(*args: Any, **kwargs: Any) -> Any:
        if left:
            left.pop()()
        return found(*args, **kwargs)

    monkeypatch.setattr(module, name, first)


def earmarked(buyer: Buyer) -> UUID:
    """A line of the bureau's with 50.00 for the first two schools only."""
    with buyer.units(SYSTEM) as unit:
        payer_id = unit.session.scalars(
            select(FundingLine.payer_id).where(FundingLine.id == buyer.line_id)
        ).one()
        line_id = open_line(
            unit,
            OrganisationId(payer_id),
            fiscal_year=2026,
            source="special_fund",
            restriction={"schools": buyer.codes[:2]},
        )
        issue_amount(unit, line_id, amount_fen=5_000, key=f"bulk:{new_id()}", memo="test")
        return line_id


def asked(buyer: Buyer, number: str) -> SelectionId:
    """Ask for 20.00 more."""
    with buyer.units(buyer.county.actor("bureau")) as unit:
        return request_ceiling(unit, number, ceilings={2026: 3_000}, reason="用量高")


def paying(buyer: Buyer) -> dict[UUID, int]:
    with buyer.units(SYSTEM) as unit:
        draws = unit.session.scalars(select(AgreementDraw)).all()
        return {draw.line_id: draw.ceiling_fen for draw in draws}


def users(buyer: Buyer, number: str) -> int:
    return len(standings(buyer, number))


def test_no_school_joins_for_whom_money_that_is_being_committed_may_not_pay(
    buyer: Buyer, beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R18, R24: the raise has read who uses it; who joins meanwhile waits, and is refused."""
    number = buyer.bought(dict.fromkeys(buyer.codes[:2], 500), ceiling_fen=1_000)
    line_id = earmarked(buyer)
    raised = asked(buyer, number)
    proposal = buyer.propose(number, joins(buyer.codes[2], 1_000, JOINING))
    joining: list[Future[Any]] = []
    before(
        monkeypatch,
        procurement.commitments,
        "lock_purse",
        lambda: joining.append(beside(lambda: buyer.check(proposal))),
    )
    buyer.sign(raised)
    assert isinstance(joining[0].exception(), SchoolNotPaidFor)
    assert (paying(buyer)[line_id], users(buyer, number)) == (2_000, 2)
    assert verify(buyer.units, SYSTEM) == []


def test_no_money_is_committed_that_may_not_pay_for_a_school_that_is_joining(
    buyer: Buyer, beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R18, R24: the check has seen what pays; the raise waits, and takes the general line."""
    number = buyer.bought(dict.fromkeys(buyer.codes[:2], 500), ceiling_fen=1_000)
    earmarked(buyer)
    raised = asked(buyer, number)
    proposal = buyer.propose(number, joins(buyer.codes[2], 1_000, JOINING))
    signing: list[Future[Any]] = []
    before(
        monkeypatch,
        procurement.bulk_school_proposals,
        "change_schools",
        lambda: signing.append(beside(lambda: buyer.sign(raised))),
    )
    buyer.check(proposal)
    signing[0].result()
    assert (paying(buyer), users(buyer, number)) == ({buyer.line_id: 3_000}, 3)
    assert verify(buyer.units, SYSTEM) == []


def test_of_two_proposals_for_one_school_at_once_the_second_is_refused(
    buyer: Buyer, beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R24."""
    number = buyer.bought(dict.fromkeys(buyer.codes, 500))
    second: list[Future[Any]] = []
    wish = another_ceiling(buyer.codes[0], 700)
    before(
        monkeypatch,
        procurement.bulk_school_proposals,
        "judge_schools",
        lambda: second.append(beside(lambda: buyer.propose(number, wish))),
    )
    buyer.check(buyer.propose(number, another_ceiling(buyer.codes[0], 900)))
    assert isinstance(second[0].exception(), AlreadyExists)
    assert standings(buyer, number)[0][0] == 900
