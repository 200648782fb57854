"""How the statement of terms is gone about: once for all, however many parts and schools."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from kernel.clock import parse_month
from kernel.ids import new_id
from kernel.unit import Units
from settlement.ranking.evidence import bound, parameters
from settlement.ranking.evidence_queries import ONE_VENDOR, TERMS, about
from settlement.ranking.rules import SHIPPED
from tests.support.settlement_builders import SYSTEM

MARCH = parse_month("2026-03")
BILLS = "statement_breakdown"


@pytest.mark.parametrize("only", [False, True])
def test_bills_are_gone_over_once_for_all_terms(units: Units, *, only: bool) -> None:
    """No part, term or school asks for itself what was used, or what goes on; nor does a trial
    read the agreements of others."""
    given = {**parameters(MARCH, SHIPPED), "only": new_id()}
    asked = about(TERMS, "vendor", agreements=ONE_VENDOR if only else "true")
    with units(SYSTEM) as unit:
        (plan,) = unit.session.scalar(
            text(f"EXPLAIN (FORMAT JSON) {asked.text}"), bound(asked.text, given)
        )
    bills = [one for one, _ in nodes(plan["Plan"]) if one.get("Relation Name") == BILLS]
    each = [one for one, in_each in nodes(plan["Plan"]) if in_each]
    assert len(bills) == 1
    assert not [one for one in each if BILLS in one.values() or one.get("CTE Name") == "term"]
    assert asked.text.count("a.vendor_id = :only") == (2 if only else 0)


def nodes(plan: dict[str, Any], *, in_each: bool = False) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield the nodes of a plan, each with whether it is run for single rows of another."""
    in_each = in_each or plan.get("Parent Relationship") == "SubPlan"
    yield plan, in_each
    for one in plan.get("Plans", ()):
        yield from nodes(one, in_each=in_each)
