"""What stands against a submission, a review or a decision at the admission desk (409, 422)."""

from kernel.errors.conflicts import Conflict
from kernel.errors.inputs import InvalidInput


class ClaimedByAnother(Conflict):
    code = "claimed-by-another"
    summary = "“{key}” is being reviewed by another reviewer."
    remedy = "Wait for the proposal, or release it with the reason."


class NotClaimed(Conflict):
    code = "not-claimed"
    summary = "Nobody has claimed “{key}” for review yet."
    remedy = "Claim it first."


class NotProposed(Conflict):
    code = "not-proposed"
    summary = "“{key}” can't be admitted: the first reviewer proposed otherwise ({verdict})."
    remedy = "Follow the proposal, or give it back to the queue with the reason."


class AppealedAlready(Conflict):
    code = "appealed-already"
    summary = "This decision about “{key}” was appealed already."
    remedy = "Each decision is appealed once; a new version may answer it, too."


class OwnershipUnconfirmed(Conflict):
    code = "ownership-unconfirmed"
    summary = "The school has not confirmed whose work “{key}” is."
    remedy = "Its principal or academic office confirms it on the page of teachers' works."


class LicenceForbids(Conflict):
    code = "licence-forbids"
    summary = "“{key}” may not be built on: its licence is {licence}."
    remedy = "Ask its vendor for another licence, or leave it out."


class UnderTakedown(Conflict):
    code = "under-takedown"
    summary = "“{key}” can't be listed: the resource was taken down."
    remedy = "Lift the takedown or decide the vendor's appeal first, as another reviewer."


class PriceDayTaken(Conflict):
    code = "price-day-taken"
    summary = "Another price of “{key}” begins on {day} already."
    remedy = "Let this one begin on another day."


class PriceDayMoved(Conflict):
    code = "price-day-moved"
    summary = "The price would begin on {day} by now, not on {shown}."
    remedy = "Look at the version again and decide on that day."


class PriceNeedsReview(Conflict):
    code = "price-needs-review"
    summary = "“{key}” was admitted: another price is reviewed before it holds."
    remedy = "Propose it with a draft of the next version, on the page of your resources."


class FindingsMissing(InvalidInput):
    code = "findings-missing"
    summary = "These criteria have no finding with its evidence yet: {missing}."
    remedy = "Judge each of them first."


class FindingsAgainst(InvalidInput):
    code = "findings-against"
    summary = "By the findings it fails: {criteria}."
    remedy = "Propose to return or refuse it, or judge anew."


class SelfCheckMissing(InvalidInput):
    code = "self-check-missing"
    summary = "The self-check does not answer: {missing}."
    remedy = "Answer each criterion, then submit."


class CommitmentMissing(InvalidInput):
    code = "commitment-missing"
    summary = "The commitment is not signed."
    remedy = "Read the letter of commitment and sign it: without it nothing is reviewed."


class FilingNumberMissing(InvalidInput):
    code = "filing-number-missing"
    summary = "An education app needs its filing number, and “{value}” is none."
    remedy = "Write it as the ministry issued it, like {expected}."


class NothingChanged(InvalidInput):
    code = "nothing-changed"
    summary = "Nothing of “{key}” differs from what was admitted."
    remedy = "Change its content, licence or price first."


class DrawnAlready(Conflict):
    code = "drawn-already"
    summary = "{bureau} has drawn its sample for {period} already."
    remedy = "There is one draw in a month; its samples are on the page of blind audits."


class NothingToDraw(Conflict):
    code = "nothing-to-draw"
    summary = "{bureau} has nothing to draw from for {period}."
    remedy = (
        "Drawn is from what it let in before the month began and is listed, but for what was "
        "audited in the last {days} days or still waits to be judged."
    )
