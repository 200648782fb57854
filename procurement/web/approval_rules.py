"""The tables of signatures on a page: what is in force in a region, and what was before."""

from typing import Any

from litestar import Response

from kernel.http.pages import Page
from procurement.approval_rules import approval_rule_history


def show_approval_rules(page: Page, *, address: str, title: str) -> Response[Any]:
    """Show the tables of the actor's region and those above it, the deciding one first."""
    tables = approval_rule_history(page.unit, page.actor.region_code)
    return page.render(
        "procurement/approval_rules.html",
        tables=sorted(tables, key=lambda table: not table.in_force),
        above=((title, address),),
    )
