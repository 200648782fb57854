"""What to do about a row of usage that was not taken: which field is meant, and the way out (R32).

Decides the words for each reason under which rows are put aside, wherever they are shown: in the
answer to a report, beside the rejects of a file, on a bureau's page. Why a row is put aside is
decided where it is judged (`classify`, `events`, the reading of files).
"""

from dataclasses import dataclass
from typing import Final

from kernel.i18n import msgid

MISSING: Final = "missing-"
UNMAPPED: Final = "unmapped-"
UNREADABLE: Final = "unreadable-"

FILL_IN: Final = msgid("Fill it in, and send the row again.")
ADD_TO_MAP: Final = msgid("Add the value to the map under [values], and import the file again.")
MEND: Final = msgid("Mend it, and send the row again.")


@dataclass(frozen=True, slots=True)
class Mending:
    """The field over which a row was not taken, by its name in a file, and what to do about it."""

    field: str = ""
    remedy: str = ""


NOTHING: Final = Mending()
_SEND_AGAIN: Final = msgid("Send the row again with the launch that the use began with.")
_ID: Final = msgid("Give each use an id of its own, of 1 to 100 characters, and send it again.")
_KNOWN: Final = {
    "conflict": Mending(
        "event_id",
        msgid(
            "This event id was taken with other content, which stands: give a new use a new id, or "
            "leave the row out."
        ),
    ),
    "unknown-learner": Mending(
        "learner",
        msgid("Import the learner with the roster and send the row again, or correct the number."),
    ),
    "unknown-school": Mending(
        "school_code",
        msgid("There is no school of this code: correct it, or leave it empty."),
    ),
    "other-school": Mending(
        "school_code",
        msgid(
            "Name the school at which the learner is enrolled on that day, or mend the enrolment."
        ),
    ),
    "source-not-admitted": Mending(
        "school_code",
        msgid("The school's bureau has to admit this source before its rows count."),
    ),
    "unknown-vendor": Mending(
        "vendor_code",
        msgid("There is no vendor of this code: correct it, or import the vendor first."),
    ),
    "other-vendor": Mending(
        "vendor_code",
        msgid("A vendor reports its own resources only: let their vendor report this use."),
    ),
    "unknown-resource": Mending(
        "sku",
        msgid("The vendor has no such resource: correct the number, or list the resource first."),
    ),
    "pack-named": Mending(
        "sku",
        msgid("This is a pack, which nobody opens: name the resource of the pack that was used."),
    ),
    "no-agreement": Mending(
        "sku",
        msgid(
            "The school has no agreement for this resource on that day: check the time, or have "
            "the agreement approved and send the row again."
        ),
    ),
    "time-in-future": Mending(
        "time", msgid("The time is later than now: check date, clock and time zone.")
    ),
    "time-too-old": Mending(
        "time", msgid("The time lies too far back to be billed: check the date.")
    ),
    "month-archived": Mending(
        "time", msgid("The month is archived: have it brought back, then send the row again.")
    ),
    "quantity-too-large": Mending("quantity", msgid("Check the quantity, and send a smaller one.")),
    "quantity-without-count": Mending(
        "quantity",
        msgid(
            "Each row of this source is one use: write 1, or say in the map that its rows are "
            "counted already ([usage] pre_counted = true)."
        ),
    ),
    "no-launch": Mending(
        "launch",
        msgid("The launch is not known yet: it is looked for again before the month is sealed."),
    ),
    "without-launch": Mending("launch", _SEND_AGAIN),
    "outside-launch": Mending(
        "time", msgid("The time is not within the launch: check the clock and the launch.")
    ),
    "other-learner": Mending(
        "subject", msgid("Report the pseudonym that the launch's ticket carries.")
    ),
    "other-device": Mending("launch", msgid("Let the box that opened it deliver this use.")),
    "malformed-launch": Mending("launch", MEND),
    "launch-conflict": Mending(
        "launch", msgid("The launch was delivered before with other content, which stands.")
    ),
    "other-source": Mending(
        "source", msgid("Send the events of each source in a batch of their own.")
    ),
    "missing-event-id": Mending("event_id", _ID),
    "unreadable-event-id": Mending("event_id", _ID),
    "unreadable-time": Mending(
        "time",
        msgid(
            "Write date, time and zone of a moment that there was, such as "
            "2026-03-02T08:30:00+08:00, and send the row again."
        ),
    ),
    "unreadable-quantity": Mending(
        "quantity",
        msgid("Write a whole number of at least 1, in JSON as a number, and send the row again."),
    ),
    "unreadable-launch": Mending("launch", msgid("Leave the launch out, or correct its id.")),
    "unreadable-row": Mending(
        "",
        msgid(
            "Check the row against the template (an event against the guide): its fields, "
            "quotation marks and characters."
        ),
    ),
}


def mending(reason: str) -> Mending:
    """Return what to do about a row put aside for `reason`; nothing about one that was taken."""
    if reason in _KNOWN:
        return _KNOWN[reason]
    for begins, remedy in ((MISSING, FILL_IN), (UNMAPPED, ADD_TO_MAP), (UNREADABLE, MEND)):
        if reason.startswith(begins):
            return Mending(reason.removeprefix(begins).replace("-", "_"), remedy)
    return NOTHING
