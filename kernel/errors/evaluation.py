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
