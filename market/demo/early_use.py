"""Use before the funds arrive in the sample county: the bureau allows it, a vendor consents (R25).

So that what its schools go on with across New Year may be used in January, before that year's money
is issued: each such agreement gets its memorandum when it is signed.
"""

from datetime import date, datetime
from typing import Final

from kernel.clock import SHANGHAI
from kernel.unit import Units
from market.demo.county import YEAR
from market.demo.rehearsal import on_day, person
from procurement.funding.early_use_rules import (
    EarlyUseRuleRow,
    early_use_rules,
    propose_early_use,
    put_in_force,
)
from settlement.early_use import record_consent

AGREED_AT: Final = datetime(YEAR, 8, 27, 10, 0, tzinfo=SHANGHAI)
CONSENTING: Final = "zhisui"
CAP_FEN, TOTAL_FEN, PAYER_FEN = 30_000, 500_000, 60_000


def agree(units: Units) -> None:
    """Have the vendor consent, and two of the bureau's finance allow it; may be repeated."""
    then = on_day(units, AGREED_AT)
    with then(person(then, CONSENTING)) as unit:
        record_consent(unit, cap_fen=CAP_FEN, valid_from=AGREED_AT.date())
    with then(person(then, "qinghe-finance")) as unit:
        waiting = [one.number for one in early_use_rules(unit)]
        number = waiting[0] if waiting else propose_early_use(unit, _rule())
    with then(person(then, "qinghe-finance2")) as unit:
        if not any(one.holds for one in early_use_rules(unit)):
            put_in_force(unit, number)


def _rule() -> EarlyUseRuleRow:
    day: date = AGREED_AT.date()
    return EarlyUseRuleRow(
        fiscal_year=YEAR + 1,
        valid_from=day,
        total_cap_fen=TOTAL_FEN,
        payer_cap_fen=PAYER_FEN,
        origin=f"示例教财〔{YEAR}〕21号",
    )
