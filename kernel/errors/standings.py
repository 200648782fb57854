"""What stands against a ranking, a step of due process, an evaluation, or further reading (409)."""

from kernel.errors.admission import AppealedAlready
from kernel.errors.conflicts import AlreadyExists, Conflict


class MonthNotStated(Conflict):
    code = "month-not-stated"
    summary = "{period} can't be ranked: {payers} payers have no statement of it yet."
    remedy = "Close it first: market settle {period}."


class NothingStated(MonthNotStated):
    code = "nothing-stated"
    summary = "{period} can't be ranked: there is no statement of it."
    remedy = "Rank a month for which schools were billed."


class StepNotDue(Conflict):
    code = "step-not-due"
    summary = "{cell} can't go from “{state}” to “{wanted}”: {rule}."
    remedy = "The steps of a standing come in their order; each is on the page of the standing."


class AnotherLook(Conflict):
    code = "another-look"
    summary = "“{key}” has been looked at again since you read it; nothing was signed."
    remedy = "Read the last look, and sign if you still mean to."


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
    summary = "{vendor} takes no new schools for {cell} ({standing})."
    remedy = "Choose another resource. Schools that use it already go on to the end of their term."


class FiledAlready(AlreadyExists):
    code = "filed-already"
    summary = "The same finding about “{key}” was filed already."
    remedy = "It stays as it was filed; nothing needs to be filed again."


class AdmittedAlready(AlreadyExists):
    code = "admitted-already"
    summary = "{name} is let in for this region already."
    remedy = "To declare other interests, end that admission first and let it in anew."


class DoneAlready(Conflict):
    code = "done-already"
    summary = "{what} is {done} already."
    remedy = "What was said stands on its page; nothing is to be done any more."


class YearRead(Conflict):
    code = "year-read"
    summary = "Reading earns nothing more in {year}: its {most} credits are reached."
    remedy = "An article counts once; keep it for the next year. It can be opened all the same."
