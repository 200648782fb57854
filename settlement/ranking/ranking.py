"""To rank a month: the run itself, then what follows from it."""

from kernel.clock import Month
from kernel.unit import Unit
from settlement.ranking.looks import look_at
from settlement.ranking.rules import SHIPPED, Rules
from settlement.ranking.runs import Ranked, rank_month


def rank(unit: Unit, month: Month, *, rules: Rules = SHIPPED) -> Ranked:
    """Rank a month and look at every standing by it; safe to repeat. Raises as `rank_month`."""
    ranked = rank_month(unit, month, rules=rules)
    look_at(unit, ranked.run)
    return ranked
