"""The exported journal: two other programs check it, and their balances are ours (R20, R50)."""

from datetime import UTC, datetime
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy import func, select

from kernel.actors import Actor, Role
from kernel.clock import FixedClock, Month, parse_month
from kernel.errors import InvalidInput, NotFound, Refused
from kernel.identity.regions import RegionRow, record_regions
from kernel.settings import Settings
from kernel.unit import Units
from settlement.closing import settle
from settlement.funding_lines import issue_amount, open_line
from settlement.journal import export_journal
from settlement.journal_formats import FORMATS, ROOTS, JournalAccount
from settlement.ledger.models import Account, Leg, Transfer
from settlement.ledger.posting import (
    INSTALLATION,
    AccountKey,
    AccountKind,
    Entry,
    TransferDraft,
    post,
)
from tests.support.builders import CITY, a_bureau, a_person, a_region_tree, a_school, took
from tests.support.database import fresh_units
from tests.support.journals import check_with_beancount, hledger_balances
from tests.support.settlement_builders import (
    MARCH,
    SYSTEM,
    VENDOR,
    Market,
    a_market,
    a_use,
    at,
    confirm_all,
    deliver,
)

AUGUST = parse_month("2026-08")


def a_settled_market(units: Units) -> Market:
    """A school with an allocation, a commitment, a statement and its posting."""
    market = a_market(units)
    deliver(units, [a_use(units, market, f"u{n}", at(2, 8, n)) for n in range(31)])
    settle(units, SYSTEM, MARCH)
    confirm_all(units, market)
    settle(units, SYSTEM, MARCH)
    return market


def exported(
    units: Units,
    format_name: str = "hledger",
    *,
    actor: Actor = SYSTEM,
    first: Month | None = None,
    last: Month | None = None,
    payer_code: str | None = None,
) -> str:
    with units(actor) as unit:
        parts = export_journal(unit, format_name, first=first, last=last, payer_code=payer_code)
        return "".join(parts)


def ledger_balances(units: Units) -> list[int]:
    """Return what the legs of each account add up to, sorted."""
    with units(SYSTEM) as unit:
        debit = func.coalesce(func.sum(Leg.amount_fen).filter(Leg.side == "D"), 0)
        credit = func.coalesce(func.sum(Leg.amount_fen).filter(Leg.side == "C"), 0)
        return sorted(
            int(fen)
            for fen in unit.session.scalars(select(debit - credit).group_by(Leg.account_id))
        )


def test_hledger_accepts_the_books_and_has_our_balances(units: Units, tmp_path: Path) -> None:
    """R50: another program, given the journal, comes to the same balances."""
    a_settled_market(units)

    balances = hledger_balances(exported(units), tmp_path)

    line = "2199000001:2026:per_student"
    assert balances == {
        f"equity:budget:{line}:appropriation": -100_000,
        f"assets:budget:{line}:available": 90_000,
        f"assets:budget:{line}:committed": 8_967,
        f"assets:budget:{line}:accrued": 1_033,
        "assets:clearing:2199000001": 1_033,
        f"liabilities:payable:{VENDOR}": -930,
        f"liabilities:retention:{VENDOR}": -51,
        "revenues:fee:platform": -52,
    }
    assert sorted(balances.values()) == ledger_balances(units)


def test_beancount_accepts_the_books(units: Units, tmp_path: Path) -> None:
    a_settled_market(units)
    journal = exported(units, "beancount")
    assert "Assets:Budget:S2199000001:2026:PerStudent:Committed  89.67 CNY" in journal
    check_with_beancount(journal, tmp_path)


@pytest.mark.parametrize("check", ["hledger", "beancount"])
def test_a_wrong_amount_is_found_by_the_other_program(
    units: Units, tmp_path: Path, check: str
) -> None:
    """The assertions have teeth: a transaction that is missing does not pass."""
    a_settled_market(units)
    journal = exported(units, check)
    blocks = journal.split("\n\n")
    lost = "\n\n".join(block for block in blocks if "post:" not in block)
    assert lost != journal
    with pytest.raises(AssertionError):
        if check == "hledger":
            hledger_balances(lost, tmp_path)
        else:
            check_with_beancount(lost, tmp_path)


def test_each_transfer_is_one_transaction_balanced_in_either_book(units: Units) -> None:
    a_settled_market(units)
    with units(SYSTEM) as unit:
        keys = set(unit.session.scalars(select(Transfer.key)))
    blocks = [block for block in exported(units).split("\n\n") if "; key: " in block]
    assert {block.partition("; key: ")[2].split("\n")[0] for block in blocks} == keys
    for block in blocks:
        sums = {True: 0, False: 0}
        for posting in block.split("\n")[1:]:
            name, amount = posting.split("  ")[-2:]
            fen = round(100 * sum(map(float, amount.removesuffix(" CNY").split())))
            sums[":budget:" in name] += fen
        assert sums == {True: 0, False: 0}


def test_a_journal_may_begin_with_what_was_there(
    units: Units, tmp_path: Path, clock: FixedClock
) -> None:
    a_settled_market(units)
    whole = hledger_balances(exported(units), tmp_path)
    clock.at = datetime(2026, 9, 2, 2, tzinfo=UTC)
    market_line = "test:2199000001:more"
    with units(SYSTEM) as unit:
        line_id = unit.session.scalars(select(Account.owner_id).where(Account.kind == "paid")).one()
        issue_amount(unit, line_id, amount_fen=5, key=market_line, memo="追加；“下达”; {x}")

    september = exported(units, first=parse_month("2026-09"))
    assert "commit:" not in september
    assert "opening balances" in september
    now = hledger_balances(september, tmp_path)
    assert sorted(now.values()) == ledger_balances(units)
    assert hledger_balances(exported(units, last=AUGUST), tmp_path) == whole
    check_with_beancount(exported(units, "beancount", first=parse_month("2026-09")), tmp_path)


def test_a_bureau_exports_its_own_subtree_only(units: Units, tmp_path: Path) -> None:
    """R49: what another county's schools moved is in no figure of this county's journal."""
    market = a_settled_market(units)
    with units(SYSTEM) as unit:
        county = RegionRow(code="219909", name="邻县", parent_code=CITY, level="county")
        took(record_regions(unit, [county]))
        elsewhere = a_bureau(unit, region_code="219909")
        school = a_school(unit, code="2199090001", region_code="219909")
        line_id = open_line(unit, school.id, fiscal_year=2026, source="per_student")
        issue_amount(unit, line_id, amount_fen=77, key="elsewhere", memo="别处")
        ours = a_person(unit, market.bureau, [Role.BUREAU_FINANCE], person_no="F-1")
        theirs = a_person(unit, elsewhere, [Role.AUDITOR], person_no="F-2")

    assert "2199090001" in exported(units)
    assert "2199090001" not in exported(units, actor=ours)
    assert hledger_balances(exported(units, actor=theirs), tmp_path) == {
        "equity:budget:2199090001:2026:per_student:appropriation": -77,
        "assets:budget:2199090001:2026:per_student:available": 77,
    }
    assert exported(units, payer_code="2199090001") == exported(units, actor=theirs)
    with pytest.raises(NotFound):
        exported(units, actor=ours, payer_code="2199090001")


def test_others_are_refused_the_books(units: Units) -> None:
    market = a_market(units)
    with units(SYSTEM) as unit:
        manager = a_person(unit, market.vendor, [Role.VENDOR_MANAGER], person_no="V-1")
    for actor in (market.finance, manager):
        with pytest.raises(Refused):
            exported(units, actor=actor)
    with pytest.raises(InvalidInput):
        exported(units, "gnucash")


def test_books_without_a_transfer_are_an_empty_journal(units: Units) -> None:
    assert exported(units) == ""


def test_every_kind_of_account_has_its_place_and_a_name_of_its_own() -> None:
    assert set(ROOTS) == set(AccountKind)
    for writer in FORMATS.values():
        names = [
            writer.name(JournalAccount(kind=kind, owner_kind="vendor", owner_code=code, **line))
            for kind in AccountKind
            for code in ("T-1", "T1", "T_1", "T 1", "教师1", "")
            for line in (
                [{}]
                if AccountKey(INSTALLATION, kind).book == "money"
                else [
                    {"fiscal_year": 2026, "source": "special_fund", "restriction": restriction}
                    for restriction in (
                        {},
                        {"subjects": ["数学", "语文"]},
                        {"subjects": ["数学+语文"]},
                        {"tiers": ["basic"]},
                    )
                ]
            )
        ]
        assert len(set(names)) == len(names)


amounts = st.integers(1, 10**13)
moves = st.lists(
    st.tuples(
        st.sampled_from(["payable", "fee", "retention", "school_share", "clearing"]),
        st.sampled_from(["payable", "fee", "retention", "school_share", "clearing"]),
        amounts,
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30),
        st.integers(0, 400),  # days
    ),
    min_size=1,
    max_size=12,
)


@profile(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(moves, st.randoms(use_true_random=False))
@example([("payable", "payable", 1, "(", 0)], Random(1))
def test_any_books_are_read_alike(
    server: str,
    settings: Settings,
    tmp_path: Path,
    seen: list[tuple[str, str, int, str, int]],
    chance: Random,
) -> None:
    """Whatever moved, under whatever memo and key: balances agree, to the fen."""
    clock = FixedClock(datetime(2026, 1, 1, 2, tzinfo=UTC))
    with fresh_units(server, settings, clock) as units:
        with units(SYSTEM) as unit:
            a_region_tree(unit)
            owners: list[UUID] = [INSTALLATION, a_school(unit).id]
        for number, (debit, credit, fen, memo, day) in enumerate(seen):
            clock.at = datetime(2026, 1 + day // 40, 1 + day % 28, tzinfo=UTC)
            keys = [
                AccountKey(chance.choice(owners), AccountKind(kind)) for kind in (debit, credit)
            ]
            draft = TransferDraft(f"{memo}:{number}", memo, [Entry(keys[0], keys[1], fen)])
            with units(SYSTEM) as unit:
                post(unit, [draft])
        balances = hledger_balances(exported(units), tmp_path)
        check_with_beancount(exported(units, "beancount"), tmp_path)
        assert sorted(balances.values()) == ledger_balances(units)
