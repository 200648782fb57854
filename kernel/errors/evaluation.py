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


class HoldsFromThatDay(Conflict):
    code = "holds-from-that-day"
    summary = "From {day} on {holding} holds in {region}."
    remedy = "Take another first day, or say --replaces {holding} if it is to stand in its place."


class MovesBookings(Conflict):
    code = "moves-bookings"
    summary = (
        "From {day} on it moves {count} bookings of teachers: {more} credits more, {less} less."
    )
    remedy = "Take a later first day, or say why with --because; it stands on the trail."


class CreditsLeftOut(Conflict):
    code = "credits-left-out"
    summary = "{booked} bookings; the credits of {count} people were refused: {reasons}."
    remedy = (
        "Look at the tables of credits of their region (market rates show credits) and record one "
        "that puts right the one that is wrong. Everybody else is booked."
    )


class YearRead(Conflict):
    code = "year-read"
    summary = "Reading earns nothing more in {year}: its {most} credits are reached."
    remedy = "An article counts once; keep it for the next year. It can be opened all the same."
