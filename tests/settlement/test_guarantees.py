"""What the database refuses, whatever the code does: the schema's guarantees."""

from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kernel.errors import BudgetExhausted
from kernel.trail import record, sequence_trail
from kernel.unit import Units
from settlement.agreements import Draw
from settlement.closing import settle
from settlement.ledger.posting import AccountKey, AccountKind, Entry, TransferDraft, post
from settlement.verify.recompute import verify
from tests.support.settlement_builders import (
    MARCH,
    SYSTEM,
    Market,
    a_market,
    a_use,
    an_agreement,
    at,
    confirm_all,
    deliver,
)
from tests.support.worlds import a_world

APPEND_ONLY = (
    "trail",
    "trail_link",
    "transfer",
    "leg",
    "offer",
    "quota",
    "funding_rule",
    "allocation",
    "census",
    "agreement_draw",
    "agreement_school",
    "statement",
    "statement_breakdown",
    "statement_draw",
    "usage_identity",
    "usage_event",
)


# A row for the tables that settling leaves empty; DELETE is refused row by row.
ROWS = {
    "quota": "INSERT INTO quota VALUES (gen_random_uuid(), '100000', 'primary', 'base', "
    "'2026-01-01', now(), 65000, 'test', true)",
    "funding_rule": "INSERT INTO funding_rule VALUES (gen_random_uuid(), '100000', 'per_student', "
    "'2026-01-01', now(), 100, 'primary', 0.05, 0.02, 0.1, 'test', 'each_term', 'school')",
    "allocation": "INSERT INTO allocation VALUES (gen_random_uuid(), gen_random_uuid(), 1, '{}', "
    "now(), 'test', gen_random_uuid(), NULL)",
    "census": "INSERT INTO census VALUES (gen_random_uuid(), gen_random_uuid(), 'primary', "
    "'enrolled', '2026-03-01', 'spring', 1)",
}


@pytest.fixture
@a_world
def settled(units: Units) -> Market:
    market = a_market(units)
    deliver(units, [a_use(units, market, f"e{n}", at(2, 8, n)) for n in range(9)])
    settle(units, SYSTEM, MARCH)
    confirm_all(units, market)
    settle(units, SYSTEM, MARCH)
    with units(SYSTEM) as unit:
        sequence_trail(unit)
    return market


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_append_only_tables_refuse_removal(
    units: Units, settled: Market, table: str, statement: str
) -> None:
    with units(SYSTEM) as unit:
        if not unit.session.scalar(text(f"SELECT count(*) FROM {table}")):
            unit.session.execute(text("SET LOCAL session_replication_role = replica"))
            unit.session.execute(text(ROWS[table]))
    with pytest.raises(DBAPIError, match="append-only"), units(SYSTEM) as unit:
        unit.session.execute(text(statement.format(table)))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trail SET act = 'x'",
        "UPDATE leg SET amount_fen = amount_fen + 1",
        "UPDATE transfer SET memo = 'x'",
        "UPDATE agreement SET ceiling_fen = ceiling_fen + 1",
        "UPDATE agreement SET terms = '{}'",
        "UPDATE statement_line SET amount_fen = amount_fen + 1, drawn_fen = drawn_fen + 1",
        "UPDATE statement SET number = 'x'",
        "UPDATE usage_event SET quantity = 2",
        "UPDATE usage_event_y2026m03 SET quantity = 2",
        "UPDATE version SET title = 'x'",
        "UPDATE account SET balance = balance + 1",
        "UPDATE account SET minimum = NULL",
        "UPDATE period SET state = 'open'",
        "UPDATE period SET sealed_sequence = 0",
        "UPDATE period SET fingerprint = 0",
        "TRUNCATE usage_event_y2026m03",
        "UPDATE funding_line SET fiscal_year = 2025",
        "UPDATE funding_line SET payer_id = gen_random_uuid()",
    ],
)
def test_what_is_recorded_cannot_be_changed(units: Units, settled: Market, statement: str) -> None:
    with pytest.raises(DBAPIError), units(SYSTEM) as unit:
        unit.session.execute(text(statement))


def test_an_unbalanced_transfer_is_refused(units: Units, settled: Market) -> None:
    with pytest.raises(DBAPIError, match="debits and credits differ"), units(SYSTEM) as unit:
        insert_legs(unit, [("D", 5), ("C", 4)])


def test_a_transfer_without_legs_is_refused_at_the_commit(units: Units, settled: Market) -> None:
    with pytest.raises(DBAPIError, match="has no legs"), units(SYSTEM) as unit:
        insert_legs(unit, [])


def test_legs_cannot_be_added_to_a_recorded_transfer(units: Units, settled: Market) -> None:
    with pytest.raises(DBAPIError, match="can't be added"), units(SYSTEM) as unit:
        unit.session.execute(
            text(
                "INSERT INTO leg SELECT transfer_id, 50 + position, account_id, side, amount_fen "
                "FROM leg"
            )
        )


def test_legs_of_an_unknown_account_are_refused(units: Units, settled: Market) -> None:
    with pytest.raises(DBAPIError, match="unknown account"), units(SYSTEM) as unit:
        insert_legs(unit, [("D", 5), ("C", 5)], account=uuid4())


def insert_legs(unit, sides, *, account=None) -> None:
    transfer = uuid4()
    unit.session.execute(
        text("INSERT INTO transfer VALUES (:id, :key, now(), '')"),
        {"id": transfer, "key": str(transfer)},
    )
    account = account or unit.session.scalar(
        text("SELECT id FROM account WHERE kind = 'fee' LIMIT 1")
    )
    if sides:
        values = ", ".join(f"({n}, '{side}', {fen})" for n, (side, fen) in enumerate(sides))
        unit.session.execute(
            text(
                "INSERT INTO leg SELECT :transfer, v.p, :account, v.s, v.m "
                f"FROM (VALUES {values}) AS v(p, s, m)"
            ),
            {"transfer": transfer, "account": account},
        )


def test_a_funding_account_never_falls_below_zero(units: Units, settled: Market) -> None:
    overdraw = TransferDraft(
        key="overdraw",
        memo="",
        entries=[
            Entry(
                debit=AccountKey(settled.line_id, AccountKind.PAID),
                credit=AccountKey(settled.line_id, AccountKind.ACCRUED),
                amount_fen=10**9,
            )
        ],
    )
    with pytest.raises(BudgetExhausted), units(SYSTEM) as unit:
        post(unit, [overdraw])


def test_the_same_key_posts_once(units: Units, settled: Market) -> None:
    draft = TransferDraft(
        key="once",
        memo="",
        entries=[
            Entry(
                debit=AccountKey(settled.line_id, AccountKind.AVAILABLE),
                credit=AccountKey(settled.line_id, AccountKind.APPROPRIATION),
                amount_fen=5,
            )
        ],
    )
    with units(SYSTEM) as unit:
        assert post(unit, [draft]) == 1
    with units(SYSTEM) as unit:
        assert post(unit, [draft]) == 0


def test_a_commitment_beyond_the_line_is_refused_with_by_how_much(
    units: Units, settled: Market
) -> None:
    with pytest.raises(BudgetExhausted) as refused, units(SYSTEM) as unit:
        an_agreement(
            unit,
            settled.school,
            vendor_id=settled.vendor.id,
            resource_id=settled.resource_id,
            draws=[Draw(settled.line_id, 90_003)],
            reference="A-2",
        )
    assert refused.value.facts["short_fen"] == 3


def test_the_trail_is_chained_and_a_broken_link_is_named(units: Units, settled: Market) -> None:
    with units(SYSTEM) as unit:
        record(unit, "test.act", subject_kind="test", subject_id="1", fact=1)
    with units(SYSTEM) as unit:
        assert sequence_trail(unit) == 1
    assert verify(units, SYSTEM) == []
    plant(units, "UPDATE trail SET act = 'other' WHERE act = 'test.act'")
    assert any("does not match its row" in finding for finding in verify(units, SYSTEM))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("UPDATE account SET balance = balance + 7 WHERE kind = 'available'", "account available"),
        ("UPDATE leg SET amount_fen = amount_fen + 1 WHERE side = 'D'", "book is off by"),
        ("UPDATE statement_line SET quantity = quantity + 1", "uses"),
        ("UPDATE statement_breakdown SET amount_fen = amount_fen + 1", "its schools' parts"),
        ("UPDATE statement_draw SET amount_fen = amount_fen + 1", "draws"),
        ('UPDATE agreement SET terms = terms || \'{"unit_price": "0.1"}\'', "terms"),
        ("DELETE FROM usage_event WHERE event_id = 'e3'", "sealed with 9"),
        ("UPDATE usage_event SET learner_id = gen_random_uuid()", "content changed"),
        ("DELETE FROM usage_identity WHERE event_id = 'e3'", "identities"),
        ("UPDATE usage_tally SET rows = rows + 1", "tallied"),
        ("DELETE FROM statement_draw", "draws"),
        (
            "DELETE FROM trail_link WHERE sequence = (SELECT max(sequence) FROM trail_link)",
            "neither chained nor waiting",
        ),
    ],
)
def test_verify_names_what_was_changed_behind_its_back(
    units: Units, settled: Market, change: str, named: str
) -> None:
    assert verify(units, SYSTEM) == []
    plant(units, change)
    findings = verify(units, SYSTEM)
    assert any(named in finding for finding in findings), findings


def plant(units: Units, change: str) -> None:
    """Change a row with the triggers off, as somebody with the server's keys could."""
    with units(SYSTEM) as unit:
        unit.session.execute(text("SET LOCAL session_replication_role = replica"))
        unit.session.execute(text(change))
