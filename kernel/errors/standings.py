"""What stands against a ranking, a step of due process, or a vendor that takes no schools (409)."""

from kernel.errors.conflicts import Conflict


class MonthNotStated(Conflict):
    code = "month-not-stated"
    summary = "{period} can't be ranked: {payers} payers have no statement of it yet."
    remedy = "Close it first: market settle {period}."


class StepNotDue(Conflict):
    code = "step-not-due"
    summary = "“{key}” can't go from “{state}” to “{wanted}”: {rule}."
    remedy = "The steps of a standing come in their order; each is on the page of the standing."


class AnotherLook(Conflict):
    code = "another-look"
    summary = "“{key}” has been looked at again since you read it; nothing was signed."
    remedy = "Read the last look, and sign if you still mean to."


class NoNewSchools(Conflict):
    code = "no-new-schools"
    summary = "{vendor} takes no new schools for {cell} ({standing})."
    remedy = "Choose another resource. Schools that use it already go on to the end of their term."
