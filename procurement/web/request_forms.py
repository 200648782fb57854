"""The form of a request: one basket of resources, as typed, and what it says.

A person types yuan and days; what can't be read becomes the error of its item, beside its field.
"""

from datetime import date, timedelta
from typing import Final

from kernel.clock import parse_day, shanghai_day
from kernel.errors import (
    InvalidAmount,
    InvalidDate,
    InvalidInput,
    MarketError,
    MissingValue,
)
from kernel.http.pages import Form
from kernel.i18n import msgid, translate, translate_error
from kernel.money import parse_fen
from kernel.unit import Unit
from procurement.drafts import Draft, DraftItem
from procurement.requests import Wanted

TRY: Final = "try"
REASON_TO_COME: Final = "…"
"""Stands for a reason that is not typed yet: a basket may be looked at without one."""
EMPTY: Final = msgid("Fill this in.")

Texts = str | list[str]
"""A form posts one field of a name as a text, several as a list."""


class ChoiceForm(Form, frozen=True):
    """Resources that were ticked in the list, as `vendor/sku`."""

    resource: Texts = ""

    def chosen(self) -> list[str]:
        return [one for one in listed(self.resource) if one]


class RequestForm(Form, frozen=True):
    """A basket as typed: each resource with its ceilings, in the same order in every list.

    `act`: save | request | drop, or remove: and a resource.
    """

    starts_on: str = ""
    ends_on: str = ""
    reason: str = ""
    resource: Texts = ""
    ceiling: Texts = ""
    later: Texts = ""
    how: Texts = ""
    act: str = "save"

    def draft(self) -> Draft:
        resources = [one for one in listed(self.resource) if one]
        ceilings, laters, hows = (listed(one) for one in (self.ceiling, self.later, self.how))
        return Draft(
            starts_on=self.starts_on.strip(),
            ends_on=self.ends_on.strip(),
            reason=self.reason.strip(),
            items=tuple(
                DraftItem(
                    resource=resource,
                    ceiling=_at(ceilings, place),
                    later=_at(laters, place),
                    trial=_at(hows, place) == TRY,
                )
                for place, resource in enumerate(resources)
            ),
        )


def listed(texts: Texts) -> list[str]:
    return texts if isinstance(texts, list) else [texts]


def read_draft(unit: Unit, draft: Draft) -> list[Wanted | MarketError]:
    """Return what each item of a draft asks for, or what can't be read of it."""
    found: list[Wanted | MarketError] = []
    for item in draft.items:
        try:
            found.append(_wanted(unit, draft, item))
        except MarketError as error:
            found.append(error)
    return found


def days_of(draft: Draft) -> tuple[date, date]:
    """Return the first and last day as typed; raise `MissingValue` or `InvalidDate`."""
    return read_day(draft.starts_on, "starts_on"), read_day(draft.ends_on, "ends_on")


def crosses_new_year(draft: Draft) -> int | None:
    """Return the second fiscal year of the days as typed, if there is one."""
    try:
        first, last = days_of(draft)
    except MarketError:
        return None
    return last.year if last.year == first.year + 1 else None


def form_errors(draft: Draft, locale: str) -> dict[str, str]:
    """Return what is wrong with the fields that all items share."""
    errors: dict[str, str] = {}
    for field in ("starts_on", "ends_on"):
        try:
            read_day(getattr(draft, field), field)
        except MissingValue:
            errors[field] = translate(EMPTY, locale)
        except MarketError as error:
            errors[field] = translate_error(error, locale)
    if not draft.reason:
        errors["reason"] = translate(EMPTY, locale)
    return errors


def _wanted(unit: Unit, draft: Draft, item: DraftItem) -> Wanted:
    vendor_code, _, sku = item.resource.partition("/")
    starts_on, ends_on = days_of(draft)
    if item.trial:
        longest = starts_on + timedelta(days=unit.settings.trial_days - 1)
        ends_on = min(ends_on, longest)
    crosses = ends_on.year != starts_on.year
    free = item.trial
    first_fen = 0 if free else read_yuan(item.ceiling, "ceiling")
    later_fen = 0
    if crosses and not free:
        later_fen = read_yuan(item.later, "later")
    return Wanted(
        vendor_code=vendor_code,
        sku=sku,
        starts_on=starts_on,
        ends_on=ends_on,
        ceiling_fen=first_fen + later_fen,
        later_fen=later_fen if crosses else None,
        reason=draft.reason or REASON_TO_COME,
        trial=item.trial,
    )


def begin_draft(unit: Unit) -> Draft:
    """Return an empty draft for the days from today to the end of the school term."""
    today = shanghai_day(unit.clock.now())
    return Draft(starts_on=today.isoformat(), ends_on=term_end(today).isoformat())


def term_end(day: date) -> date:
    """Return the last day of the term that a day is in: 31 January or 15 July, by default."""
    for end in (date(day.year, 1, 31), date(day.year, 7, 15), date(day.year + 1, 1, 31)):
        if day <= end:
            return end
    raise ValueError(day)  # a year ends before the last of these


def read_yuan(text: str, field: str) -> int:
    """Read an amount as typed; raise `MissingValue` or `InvalidInput` for its field."""
    if not text.strip():
        raise MissingValue(field=field)
    try:
        return parse_fen(text)
    except InvalidAmount as error:
        raise InvalidInput(field=field, value=error.facts["text"], expected="12.34") from None


def read_day(text: str, field: str) -> date:
    """Read a day as typed; raise `MissingValue` or `InvalidInput` for its field."""
    if not text:
        raise MissingValue(field=field)
    try:
        return parse_day(text)
    except InvalidDate:
        raise InvalidInput(field=field, value=text, expected="2026-09-01") from None


def _at(texts: list[str], place: int) -> str:
    return texts[place].strip() if place < len(texts) else ""
