"""Places: where a chain of pages hangs in the site, so that one chain serves whoever looks.

A school reads its statements under /school, a bureau under each school of its region, a vendor
under its own periods. A place knows the addresses below it and the way back up.
"""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from kernel.clock import show_month
from kernel.errors import NotFound
from settlement.queries.lines import LineHead

Crumb = tuple[str, str]
"""A text and its address on the way from the home page to a page."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """`root`: the crumbs above its lists. `statements`: the address of the list of statements,
    below which each has its month, and `statements_title` what the list is called.

    `payer_code` and `payer_name` are empty where the lines of many payers are shown (to a vendor);
    `agreements`, `funding`, `disputes`, `selections` and `bulk` (what a bureau buys for schools)
    where there are no such pages. `selection`: the address above each selection that was asked for
    here; `has_breakdowns`: a line's parts by school have a table of their own.
    """

    root: tuple[Crumb, ...]
    statements: str
    statements_title: str
    agreements: str = ""
    funding: str = ""
    disputes: str = ""
    selections: str = ""
    selection: str = "/school/selections"
    bulk: str = ""
    has_breakdowns: bool = False
    payer_code: str = ""
    payer_name: str = ""

    @property
    def above_statements(self) -> tuple[Crumb, ...]:
        """The crumbs above one statement."""
        return (*self.root, (self.statements_title, self.statements))

    def above_lines(self, month: date) -> tuple[Crumb, ...]:
        """The crumbs above one line of a statement."""
        return (*self.above_statements, (show_month(month), self.statement(month)))

    def statement(self, month: date) -> str:
        return f"{self.statements}/{show_month(month)}"

    def line(self, month: date, line_id: UUID) -> str:
        return f"{self.statement(month)}/lines/{line_id}"

    def breakdown(self, month: date, line_id: UUID) -> str:
        return f"{self.line(month, line_id)}/schools" if self.has_breakdowns else ""

    def dispute(self, month: date, line_id: UUID) -> str:
        """The address of the form by which a payer objects to a line."""
        return f"{self.line(month, line_id)}/dispute"

    def credit_note(self, month: date, line_id: UUID) -> str:
        return f"{self.line(month, line_id)}/credit-note"

    def printed(self, month: date) -> str:
        return f"{self.statement(month)}/print"

    def uses(self, month: date, line_id: UUID, *, judgement: str = "") -> str:
        address = f"{self.line(month, line_id)}/uses"
        return f"{address}?judgement={judgement}" if judgement else address

    def use(self, month: date, line_id: UUID, sequence: int) -> str:
        return f"{self.uses(month, line_id)}/{sequence}"

    def agreement(self, number: str) -> str:
        return f"{self.agreements}/{number}" if self.agreements else ""

    def funding_line(self, line_id: UUID) -> str:
        return f"{self.funding}/{line_id}" if self.funding else ""

    def require_line(self, head: LineHead, month: date) -> None:
        """Raise `NotFound` for a line that the actor may see, but not at this address."""
        line = head.line
        if line.month != month or (self.payer_code and line.payer_code != self.payer_code):
            raise NotFound(what="statement line", key=line.id)
