"""What was sent is not right (400, 413, 415, 422)."""

from collections.abc import Mapping
from typing import Any

from kernel.errors.base import MarketError


class InvalidInput(MarketError):
    """`limits` fill the braces of `expected`, which so reads in every language."""

    status = 422
    code = "invalid-input"
    summary = "The value “{value}” of {field} is not valid."
    remedy = "Expected: {expected}."

    def __init__(self, *, limits: Mapping[str, Any] | None = None, **facts: Any) -> None:
        self.pattern = str(facts.get("expected", ""))
        self.limits = dict(limits or {})
        if self.limits:
            facts["expected"] = self.pattern.format(**self.limits)
        super().__init__(**facts)


class NotInVocabulary(InvalidInput):
    code = "not-in-vocabulary"
    summary = "“{value}” is not a word of the vocabulary of {field}."
    remedy = "The nearest words: {expected}. All of them: market import catalogue --words."


class TooManyFavourites(InvalidInput):
    code = "too-many-favourites"
    summary = "{most} favourites are kept, and there are no more places."
    remedy = "Drop some of them first."


class NoSignature(InvalidInput):
    code = "no-signature"
    summary = "By this table a selection below {below_yuan} yuan would need no signature."
    remedy = "Name one signature from 0 on, whatever the kind, tier and source."


class SignsTwice(InvalidInput):
    code = "signs-twice"
    summary = "{role} would sign the same selection at positions {first} and {second}."
    remedy = "Leave one of them out, or let who has signed before sign again there."


class TableTooEarly(InvalidInput):
    code = "table-too-early"
    summary = "A table from {day} would change what is requested already."
    remedy = "Let it begin on {earliest} or later."


class NobodySigns(InvalidInput):
    code = "nobody-signs"
    summary = "Nobody in {region} holds the role {role}, which would have to sign."
    remedy = "Grant the role to somebody first, or leave it out of the table."


class TableIncomplete(InvalidInput):
    code = "table-incomplete"
    summary = "Another row of the table of {region} from {day} is not right."
    remedy = "Mend it: a table is recorded as a whole."


class InvalidAmount(InvalidInput):
    code = "invalid-amount"
    summary = "“{text}” is not an amount ({reason})."
    remedy = "Write it in plain digits, not negative, with at most {places} decimals."


class InvalidSignedAmount(InvalidAmount):
    code = "invalid-signed-amount"
    summary = "“{text}” is not an amount that gives or takes back ({reason})."
    remedy = "Write it in plain digits with at most {places} decimals; a minus in front takes back."


class InvalidDate(InvalidInput):
    code = "invalid-date"
    summary = "“{text}” is not a date or time."
    remedy = "Write it like 2026-03-01 or 2026-03-01T08:30:00+08:00."


class NaiveTime(InvalidDate):
    code = "naive-time"
    summary = "The time “{text}” has no time zone."
    remedy = "Write it like 2026-03-01T08:30:00+08:00."


class InvalidPeriod(InvalidInput):
    code = "invalid-period"
    summary = "“{text}” is not a period."
    remedy = "Write it like 2026-03."


class NotMonthsEnd(InvalidInput):
    code = "not-months-end"
    summary = "{text} is not the last day of a month."
    remedy = "Ask for the last day of a month; whoever is signed in asks for any day."


class MissingValue(InvalidInput):
    code = "missing-value"
    summary = "{field} is empty."
    remedy = "Fill it in: it is always needed."


class AmountMissing(InvalidInput):
    code = "amount-missing"
    summary = "Neither an amount nor a fund is given."
    remedy = "Give one: the amount for digital resources, or the whole fund."


class UnevenRow(InvalidInput):
    code = "uneven-row"
    summary = "The row has {found} fields, the header row has {expected}."
    remedy = "Quote values that contain a comma, and fill up what is missing."


class RepeatedRow(InvalidInput):
    code = "repeated-row"
    summary = "Row {row} of this file is the same {what} “{key}” with other content."
    remedy = "Keep one of the two."


class UnreadableRow(InvalidInput):
    code = "unreadable-row"
    summary = "The row can't be read ({reason})."
    remedy = "Check its quotation marks."


class UnreadableLine(UnreadableRow):
    code = "unreadable-line"
    summary = "The row can't be read ({reason})."
    remedy = "Each line has to be one JSON object by itself, with no array around the lines."


class UnmappedValue(InvalidInput):
    code = "unmapped-value"
    summary = "The map has no value for “{value}” of {field}."
    remedy = "Add it under [values.{field}]."


class PasswordTooShort(InvalidInput):
    code = "password-too-short"
    summary = "The password has to have {least} to {most} characters."
    remedy = "Choose a longer one; several words make a good one."


class CrossesFiscalYear(InvalidInput):
    code = "crosses-fiscal-year"
    summary = "{starts_on} to {ends_on} crosses the end of a fiscal year."
    remedy = "Say how much of the ceiling is for {year}, and stay within two fiscal years."


class NoSchoolFits(InvalidInput):
    code = "no-school-fits"
    summary = "No school of the bureau has these marks."
    remedy = "Choose fewer or other marks, or list the schools."


class ReasonRequired(InvalidInput):
    code = "reason-required"
    summary = "This can't be done without its reason."
    remedy = "Say why, so that whom it concerns can answer."


class NoteRequired(InvalidInput):
    code = "note-required"
    summary = "A refusal needs its reason."
    remedy = "Say why in the note."


class TooManyPayers(InvalidInput):
    code = "too-many-payers"
    summary = "{period} has {payers} payers; at most {most} are previewed at once."
    remedy = "Name one payer (on the command line with --payer)."


class PlanMismatch(InvalidInput):
    code = "plan-mismatch"
    summary = "{option} means nothing under the plan {plan}."
    remedy = "Leave out one of the two."


class UnreadableBody(MarketError):
    status = 400
    code = "unreadable-body"
    summary = "The body can't be read: {reason}."
    remedy = "Expected: {expected}."


class BodyTooLarge(MarketError):
    status = 413
    code = "body-too-large"
    summary = "The body has more than {most_bytes} bytes, unpacked."
    remedy = "Send it in parts."


class UnsupportedBody(MarketError):
    status = 415
    code = "unsupported-body"
    summary = "{header} “{value}” is not understood."
    remedy = "Expected: {expected}."


class BatchTooLarge(InvalidInput):
    code = "batch-too-large"
    summary = "The batch has {events} events."
    remedy = "Send at most {most} at a time."


class EmptyBatch(InvalidInput):
    code = "empty-batch"
    summary = "The batch holds no event."
    remedy = "Send 1 to {most} events."


class IdempotencyKeyReused(InvalidInput):
    code = "idempotency-key-reused"
    summary = "The idempotency key “{key}” was used for another request."
    remedy = "Take a new key for each request, and the same one only to repeat it."


class WebhookRefused(InvalidInput):
    status = 400
    code = "webhook-refused"
    summary = "The message is not taken ({reason})."
    remedy = "Check MARKET_WEBHOOK_SECRET, and the clock."
