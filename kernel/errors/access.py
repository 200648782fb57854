"""Who someone is and what they may do (401, 403, 404)."""

from kernel.errors.base import MarketError


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


class NotEnrolled(Refused):
    code = "not-enrolled"
    summary = "You are not enrolled at a school on {day}."
    remedy = "Your school keeps the roster; ask it to record the enrolment."


class NotFound(MarketError):
    status = 404
    code = "not-found"
    summary = "There is no {what} “{key}” here."
    remedy = "Check the spelling; what lies outside your organisation or region is not shown."
