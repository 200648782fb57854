"""What stands against a ranking, a step of due process, an evaluation, or further reading (409)."""

from kernel.errors.admission import AppealedAlready
from kernel.errors.conflicts import Conflict


class MonthNotStated(Conflict):
    code = "month-not-stated"
    summary = (
        "{period} can't be ranked yet: {payers} payers used something in it and have no statement "
        "of it, among them {named}."
    )
    remedy = "Close it first: market settle {period}. From {day} on it is ranked without them."


class MonthOpenElsewhere(MonthNotStated):
    code = "month-open-elsewhere"
    summary = (
        "{period} can't be ranked yet: {payers} payers of other bureaus used something in it and "
        "have no statement of it."
    )
    remedy = "It is ranked by itself once they have closed it, from {day} on without them."


class NothingStated(MonthNotStated):
    code = "nothing-stated"
    summary = "{period} can't be ranked: there is no statement of it."
    remedy = "Rank a month for which schools were billed."


class LaterMonthRanked(Conflict):
    code = "later-month-ranked"
    summary = "{period} is not ranked again: {later} is ranked already."
    remedy = "What became known of it since is evidence of {later}: rank that."


class StepNotDue(Conflict):
    code = "step-not-due"
    summary = "{cell} can't go from “{state}” to “{wanted}”: {rule}."
    remedy = "The steps of a standing come in their order; each is on the page of the standing."


class AnotherLook(Conflict):
    code = "another-look"
    summary = "“{cell}” has been looked at again since you read it; nothing was signed."
    remedy = "Read the last look, and sign if you still mean to."


class AnotherStep(Conflict):
    code = "another-step"
    summary = "“{cell}” has had another step since you read it; nothing was appealed."
    remedy = "Read the last step, and appeal against it if you still mean to."


class StandingAppealed(AppealedAlready):
    code = "standing-appealed"
    summary = "This step for {cell} was appealed already."
    remedy = "Each step is appealed once; the appeal and what became of it stand on its page."


class ReturnAsked(AppealedAlready):
    code = "return-asked"
    summary = "An application to return to {cell} waits already."
    remedy = "Wait for its decision; it stands on the page of the standing."


class NoNewSchools(Conflict):
    code = "no-new-schools"
    summary = "{vendor} takes no new schools for {cell}."
    remedy = "Choose another resource. Schools that use it already may go on, for another term too."


class VendorExiting(NoNewSchools):
    code = "vendor-exiting"
    summary = "{vendor} is leaving {cell}: nothing is agreed or renewed any more."
    remedy = "Choose another resource for what comes after. What runs goes on to its end."


class VendorLeft(NoNewSchools):
    code = "vendor-left"
    summary = "{vendor} has left {cell}: nothing is agreed any more."
    remedy = "Choose another resource."
