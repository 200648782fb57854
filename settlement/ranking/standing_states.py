"""The states of a vendor's standing in a cell: one table of what may follow what, and why (R44).

Decides nothing about when; the gates are `due_process`', and the database keeps both (trigger).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class VendorStanding(StrEnum):
    """newcomer → normal → watch → probation → no_new_schools → exiting → left; recovery between,
    and after a term from left to newcomer."""

    NEWCOMER = "newcomer"
    NORMAL = "normal"
    WATCH = "watch"
    PROBATION = "probation"
    NO_NEW_SCHOOLS = "no_new_schools"
    EXITING = "exiting"
    LEFT = "left"


class Because(StrEnum):
    """What moves a standing: a monthly look, a person's decision, or the end of all agreements."""

    LOOK = "look"
    NOTICE = "notice"
    SUSPENSION = "suspension"
    EXIT = "exit"
    APPEAL = "appeal"
    ENDED = "ended"
    RETURN = "return"


CONTESTABLE: Final = frozenset({VendorStanding.PROBATION, VendorStanding.NO_NEW_SCHOOLS})
"""From which a vendor recovers by itself; an exit is taken back by an appeal only."""
RECOVERING: Final = frozenset({VendorStanding.WATCH, *CONTESTABLE})
"""Which a look ends once it finds recovery, and which is looked at though nothing is known."""
CLOSED: Final = frozenset({VendorStanding.EXITING, VendorStanding.LEFT})
"""In which nobody may begin, and nobody go on for another term."""

_UPHELD: Final = (VendorStanding.NEWCOMER, VendorStanding.NORMAL, VendorStanding.WATCH)
TRANSITIONS: Final[Mapping[VendorStanding, Mapping[VendorStanding, Because]]] = {
    VendorStanding.NEWCOMER: {
        VendorStanding.NORMAL: Because.LOOK,
        VendorStanding.WATCH: Because.LOOK,
    },
    VendorStanding.NORMAL: {VendorStanding.WATCH: Because.LOOK},
    VendorStanding.WATCH: {
        VendorStanding.NORMAL: Because.LOOK,
        VendorStanding.PROBATION: Because.NOTICE,
    },
    VendorStanding.PROBATION: {VendorStanding.NO_NEW_SCHOOLS: Because.SUSPENSION},
    VendorStanding.NO_NEW_SCHOOLS: {VendorStanding.EXITING: Because.EXIT},
    VendorStanding.EXITING: {VendorStanding.LEFT: Because.ENDED},
    VendorStanding.LEFT: {VendorStanding.NEWCOMER: Because.RETURN},
}
"""What follows what. Probation and no_new_schools go back to normal by a look, and they and exiting
to newcomer, normal or watch by an appeal that was upheld."""


def may_follow(state: VendorStanding, to: VendorStanding, because: Because) -> bool:
    """Return whether a standing may go from one state to another for this reason."""
    if because is Because.APPEAL:
        return state in {*CONTESTABLE, VendorStanding.EXITING} and to in _UPHELD
    if because is Because.LOOK and to is VendorStanding.NORMAL and state in CONTESTABLE:
        return True
    return TRANSITIONS[state].get(to) is because
