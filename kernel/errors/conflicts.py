"""The state of things stands against it (409)."""

from kernel.errors.base import MarketError


class Conflict(MarketError):
    status = 409
    code = "conflict"
    summary = "{what} “{key}” can't go from “{state}” to “{wanted}”."


class AlreadyExists(Conflict):
    code = "already-exists"
    summary = "{what} “{key}” exists already with other content."
    remedy = "What is recorded can't be overwritten; record a new one."


class DoneAlready(Conflict):
    code = "done-already"
    summary = "{what} is {done} already."
    remedy = "What was said stands on its page; nothing is to be done any more."


class LoginTaken(AlreadyExists):
    code = "login-taken"
    summary = "The login {key} is or was another person's."
    remedy = "Choose another: what was done under a login stays with the person who had it."


class ImportInProgress(Conflict):
    code = "import-in-progress"
    summary = "{file} is being imported by another process."
    remedy = "Wait for it to end; the same file again is then counted as duplicates."


class BudgetExhausted(Conflict):
    code = "budget-exhausted"
    summary = "The funding lines of {year} ({source}) are {short_yuan} yuan short."
    remedy = "Lower the ceiling or have the line topped up."


class NoBudget(Conflict):
    code = "no-budget"
    summary = "{bureau} has no budget of {source} for {year}, so nothing can be issued."
    remedy = (
        "Have what was approved recorded and checked first: on the page of budgets, or by "
        "market import budgets FILE and market fund check-budget."
    )


class BudgetTooSmall(Conflict):
    code = "budget-too-small"
    summary = "The budget of {bureau} for {year} ({source}) is {short_yuan} yuan short."
    remedy = "Record what was approved beyond it, or issue less."


class ReductionTooLarge(Conflict):
    code = "reduction-too-large"
    summary = (
        "{wanted_yuan} yuan can't be taken back from the line {line}: {available_yuan} are neither "
        "committed nor spent, so {short_yuan} are too many."
    )
    remedy = "Take back less, or end agreements first."


class ReductionNotGiven(Conflict):
    code = "reduction-not-given"
    summary = (
        "{wanted_yuan} yuan can't be taken back from the line {line}: this budget gave it "
        "{given_yuan}, so {short_yuan} are too many."
    )
    remedy = (
        "Take back less. Only the bureau whose budget gave the rest may take it back; what no "
        "budget gave stays on the line until it is spent or the year ends."
    )


class ProposalOutdated(Conflict):
    code = "proposal-outdated"
    summary = "Something else was issued on the line {line} since {number} was made."
    remedy = "Return it, and make a new one."


class ProposalOpen(Conflict):
    code = "proposal-open"
    summary = "{number} proposes the same already, and waits to be checked."
    remedy = "Have another finance person check it, or withdraw it first."


class ProposalDecided(Conflict):
    code = "proposal-decided"
    summary = "{number} was decided already ({state})."
    remedy = "Make a new one for what is still missing."


class NothingToIssue(Conflict):
    code = "nothing-to-issue"
    summary = "No line of {year} ({source}) is worth more than was issued."
    remedy = "A later census, quota or rule may add to it."


class BooksStillOpen(Conflict):
    code = "books-still-open"
    summary = "The books of {year} are open until {day}."
    remedy = "Lines end after that day."


class NoFundingLine(Conflict):
    code = "no-funding-line"
    summary = "{payer} has no funding line for {year} that may pay for this."
    remedy = "Issue it first: market fund issue --year {year}."


class NoVerifiedQuota(Conflict):
    code = "no-verified-quota"
    summary = "No verified {kind} quota for {stage} is in force in {region} on {day}."
    remedy = "Import or confirm one: market import quotas FILE."


class NoRule(Conflict):
    code = "no-rule"
    summary = "No {rule} rule is in force in {region} on {day}."
    remedy = "Record one for the region or one above it."


class NoBulkRule(NoRule):
    code = "no-bulk-rule"
    summary = "The table of signatures in force in {region} on {day} has no row for bulk purchases."
    remedy = (
        "Propose a table with a signature of the bureau from 0 on: market approval-rules propose "
        "--step bureau_finance:0:kind=bulk, with the rows that it has."
    )


class NoCensus(Conflict):
    code = "no-census"
    summary = "{school} has no enrolment census of {year}."
    remedy = "Import one: market import enrolment FILE."


class NotListed(Conflict):
    code = "not-listed"
    summary = "“{key}” is not listed."
    remedy = "It has to be admitted by two reviewers first."


class NoOffer(Conflict):
    code = "no-offer"
    summary = "“{key}” has no price in force on {day}."
    remedy = "Its vendor, or a bureau for it, has to record one."


class BasicIsFree(Conflict):
    code = "basic-is-free"
    summary = "“{key}” is a basic resource, but costs {price} yuan on {day}."
    remedy = "It is free from {free_from} on: let the use begin then."


class PeriodNotOver(Conflict):
    code = "period-not-over"
    summary = "{period} is not over yet."
    remedy = "It can be settled from {from_day} (Asia/Shanghai)."


class EarlierPeriodOpen(Conflict):
    code = "earlier-period-open"
    summary = "{earlier} of {payer} is not settled yet, so {period} can't be."
    remedy = "Run: market settle {earlier}."


class MonthArchived(Conflict):
    code = "month-archived"
    summary = "The uses of {period} are in the archive, not in the database."
    remedy = "The operator of the installation can bring them back: market usage restore {period}."


class NotArchivable(Conflict):
    code = "not-archivable"
    summary = "{period} can't be archived: {reason}."
    remedy = "A month can be once all its periods are closed and its late use is settled."


class NotArchived(Conflict):
    code = "not-archived"
    summary = "{period} is not in the archive."
    remedy = "market usage list shows where each month is."


class ArchiveDamaged(Conflict):
    code = "archive-damaged"
    summary = "The archive {file} is not what was written: {reason}."
    remedy = "Bring the file back from a backup; market verify checks all archives."


class UsageBusy(Conflict):
    code = "usage-busy"
    summary = "Usage is being read by others, so {period} can't be moved now."
    remedy = "Nothing was changed; do it again when they are done."


class RetentionSettled(Conflict):
    code = "retention-settled"
    summary = "Nothing is held back any more for {agreement} in {period}."
    remedy = "What was released or forfeited stays so."


class RetentionDisputed(Conflict):
    code = "retention-disputed"
    summary = "The retention for {agreement} in {period} waits: a line of it is disputed."
    remedy = "Decide the dispute first."


class NotDisputable(Conflict):
    code = "not-disputable"
    summary = "There is nothing to dispute on this line: it bills no money."
    remedy = "Only a line with an amount above zero can be disputed."


class DeadlinePassed(Conflict):
    code = "deadline-passed"
    summary = "The last day for this was {day}."
    remedy = "What was not done by then is taken as the guide on disputes says."


class AnswerAwaited(Conflict):
    code = "answer-awaited"
    summary = "The vendor may still answer until {day}."
    remedy = "Decide once it has answered, or after that day."


class NothingToSettle(Conflict):
    code = "nothing-to-settle"
    summary = "Nobody has an agreement or a use in {period}."


class PartlyLoaded(Conflict):
    code = "not-empty"
    summary = "The database already holds other data."
    remedy = "Use an empty MARKET_HOME or DATABASE_URL."


class NoAgreement(Conflict):
    code = "no-agreement"
    summary = "{school} has no agreement for “{key}” on {day}."
    remedy = "The school has to select it first."


class AgreementOver(Conflict):
    code = "agreement-over"
    summary = "The agreement {number} of {school} is no longer open ({state})."
    remedy = "The school may select the resource anew."


class CeilingReached(Conflict):
    code = "ceiling-reached"
    summary = "The ceiling of the agreement {number} is reached, and its terms stop at it."
    remedy = "The school may select the resource anew, with a further ceiling."


class SchoolCeilingReached(Conflict):
    code = "school-ceiling-reached"
    summary = "{school} has used its own ceiling of the agreement {number}, which stops at it."
    remedy = "The bureau may raise it; the school may also select the resource itself."


class YearNotFunded(Conflict):
    code = "year-not-funded"
    summary = "The money of {year} for the agreement {number} is not issued yet."
    remedy = "It can be used again once the bureau issues that year's funding line."


class EarlyUseTakenBack(Conflict):
    code = "early-use-taken-back"
    summary = (
        "The money of {year} for the agreement {number} is not issued yet, and the {by} no longer "
        "agrees to use before it arrives."
    )
    remedy = "It can be used again once that year's funding line is issued, or both agree again."


class EarlyUseUsedUp(Conflict):
    code = "early-use-used-up"
    summary = (
        "The money of {year} for the agreement {number} is not issued yet, and the {cap_yuan} yuan "
        "that may be used before it arrives are used up."
    )
    remedy = "It can be used again once the bureau issues that year's funding line."


class YearStillOpen(Conflict):
    code = "year-still-open"
    summary = "The books of {year} are open until {day}: money of that year may still come."
    remedy = "Decide after that day what becomes of it."


class NothingUnfunded(Conflict):
    code = "nothing-unfunded"
    summary = "Nothing of the agreement {number} in {month} waits for money or for a decision."
    remedy = "Look at the queue of unfunded use once more."


class WriteOffTooHigh(Conflict):
    code = "write-off-too-high"
    summary = (
        "{number} would write off {amount_yuan} yuan, but only {left_yuan} is unfunded by now."
    )
    remedy = "Refuse it; the bureau may propose to write off what is left."


class NoCarriedLine(Conflict):
    code = "no-carried-line"
    summary = "No line of {year} that was carried over has money for the agreement {number}."
    remedy = "Carry the year's line over with its commitments, or propose to write it off."


class BelowWhatIsUsed(Conflict):
    code = "below-what-is-used"
    summary = "{used_yuan} yuan of the agreement {number} are billed or running already."
    remedy = "Its ceiling can be lowered to {lowest_yuan} yuan."


class BelowWhatSchoolUsed(Conflict):
    code = "below-what-school-used"
    summary = "{used_yuan} yuan of {school} are billed or running already."
    remedy = "Its own ceiling can be lowered to {used_yuan} yuan."


class CeilingOutOfReach(Conflict):
    code = "ceiling-out-of-reach"
    summary = (
        "The schools of the agreement {number} could use {together_yuan} yuan together, less than "
        "the {ceiling_yuan} committed for them."
    )
    remedy = "Lower the agreement's ceiling first, or give other schools more."


class SchoolNotPaidFor(Conflict):
    code = "school-not-paid-for"
    summary = "{line} pays for the agreement, and may not pay for {school}."
    remedy = "Leave the school out, or buy for it from another line."


class SignedAlready(Conflict):
    code = "signed-already"
    summary = "{person} has signed this selection already, and one person signs it once."
    remedy = "Somebody else who holds the role, or a delegate, signs."


class SourceNotApproved(Conflict):
    code = "source-not-approved"
    summary = "{reference} would now be paid from {source}, for which {role} has to sign, too."
    remedy = "Return it, so that it is requested anew."


class TrialUsed(Conflict):
    code = "trial-used"
    summary = "{school} has tried “{key}” already."
    remedy = "Select it with a ceiling."


class VersionNotOpen(Conflict):
    code = "version-not-open"
    summary = "“{title}” can't be opened now ({state})."
    remedy = "Choose another resource; what was used before stays on record."


class PartNotListed(Conflict):
    code = "part-not-listed"
    summary = "“{key}” is not listed, so it can't be part of a pack."
    remedy = "Name listed resources of your own, as SKU or SKU@VERSION."


class NoPlayer(Conflict):
    code = "no-player"
    summary = "No player is admitted as a source of use for {school}."
    remedy = "Its education bureau admits one: market source admit CODE --trust player."


class NoAddress(Conflict):
    code = "no-address"
    summary = "“{title}” is played here and has no address of its own to enter."
    remedy = "Open it in the player."


class LaunchOver(Conflict):
    code = "launch-over"
    summary = "This opening ended at {ended}."
    remedy = "Open the resource again."


class DeviceNotReady(Conflict):
    code = "device-not-ready"
    summary = "The classroom box {device} may not deliver ({state})."
    remedy = "The education bureau confirms a box; a revoked one is registered anew."
