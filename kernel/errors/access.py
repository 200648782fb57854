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


class ApiKeyRefused(NotSignedIn):
    code = "api-key-refused"
    summary = "The API key is missing, unknown or revoked."
    remedy = "Send it as “Authorization: Bearer KEY”; a new one is made with market key create."


class SignatureMissing(NotSignedIn):
    code = "signature-missing"
    summary = "The request is not signed: {header} is missing or can't be read."
    remedy = "Sign timestamp, “.” and body with Ed25519; see docs/guides/report-usage.md."


class SignatureStale(NotSignedIn):
    code = "signature-stale"
    summary = "The request was signed at {timestamp}, which is too far from our clock ({now})."
    remedy = "Set your clock, sign anew and send at once."


class SignatureWrong(NotSignedIn):
    code = "signature-wrong"
    summary = "The signature does not fit the timestamp and the body as they came."
    remedy = "Sign the bytes that are sent (after compression), with the key registered for {key}."


class RateExceeded(MarketError):
    status = 429
    code = "rate-exceeded"
    summary = "{wanted} more would pass the {limit} that this key may send in {window_s} seconds."
    remedy = "Try again in {retry_after_s} seconds."


class Refused(MarketError):
    status = 403
    code = "refused"
    summary = "You may not do this ({act})."
    remedy = "Needed: {needs}."


class NoPublicKey(Refused):
    code = "no-public-key"
    summary = "No public key is registered with this API key, so that it can't send anything."
    remedy = "Make a key with one: market key create … --public-key FILE.pem."


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


class OwnWork(OwnInterest):
    code = "own-work"
    summary = "{person} can't rate what was made at {person}'s own school, or was when it was used."
    remedy = "Teachers of other schools may; who used it at another school, by that use."


class UseNotSettled(Refused):
    code = "use-not-settled"
    summary = "{actor} has no settled use of “{title}” in a class."
    remedy = "Who opened it for a class may rate it once the month of that use is stated."


class UseNotBilled(UseNotSettled):
    code = "use-not-billed"
    summary = "{actor}'s use of “{title}” in a class counted on no bill."
    remedy = "A use that is billed, or settled without a price, lets them rate it."


class StaffOfVendor(OwnInterest):
    code = "staff-of-vendor"
    summary = "{person} holds or has held a role at the vendor of “{title}” and can't rate it."
    remedy = "Teachers without a role there may."


class OwnRecord(OwnInterest):
    code = "own-record"
    summary = "{person} can't sign {reference}: whoever recorded it for another person does not."
    remedy = "Another holder of the role must sign."


class MakerChecks(Refused):
    code = "maker-checks"
    summary = "{person} made {number} and can't check it, too."
    remedy = "Another finance person of the bureau must."


class TwoNeeded(MakerChecks):
    code = "two-needed"
    summary = "{person} can't both make and check; nothing was proposed."
    remedy = "Name another finance person of the bureau to check."


class OwnPart(OwnInterest):
    code = "own-part"
    summary = "{person} had a part in this agreement or its bill and can't judge it."
    remedy = (
        "Another finance person of {bureau}, or of a bureau above it, decides: who neither "
        "requested, recorded, signed or changed the agreement nor confirmed or disputed its lines."
    )


class VendorInterest(Refused):
    code = "vendor-interest"
    summary = "{person} has held a role at {vendor} and can't review what it offers."
    remedy = "A reviewer without an interest must."


class TookPart(OwnInterest):
    code = "took-part"
    summary = "{person} had a part in what was decided about “{key}” and can't judge it again."
    remedy = "Another reviewer must."


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
