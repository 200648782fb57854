"""The tables of signatures on a page: what is in force in a region, what was before, what waits."""

from typing import Any

from litestar import Response

from kernel.actors import OrganisationKind
from kernel.http.pages import Page
from procurement.approval_rules import approval_rule_history
from procurement.record_proposals import MAKERS, RecordKind
from procurement.web.waiting_records import waiting_records


def show_approval_rules(page: Page, *, address: str, title: str) -> Response[Any]:
    """Show the tables of the actor's region and those above it, the deciding one first.

    A bureau's people see what waits to be checked, too.
    """
    tables = approval_rule_history(page.unit, page.actor.region_code)
    at_bureau = page.actor.organisation_kind is OrganisationKind.BUREAU
    rules = f"{address}/rules"
    return page.render(
        "procurement/approval_rules.html",
        tables=sorted(tables, key=lambda table: not table.in_force),
        above=((title, address),),
        new=f"{rules}/new",
        may_propose=at_bureau and page.actor.may(*MAKERS),
        waiting=(
            waiting_records(page, RecordKind.APPROVAL_RULES, path=rules) if at_bureau else None
        ),
    )
