"""What `verify` finds when one figure of the money was changed behind the database's back (R50)."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

import pytest
from sqlalchemy import event, text

from kernel.clock import FixedClock, Month, parse_month
from kernel.unit import Units
from settlement.agreements import Draw
from settlement.closing import settle
from settlement.dispute_rules import DisputeOutcome, DisputeReason
from settlement.disputes import decide_dispute, dispute_line
from settlement.verify.kept import KeptLine
from settlement.verify.recompute import verify
from settlement.verify.timeline import histories
from tests.support.builders import Role, a_person
from tests.support.plan_builders import a_line_of, a_purchase, a_teaching_point
from tests.support.settlement_builders import (
    APRIL,
    MARCH,
    SYSTEM,
    Market,
    a_market,
    a_use,
    at,
    confirm_all,
    deliver,
)
from tests.support.statement_readings import lines_by_month
from tests.support.worlds import a_world

OWN, LATE, NEXT = ("2026-03", "2026-03"), ("2026-04", "2026-03"), ("2026-04", "2026-04")
SKU = "2199000001-SKU-2"
MARCHS_USE = f"statement 2199000001-2026-03, agreement {SKU}, use of 2026-03"
APRILS = f"statement 2199000001-2026-04, agreement {SKU}"


@dataclass(frozen=True)
class Books:
    """Two posted months of an agreement on two funding lines, by a school and its point.

    March bills 7.00 of 7.33 (the ceiling), 5.00 from the surcharge, 2.00 from the per-student fund;
    a credit note of 1.50 makes room for what comes late and in April.
    """

    market: Market
    lines: dict[tuple[str, str], UUID]
    surcharge: UUID
    per_student: UUID
    point: UUID


def use(units: Units, market: Market, name: str, count: int, *, day: int = 2, **more) -> None:
    rows = [
        a_use(
            units,
            market,
            f"{name}{n}",
            at(day, 8 + n // 60, n % 60, month=more["month"]),
            learner=more.get("learner", "L1"),
        )
        for n in range(count)
    ]
    deliver(units, rows, name=name)


def close(units: Units, market: Market, month: Month) -> None:
    settle(units, SYSTEM, month)
    confirm_all(units, market, month)
    settle(units, SYSTEM, month)


@pytest.fixture
@a_world
def books(units: Units, clock: FixedClock) -> Books:
    market = a_market(units)
    point = a_teaching_point(units, market, learners=["P1"])
    with units(SYSTEM) as unit:
        surcharge = a_line_of(unit, market.school, source="surcharge", amount_fen=500)
        bureau = a_person(unit, market.bureau, [Role.BUREAU_FINANCE])
    bought = a_purchase(
        units,
        market,
        schools=[market.school, point],
        draws=[Draw(surcharge, 500), Draw(market.line_id, 200)],
    )
    use(units, bought, "march", 15, month=3)
    use(units, bought, "point", 7, month=3, learner="P1")
    settle(units, SYSTEM, MARCH)
    line_id = lines_by_month(units, bought)[OWN].id
    with units(market.finance) as unit:
        dispute_id = dispute_line(
            unit, line_id, reason=DisputeReason.QUANTITY_WRONG, claim="多算", claimed_fen=100
        )
    clock.at = at(20, month=8)
    with units(bureau) as unit:
        decide_dispute(
            unit, dispute_id, outcome=DisputeOutcome.UPHELD, credit_fen=150, note="部分成立"
        )
    use(units, bought, "late", 2, month=3, day=9)
    use(units, bought, "april", 1, month=4)
    for month in (MARCH, APRIL):
        close(units, market, month)
    assert verify(units, SYSTEM) == []
    lines = {key: line.id for key, line in lines_by_month(units, bought).items()}
    return Books(bought, lines, surcharge, market.line_id, point.id)


def plant(units: Units, *statements: str, **values: object) -> list[str]:
    """Change stored rows although their triggers refuse it; return what verify finds."""
    with units(SYSTEM) as unit:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            done = unit.session.execute(text(statement), values)
            assert done.rowcount > 0
    return verify(units, SYSTEM)


def test_lines_notes_and_corrections_are_what_their_sources_give(
    units: Units, books: Books
) -> None:
    """R33, R34, R41: above ceiling, draws in order, a credit, and what uses the room it left."""
    lines = lines_by_month(units, books.market)
    figures = {
        key: (one.rated_fen, one.above_ceiling_fen, one.drawn_fen) for key, one in lines.items()
    }
    assert figures == {OWN: (733, 33, 700), LATE: (67, 0, 67), NEXT: (33, 0, 33)}
    assert lines[OWN].explanation["funds"] == [
        {
            "fiscal_year": 2026,
            "source": "surcharge",
            "lapses_on": "2027-01-01",
            "ceiling_fen": 500,
            "left_before_fen": 500,
        },
        {
            "fiscal_year": 2026,
            "source": "per_student",
            "lapses_on": "2027-01-01",
            "ceiling_fen": 200,
            "left_before_fen": 200,
        },
    ]
    assert lines[LATE].explanation["ceiling_left_before_fen"] == 150
    assert [one["left_before_fen"] for one in lines[NEXT].explanation["funds"]] == [0, 83]


def test_a_fen_moved_from_drawn_to_uncovered_is_named(units: Units, books: Books) -> None:
    found = plant(
        units,
        "UPDATE statement_line SET drawn_fen = drawn_fen - 1, uncovered_fen = uncovered_fen + 1, "
        "vendor_fen = vendor_fen - 1 WHERE id = :line",
        "UPDATE statement_draw SET amount_fen = amount_fen - 1 "
        "WHERE line_id = :line AND funding_line_id = :fund",
        line=books.lines[OWN],
        fund=books.per_student,
    )
    assert f"{MARCHS_USE}: uncovered_fen is 0.01, its sources give 0.00" in found
    assert f"{MARCHS_USE}: drawn_fen is 6.99, its sources give 7.00" in found
    assert f"{MARCHS_USE}: drawn on 2026 per_student is 1.99, its sources give 2.00" in found
    assert not [one for one in found if "2026-04" in one]  # nothing that follows is called wrong


def test_a_draw_moved_to_another_line_is_named(units: Units, books: Books) -> None:
    """R34: the order of the lines is part of the bill."""
    found = plant(
        units,
        "UPDATE statement_draw SET amount_fen = amount_fen + CASE funding_line_id "
        "WHEN :fund THEN 1 ELSE -1 END WHERE line_id = :line",
        line=books.lines[OWN],
        fund=books.per_student,
    )
    assert f"{MARCHS_USE}: drawn on 2026 surcharge is 4.99, its sources give 5.00" in found
    assert f"{MARCHS_USE}: drawn on 2026 per_student is 2.01, its sources give 2.00" in found


def test_draws_in_another_order_are_named(units: Units, books: Books) -> None:
    found = plant(
        units,
        "UPDATE statement_draw SET position = 10 - position WHERE line_id = :line",
        line=books.lines[OWN],
    )
    assert [one for one in found if "order of draws is 2026 per_student 2026 surcharge" in one]


def test_a_fen_moved_from_above_the_ceiling_to_billed_is_named(units: Units, books: Books) -> None:
    found = plant(
        units,
        "UPDATE statement_line SET above_ceiling_fen = above_ceiling_fen - 1, "
        "amount_fen = amount_fen + 1, uncovered_fen = uncovered_fen + 1 WHERE id = :line",
        line=books.lines[OWN],
    )
    assert f"{MARCHS_USE}: above_ceiling_fen is 0.32, its sources give 0.33" in found
    assert f"{MARCHS_USE}: amount_fen is 7.01, its sources give 7.00" in found


def test_a_ceiling_that_was_not_left_is_named(units: Units, books: Books) -> None:
    """The room that a line says it had is compared with what came before it."""
    found = plant(
        units,
        "UPDATE statement_line SET explanation = "
        "jsonb_set(explanation, '{ceiling_left_before_fen}', '149') WHERE id = :line",
        line=books.lines[LATE],
    )
    assert found == [
        (
            f"{APRILS}, adjustment of 2026-03: what was left of the ceiling before is 1.49, "
            "its sources give 1.50"
        )
    ]


def test_a_fund_that_had_other_money_left_is_named(units: Units, books: Books) -> None:
    found = plant(
        units,
        "UPDATE statement_line SET explanation = "
        "jsonb_set(explanation, '{funds,1,left_before_fen}', '84') WHERE id = :line",
        line=books.lines[NEXT],
    )
    assert found == [
        (
            f"{APRILS}, use of 2026-04: what was left on 2026 per_student before is 0.84, "
            "its sources give 0.83"
        )
    ]


def test_a_fund_that_was_never_committed_is_named(units: Units, books: Books) -> None:
    found = plant(
        units,
        "UPDATE statement_line SET explanation = "
        "jsonb_set(explanation, '{funds,0,source}', '\"own_funds\"') WHERE id = :line",
        line=books.lines[OWN],
    )
    assert [one for one in found if "what was committed on 2026 own_funds is 5.00" in one]


@pytest.mark.parametrize("which", [OWN, LATE, NEXT])
def test_a_share_moved_from_the_vendor_to_the_fee_is_named(
    units: Units, books: Books, which: tuple[str, str]
) -> None:
    """R38: of own lines and corrections; and of the books, that the transfer moved otherwise."""
    found = plant(
        units,
        "UPDATE statement_line SET vendor_fen = vendor_fen - 1, fee_fen = fee_fen + 1 "
        "WHERE id = :line",
        line=books.lines[which],
    )
    assert [one for one in found if one.startswith("statement") and ": fee_fen is" in one]
    assert [one for one in found if one.startswith("transfer post:") and ": fee of" in one]


def test_a_share_moved_in_the_books_alone_is_named(units: Units, books: Books) -> None:
    """R50: payable, fee and retention keep no balance; each document's legs are compared."""
    found = plant(
        units,
        "UPDATE leg l SET amount_fen = amount_fen + CASE a.kind WHEN 'fee' THEN 1 ELSE -1 END "
        "FROM account a, transfer t WHERE a.id = l.account_id AND t.id = l.transfer_id "
        "AND a.kind IN ('fee', 'payable') AND t.key = :key",
        key=f"post:2199000001-2026-03:{SKU}:use:2026-03",
    )
    assert len(found) == 3
    assert all(one.startswith(f"transfer post:2199000001-2026-03:{SKU}") for one in found[:2])
    assert found[2].startswith(f"payee {books.market.vendor.code}: owed")
    assert f"payable of {books.market.vendor.code} moved" in found[1]


MOVE_PART = (
    "UPDATE statement_breakdown SET quantity = quantity + :quantity * sign, "
    "amount_fen = amount_fen + :fen * sign, explanation = jsonb_set(explanation, '{quantity}', "
    "to_jsonb((explanation ->> 'quantity')::int + :quantity * sign)) "
    "FROM (SELECT id, CASE id WHEN :point THEN 1 ELSE -1 END AS sign FROM organisation) k "
    "WHERE line_id = :line AND school_id = k.id"
)


def test_a_fen_moved_between_schools_is_named(units: Units, books: Books) -> None:
    """R24: by largest remainder; 4.77 and 2.23 of 7.00."""
    found = plant(units, MOVE_PART, line=books.lines[OWN], point=books.point, quantity=0, fen=1)
    assert f"{MARCHS_USE}: amount_fen of school 2199000901 is 2.24, its sources give 2.23" in found


def test_a_use_moved_between_schools_with_its_amount_is_named(units: Units, books: Books) -> None:
    """R24: what a school used is counted anew from its own events."""
    found = plant(units, MOVE_PART, line=books.lines[OWN], point=books.point, quantity=1, fen=32)
    march = f"2026-03, agreement {SKU}"
    assert f"{march}: line says 8 uses of school 2199000901; its usage gives 7 (rule" in str(found)


def test_a_credit_note_given_back_from_another_line_is_named(units: Units, books: Books) -> None:
    """R41: the last draw comes back first."""
    found = plant(
        units,
        "UPDATE credit_draw SET funding_line_id = :fund",
        fund=books.surcharge,
    )
    note = f"credit note 2199000001-2026-03-C1, agreement {SKU}, credit of 2026-03"
    assert f"{note}: drawn on 2026 surcharge is 1.50, its sources give 0.00" in found


def test_a_credit_notes_moved_share_is_named(units: Units, books: Books) -> None:
    found = plant(
        units,
        "UPDATE credit_note SET vendor_fen = vendor_fen - 1, fee_fen = fee_fen + 1",
    )
    assert [one for one in found if one.startswith("credit note") and ": fee_fen is" in one]


def test_a_wrong_balance_is_named_with_its_line(units: Units, books: Books) -> None:
    """R20: by account, payer, year and source."""
    found = plant(
        units,
        "UPDATE account SET balance = balance + 1 WHERE owner_id = :fund AND kind = 'available'",
        fund=books.per_student,
    )
    assert [one for one in found if "available of 2199000001 2026 per_student" in one]


def test_a_removed_leg_is_named_with_its_transfer(units: Units, books: Books) -> None:
    key = f"post:2199000001-2026-03:{SKU}:use:2026-03"
    found = plant(
        units,
        "DELETE FROM leg USING account a, transfer t WHERE a.id = account_id "
        "AND t.id = transfer_id AND a.kind = 'retention' AND t.key = :key",
        key=key,
    )
    assert [one for one in found if one.startswith(f"transfer {key}: money book is off by")]
    assert [one for one in found if one.startswith(f"transfer {key}: retention of")]


def test_a_carry_over_granted_later_makes_no_old_line_wrong(units: Units, books: Books) -> None:
    """R19: until when a line paid is kept with what was drawn from it."""
    with units(SYSTEM) as unit:
        unit.session.execute(
            text("UPDATE funding_line SET lapses_on = :day"), {"day": date(2027, 4, 1)}
        )
    assert verify(units, SYSTEM) == []


def test_a_line_from_before_funds_were_kept_goes_by_the_agreements_draws(
    units: Units, books: Books
) -> None:
    assert plant(units, "UPDATE statement_line SET explanation = explanation - 'funds'") == []
    found = plant(
        units,
        "UPDATE statement_draw SET amount_fen = amount_fen + CASE funding_line_id "
        "WHEN :fund THEN 1 ELSE -1 END WHERE line_id = :line",
        line=books.lines[OWN],
        fund=books.per_student,
    )
    assert [one for one in found if "drawn on 2026 surcharge is 4.99" in one]


def test_the_number_of_queries_hangs_on_no_number_of_lines(units: Units, books: Books) -> None:
    one, lines = queries_of(units)
    bought = [
        a_purchase(units, books.market, sku=f"MORE-{n}", draws=[Draw(books.per_student, 10)])
        for n in range(5)
    ]
    for market in bought:
        use(units, market, market.sku, 1, month=5)
    settle(units, SYSTEM, parse_month("2026-05"))
    more, many = queries_of(units)
    assert (more, many) == (one, lines + len(bought))


def queries_of(units: Units) -> tuple[int, int]:
    """Return how many statements making all lines again takes, and how many lines there are."""
    statements: list[str] = []

    def note(_connection, _cursor, statement: str, *_: object) -> None:
        statements.append(statement)

    with units(SYSTEM) as unit:
        event.listen(units.engine, "before_cursor_execute", note)
        try:
            found = [one for history in histories(unit) for one in history.events]
        finally:
            event.remove(units.engine, "before_cursor_execute", note)
    return len(statements), sum(isinstance(one, KeptLine) for one in found)
