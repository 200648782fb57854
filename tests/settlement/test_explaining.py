"""A line's whole arithmetic as sentences, in both languages."""

import pytest

from kernel.errors import NotFound
from kernel.unit import Units
from settlement.closing import settle
from settlement.explaining import explain_statement
from tests.support.settlement_builders import (
    APRIL,
    MARCH,
    SYSTEM,
    a_market,
    a_use,
    at,
    deliver,
)
from tests.support.site_builders import a_site

TIERS = [{"up_to": 5, "unit_price": "1.0000"}, {"up_to": None, "unit_price": "0.5000"}]


def test_a_line_is_told_from_its_events_to_its_shares(units: Units) -> None:
    """R38: 9 uses, 2 of them free, two tiers, a ceiling of 5 yuan."""
    market = a_market(
        units,
        unit_price="1.0000",
        ceiling_fen=500,
        terms={"tiers": TIERS, "free_allowance": 2},
    )
    uses = [a_use(units, market, f"e{n}", at(2, 8, n)) for n in range(9)]
    deliver(units, [*uses, a_use(units, market, "again", at(2, 8, 8, 5))])
    settle(units, SYSTEM, MARCH)
    number = f"{market.school.code}-2026-03"
    with units(market.finance) as unit:
        (english,) = explain_statement(unit, number)
        (chinese,) = explain_statement(unit, number, locale="zh_CN")
        with pytest.raises(NotFound):
            explain_statement(unit, number, agreement_number="none")
    assert "\n".join(english.sentences) == (
        f"资源 ({market.school.code}-A-1), use in 2026-03: per use, up to 5 at 1.0000 yuan each, "
        "above that at 0.5000 yuan each; the first 2 each month are free\n"
        "  events received 10 − repeats within 30 seconds 1 = 9, in which 9 uses; "
        "billable Uses: 9\n"
        "  9 − 2 free = 7; 5 × 1.0000 + 2 × 0.5000 = 6.00\n"
        "  at the agreed prices 6.00 − above the ceiling 1.00 = billed 5.00\n"
        "  ceiling 5.00, of which 5.00 was left before this line\n"
        "  drawn: 2026 Per-student fund 5.00; uncovered 0.00\n"
        "  shared: 5.00 = vendor 4.50 + author's school 0.00 + platform fee 0.25 "
        "+ quality retention 0.25"
    )
    assert chinese.sentences[2] == "  9 − 免费 2 = 7; 5 × 1.0000 + 2 × 0.5000 = 6.00"
    assert chinese.sentences[3] == "  按约定单价计 6.00 − 超出上限 1.00 = 应付金额 5.00"


def test_a_correction_says_what_was_stated_before(units: Units) -> None:
    """R37."""
    market = a_market(units, unit_price="1.0000")
    deliver(units, [a_use(units, market, "e1", at(2))])
    settle(units, SYSTEM, MARCH)
    deliver(units, [a_use(units, market, "late", at(9))], name="late.csv")
    settle(units, SYSTEM, APRIL)
    with units(SYSTEM) as unit:
        (line,) = explain_statement(unit, f"{market.school.code}-2026-04")
    assert line.of_month == "2026-03"
    assert "  2 × 1.0000 = 2.00" in line.sentences
    assert "  the month anew 2.00 − stated before 1.00 = 1.00" in line.sentences


def test_a_credited_line_tells_its_credit_note(units: Units) -> None:
    """R41: what was credited is taken off; a line without a credit note says nothing of one."""
    site = a_site(units, disputes=True)
    with units(SYSTEM) as unit:
        number = f"{site.market.school.code}-2026-03"
        told = {
            one.agreement_number[-3:]: " ".join(one.sentences)
            for one in explain_statement(unit, number)
        }
    assert "credit note: billed 0.50 − credited 0.30 = 0.20" in told["A-4"]
    assert "credit note" not in told["A-3"]
