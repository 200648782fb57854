"""Every error the product raises on purpose, as one tree.

An error carries the facts a person needs to act on it. Its `code` (kebab-case) and `status` are
stable and public; `summary` and `remedy` are message ids, translated and filled at the edge.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class MarketError(Exception):
    """Base of all errors that are answers, not defects."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "market-error"
    summary: ClassVar[str] = "The request can't be carried out."
    remedy: ClassVar[str] = ""

    def __init__(self, **facts: Any) -> None:
        self.facts = facts
        super().__init__(self.code)

    def __str__(self) -> str:
        return self.sentence()

    def sentence(self, translate: Any = str, *, facts: Mapping[str, Any] | None = None) -> str:
        """Return summary and remedy in one line, through `translate` and filled with the facts.

        `facts` stands in for the error's own where they have to read otherwise.
        """
        known = _Facts(self.facts if facts is None else facts)
        parts = [translate(part) for part in (self.summary, self.remedy) if part]
        return " ".join(part.format_map(known) for part in parts)


class _Facts(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return f"<{key}>"


# What was sent is not right (400, 422)


class InvalidInput(MarketError):
    status = 422
    code = "invalid-input"
    summary = "The value “{value}” of {field} is not valid."
    remedy = "Expected: {expected}."


class InvalidAmount(InvalidInput):
    code = "invalid-amount"
    summary = "“{text}” is not an amount ({reason})."
    remedy = "Give a number that is not negative, with at most {places} decimals."


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


class MissingValue(InvalidInput):
    code = "missing-value"
    summary = "{field} is empty."
    remedy = "It is needed in every row."


class UnevenRow(InvalidInput):
    code = "uneven-row"
    summary = "The row has {found} fields, the header row has {expected}."
    remedy = "Quote values that contain a comma, and fill up what is missing."


class UnreadableRow(InvalidInput):
    code = "unreadable-row"
    summary = "The row can't be read ({reason})."
    remedy = "Check its quotation marks."


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
    remedy = "Make one selection that ends on 31 December and another that starts on 1 January."


class NoteRequired(InvalidInput):
    code = "note-required"
    summary = "A refusal needs its reason."
    remedy = "Say why in the note."


# Files


class ImportFailed(MarketError):
    status = 422
    code = "import-failed"
    summary = "{file} can't be imported."


class UnreadableFile(ImportFailed):
    code = "unreadable-file"
    summary = "{file} can't be read: {reason}."
    remedy = "Check the path and the permissions."


class UnwritableFile(ImportFailed):
    code = "unwritable-file"
    summary = "{file} can't be written: {reason}."
    remedy = "Check the path and the permissions."


class OverwritesInput(ImportFailed):
    code = "overwrites-input"
    summary = "The rejects can't be written to {file}: it is what is being imported."
    remedy = "Name another file."


class EmptyFile(ImportFailed):
    code = "empty-file"
    summary = "{file} is empty."
    remedy = "Its first row has to name the columns: market import {kind} --template."


class RepeatedColumn(ImportFailed):
    code = "repeated-column"
    summary = "The header row of {file} names the column “{column}” twice."
    remedy = "Remove or rename one of the two."


class UnknownEncoding(ImportFailed):
    code = "unknown-encoding"
    summary = "{file} is neither UTF-8 nor GB18030 (first bad byte at offset {offset})."
    remedy = "Save it as “CSV UTF-8” and import it again."


class MissingColumns(ImportFailed):
    code = "missing-columns"
    summary = "{file} lacks the column(s) {columns}."
    remedy = "Its header row has: {found}. Rename the columns, or map them with --map FILE.toml."


class InvalidMap(ImportFailed):
    code = "invalid-map"
    summary = "The map {file} is not valid: {reason}."
    remedy = "See docs/guides/import.md."


class MissingSource(ImportFailed):
    code = "missing-source"
    summary = "Usage needs its source."
    remedy = "Name it with --source CODE, or in the map: [usage] source."


class RowsRejected(ImportFailed):
    code = "rows-rejected"
    summary = "{rejected} of {received} rows of {file} were rejected, nothing was imported."
    remedy = "Mend them (--rejects FILE.csv lists all) and import the file again."


# Who you are and what you may do (401, 403, 404)


class NotSignedIn(MarketError):
    status = 401
    code = "not-signed-in"
    summary = "You are not signed in."
    remedy = "Sign in and try again."


class WrongCredentials(NotSignedIn):
    code = "wrong-credentials"
    summary = "The account or the password is wrong."
    remedy = "Check both; after five failures the account rests for 15 minutes."


class TooManyAttempts(NotSignedIn):
    status = 429
    code = "too-many-attempts"
    summary = "Too many failed attempts to sign in."
    remedy = "Try again in {minutes} minutes."


class Refused(MarketError):
    status = 403
    code = "refused"
    summary = "You may not do this ({act})."
    remedy = "Needed: {needs}."


class PageRefused(Refused):
    code = "page-refused"
    summary = "This page is not meant for you."
    remedy = "It is open to: {needs}."


class CsrfRefused(Refused):
    code = "csrf-refused"
    summary = "The page was open too long, or the form came from elsewhere."
    remedy = "Load the page again and repeat the step."


class OwnInterest(Refused):
    code = "own-interest"
    summary = "{person} can't decide what {person} proposed."
    remedy = "Another reviewer must decide."


class VendorInterest(Refused):
    code = "vendor-interest"
    summary = "{person} has held a role at {vendor} and can't review what it offers."
    remedy = "A reviewer without an interest must."


class EnrolledElsewhere(Refused):
    code = "enrolled-elsewhere"
    summary = "The learner is enrolled at a school that is not below your bureau."
    remedy = "Enrol from {today} on, or let that school's bureau record the departure first."


class NotFound(MarketError):
    status = 404
    code = "not-found"
    summary = "There is no {what} “{key}” here."
    remedy = "Check the spelling; what lies outside your organisation or region is not shown."


# The state of things stands against it (409)


class Conflict(MarketError):
    status = 409
    code = "conflict"
    summary = "{what} “{key}” can't go from “{state}” to “{wanted}”."


class AlreadyExists(Conflict):
    code = "already-exists"
    summary = "{what} “{key}” exists already with other content."
    remedy = "What is recorded can't be overwritten; record a new one."


class ImportInProgress(Conflict):
    code = "import-in-progress"
    summary = "{file} is being imported by another process."
    remedy = "Wait for it to end; the same file again is then counted as duplicates."


class BudgetExhausted(Conflict):
    code = "budget-exhausted"
    summary = "The funding lines are {short_yuan} yuan short."
    remedy = "Lower the ceiling or have the line topped up."


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


class NoCensus(Conflict):
    code = "no-census"
    summary = "{school} has no enrolment census of {year}."
    remedy = "Import one: market import enrolment FILE."


class NotListed(Conflict):
    code = "not-listed"
    summary = "“{key}” is not listed."
    remedy = "It has to be admitted by two reviewers first: market admit."


class NoOffer(Conflict):
    code = "no-offer"
    summary = "“{key}” has no price in force on {day}."
    remedy = "Import its offer: market import offers FILE."


class BasicIsFree(Conflict):
    code = "basic-is-free"
    summary = "“{key}” is a basic resource, but costs {price} yuan on {day}."
    remedy = "Basic resources are free: record an offer of 0 from that day on."


class PeriodNotOver(Conflict):
    code = "period-not-over"
    summary = "{period} is not over yet."
    remedy = "It can be settled from {from_day} (Asia/Shanghai)."


class EarlierPeriodOpen(Conflict):
    code = "earlier-period-open"
    summary = "{earlier} of {payer} is not settled yet, so {period} can't be."
    remedy = "Run: market settle {earlier}."


class NothingToSettle(Conflict):
    code = "nothing-to-settle"
    summary = "Nobody has an agreement or a use in {period}."


class PartlyLoaded(Conflict):
    code = "not-empty"
    summary = "The database already holds other data."
    remedy = "Use an empty MARKET_HOME or DATABASE_URL."


# The surroundings (500, 503)


class Misconfigured(MarketError):
    status = 500
    code = "misconfigured"
    summary = "{setting}: {reason}."
    remedy = "See docs/settings.md."


class DatabaseUnavailable(MarketError):
    status = 503
    code = "database-unavailable"
    summary = "The database does not answer ({reason})."
    remedy = "Nothing was half-done: start it (market run, or your PostgreSQL) and repeat."


class OutOfSpace(DatabaseUnavailable):
    code = "out-of-space"
    summary = "The database has no space left ({reason})."
    remedy = "Nothing was half-done: free some space and repeat the command."


class EmbeddedUnavailable(MarketError):
    status = 503
    code = "embedded-unavailable"
    summary = "The embedded PostgreSQL can't run here ({reason})."
    remedy = "Name a PostgreSQL 16 or later in DATABASE_URL, or run as an ordinary user."


class AddressInUse(MarketError):
    status = 503
    code = "address-in-use"
    summary = "{host}:{port} can't be used ({reason})."
    remedy = "Stop what listens there (market stop), or choose another MARKET_PORT."


class AlreadyRunning(MarketError):
    status = 503
    code = "already-running"
    summary = "The {name} process of {home} already runs (process {pid})."
    remedy = "End it first: market stop."


class ProcessFailed(MarketError):
    status = 503
    code = "process-failed"
    summary = "The {name} process ended again and again (status {exit_status})."
    remedy = "Its last words are in {log}."


class SchemaOutdated(MarketError):
    status = 503
    code = "schema-outdated"
    summary = "The database is at revision {found}, this version needs {needed}."
    remedy = "Run: market db upgrade."
