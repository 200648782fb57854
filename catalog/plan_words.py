"""A price plan in words, as an official reads it: what a unit costs, what is free, what is capped.

Reads plans as `catalog.plans` stores them and agreements freeze them; prices include tax (R64).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from catalog.plans import Plan, is_free
from kernel.i18n import msgid, translate

PRICE: Final = {
    Plan.PER_USE: msgid("{price} yuan per use"),
    Plan.PER_UNIQUE_USE: msgid("{price} yuan per unique use"),
    Plan.PER_LEARNER: msgid("{price} yuan per learner and month"),
    Plan.PER_CLASS: msgid("{price} yuan per class session"),
    Plan.FLAT: msgid("{price} yuan for each month with use"),
}
BY_TIERS: Final = {
    Plan.PER_USE: msgid("per use, {tiers}"),
    Plan.PER_UNIQUE_USE: msgid("per unique use, {tiers}"),
    Plan.PER_LEARNER: msgid("per learner and month, {tiers}"),
    Plan.PER_CLASS: msgid("per class session, {tiers}"),
}
TIER: Final = msgid("up to {end} at {price} yuan each")
LAST_TIER: Final = msgid("above that at {price} yuan each")
SEPARATOR: Final = msgid(", ")
CLAUSES: Final = msgid("; ")
FREE: Final = msgid("free")
ALLOWANCE: Final = msgid("the first {count} each month are free")
CAP: Final = msgid("at most {cap} yuan a month")
LEARNER_CAP: Final = msgid("at most {count} a month of one learner count")


def plan_words(plan: Mapping[str, Any], locale: str) -> str:
    """Return `0.0200 yuan per use; the first 100 each month are free; at most 30.00 yuan a month`.

    `plan` may be whole terms; what stands beside the plan is not read.
    """

    def say(text: str, **facts: object) -> str:
        return translate(text, locale).format(**facts)

    if is_free(plan):
        return say(FREE)
    kind = Plan(plan["plan"])
    tiers = plan.get("tiers", ())
    if len(tiers) > 1:
        parts = [
            say(LAST_TIER, price=tier["unit_price"])
            if tier["up_to"] is None
            else say(TIER, end=f"{tier['up_to']:,}", price=tier["unit_price"])
            for tier in tiers
        ]
        clauses = [say(BY_TIERS[kind], tiers=translate(SEPARATOR, locale).join(parts))]
    else:
        clauses = [say(PRICE[kind], price=plan["unit_price"])]
    if "free_allowance" in plan:
        clauses.append(say(ALLOWANCE, count=f"{plan['free_allowance']:,}"))
    if "learner_cap" in plan:
        clauses.append(say(LEARNER_CAP, count=f"{plan['learner_cap']:,}"))
    if "period_cap" in plan:
        clauses.append(say(CAP, cap=f"{Decimal(plan['period_cap']):,.2f}"))
    return translate(CLAUSES, locale).join(clauses)
