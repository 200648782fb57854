"""To rank a month: the run itself, then what follows from it; and which month comes next."""

from sqlalchemy import select

from kernel.clock import Month
from kernel.unit import Unit
from settlement.models import STATED, Period
from settlement.ranking.looks import look_at
from settlement.ranking.rules import SHIPPED, Rules
from settlement.ranking.runs import Ranked, last_run, lock_ranking, rank_month, rules_of
from settlement.ranking.slots import publish_order
from settlement.ranking.waiting import is_ready, stated_for, stated_up_to


def rank(unit: Unit, month: Month, *, rules: Rules = SHIPPED) -> Ranked:
    """Rank a month, look at every standing by it, and tell the storefront; safe to repeat.

    Raises as `rank_month`.
    """
    ranked = rank_month(unit, month, rules=rules)
    look_at(unit, ranked.run)
    publish_order(unit)
    return ranked


def rank_next(unit: Unit) -> bool:
    """Rank what comes next, if anything does; return whether something more may.

    That is the last ranked month once more, by its own rules, if more was stated up to it since;
    else the first month after it of which something is stated, once it waits for nobody. Months
    come in their order and none is passed over: due process looks at months in a row. A month
    before the last one is never ranked again: what is stated of it late is evidence of the last.
    """
    lock_ranking(unit)
    last = last_run(unit)
    if last is not None:
        month = Month(last.month)
        if stated_up_to(unit, month) != stated_for(unit, last.id):
            rank(unit, month, rules=rules_of(unit, last))
            return True
    found = _month_after(unit, Month(last.month) if last is not None else None)
    if found is None or not is_ready(unit, found, SHIPPED):
        return False
    rank(unit, found)
    return True


def _month_after(unit: Unit, last: Month | None) -> Month | None:
    """Return the first month after the last ranked one of which something is stated; before any
    ranking the latest of all."""
    stated = select(Period.month).where(Period.state.in_(STATED)).limit(1)
    if last is None:
        found = unit.session.scalar(stated.order_by(Period.month.desc()))
    else:
        found = unit.session.scalar(stated.where(Period.month > last).order_by(Period.month))
    return Month(found) if found is not None else None
