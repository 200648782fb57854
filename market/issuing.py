"""The issue of a year's computed lines by two people, one after the other: for commands and demos.

Decides nothing that the services don't: the first proposes, the second checks and issues, each in
a unit of their own.
"""

from kernel.actors import Actor
from kernel.errors import NothingToIssue, ProposalOpen, TwoNeeded
from kernel.unit import Units
from procurement.funding.allocations import IssueSummary, preview_lines, summarise
from procurement.funding.issuing import issue_proposal
from procurement.funding.proposals import propose_lines


def issue_year(
    units: Units, maker: Actor, checker: Actor, *, fiscal_year: int, takes_back: bool = False
) -> IssueSummary:
    """Issue what the lines of a year are still to get; with nothing to add, say so.

    Safe to repeat: what was issued is not issued again, and a proposal of the same that waits, as
    after an interrupted run, is the one that is checked. Raises what `propose_lines` and
    `issue_proposal` do; `TwoNeeded` before anything is proposed.
    """
    if maker.person_id == checker.person_id:
        raise TwoNeeded(person=maker.name)
    with units(maker) as unit:
        previews = preview_lines(unit, fiscal_year=fiscal_year)
        try:
            number = propose_lines(unit, fiscal_year=fiscal_year, takes_back=takes_back)
        except NothingToIssue:
            return summarise(previews, fiscal_year=fiscal_year)
        except ProposalOpen as waiting:
            number = str(waiting.facts["number"])
    with units(checker) as unit:
        issued = issue_proposal(unit, number)
    return summarise(previews, fiscal_year=fiscal_year, issued=issued)
