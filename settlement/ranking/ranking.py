"""To rank a month: the run itself, then what follows from it."""

from kernel.clock import Month
from kernel.unit import Unit
from settlement.ranking.looks import look_at
from settlement.ranking.rules import SHIPPED, Rules
from settlement.ranking.runs import Ranked, rank_month
from settlement.ranking.slots import publish_order


def rank(unit: Unit, month: Month, *, rules: Rules = SHIPPED) -> Ranked:
    """Rank a month, look at every standing by it, and tell the storefront; safe to repeat.

    Raises as `rank_month`.
    """
    ranked = rank_month(unit, month, rules=rules)
    look_at(unit, ranked.run)
    publish_order(unit)
    return ranked
