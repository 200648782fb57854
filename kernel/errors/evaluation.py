"""What stands against a finding, an evaluator's admission, or what is read for credits (409)."""

from kernel.errors.conflicts import AlreadyExists, Conflict


class FiledAlready(AlreadyExists):
    code = "filed-already"
    summary = "The same finding about “{key}” was filed already."
    remedy = "It stays as it was filed; nothing needs to be filed again."


class AdmittedAlready(AlreadyExists):
    code = "admitted-already"
    summary = "{name} is let in for this region already."
    remedy = "To declare other interests, end that admission first and let it in anew."


class YearRead(Conflict):
    code = "year-read"
    summary = "Reading earns nothing more in {year}: its {most} credits are reached."
    remedy = "An article counts once; keep it for the next year. It can be opened all the same."


class TableHolds(Conflict):
    code = "table-holds"
    summary = "{version} holds in {region} from {day} on already."
    remedy = "Give another first day, or name it as the one that is replaced."


class TableBackdated(Conflict):
    code = "table-backdated"
    summary = "{version} would hold from {day} on: what was earned since is reckoned anew by it."
    remedy = "Give a day from today on, or say that it is meant to be backdated."


class CreditsBeyondBounds(Conflict):
    code = "credits-beyond-bounds"
    summary = "By the table {version} {person} would be credited {credits}: no table gives as much."
    remedy = "Record a table that replaces it; nothing is booked until then."
