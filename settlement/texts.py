"""What people write into forms: without blanks around it, and no longer than can be read."""

from typing import Final

from kernel.errors import InvalidInput, MissingValue, ReasonRequired
from kernel.texts import PLAIN, TURNING

LONGEST_TEXT: Final = 2_000
SHOWN_OF_TEXT: Final = 20
"""Characters of what is too long in its refusal."""


def words_of(field: str, text: str, *, most: int = LONGEST_TEXT) -> str:
    """Return a text without blanks around it.

    Raises `MissingValue` if nothing is left, `InvalidInput` for more than `most` characters, or
    controls of direction.
    """
    cleaned = text.strip().replace("\x00", "")
    if not cleaned:
        raise MissingValue(field=field)
    if TURNING.search(cleaned):
        shown = TURNING.sub(" ", cleaned[:SHOWN_OF_TEXT])
        raise InvalidInput(field=field, value=shown, expected=PLAIN)
    if len(cleaned) > most:
        raise InvalidInput(
            field=field,
            value=f"{cleaned[:SHOWN_OF_TEXT]}…",
            expected="at most {most} characters",
            limits={"most": most},
        )
    return cleaned


def reason_of(field: str, text: str) -> str:
    """Return the reason of a decision as `words_of` does; raise `ReasonRequired` without one."""
    if not text.strip():
        raise ReasonRequired
    return words_of(field, text)
