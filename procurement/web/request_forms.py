"""The form of a request: one basket of resources, as typed, and what it says.

A person types yuan and days; what can't be read becomes the error of its item, beside its field.
"""

import hashlib
from datetime import date, timedelta
from typing import Final

import msgspec

from kernel.clock import shanghai_day
from kernel.errors import InvalidInput
from kernel.http.pages import Form
from kernel.http.typed import Typed
from kernel.i18n import DEFAULT_LOCALE
from kernel.unit import Unit
from procurement.drafts import Draft, DraftItem
from procurement.request_previews import BasketPreview
from procurement.requests import Wanted

TRY: Final = "try"
REASON_TO_COME: Final = "…"
"""Stands for a reason that is not typed yet: a basket may be looked at without one."""
SHARED: Final = ("starts_on", "ends_on", "reason")
"""Fields of the whole request; those of one resource carry its place, such as `ceiling-1`."""

Texts = str | list[str]
"""A form posts one field of a name as a text, several as a list."""


class ChoiceForm(Form, frozen=True):
    """Resources that were ticked in the list, as `vendor/sku`."""

    resource: Texts = ""

    def chosen(self) -> list[str]:
        return [one for one in listed(self.resource) if one]


class RequestForm(Form, frozen=True):
    """A basket as typed: each resource with its ceilings, in the same order in every list.

    `act`: save | request | drop, or remove: and a resource. `seen`: what the page said that it
    means, by `meaning_of`.
    """

    starts_on: str = ""
    ends_on: str = ""
    reason: str = ""
    resource: Texts = ""
    ceiling: Texts = ""
    later: Texts = ""
    how: Texts = ""
    seen: str = ""
    act: str = "save"

    def draft(self) -> Draft:
        resources = [one for one in listed(self.resource) if one]
        ceilings, laters, hows = (listed(one) for one in (self.ceiling, self.later, self.how))
        draft = Draft(
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
                if resource not in resources[:place]
            ),
        )
        if crosses_new_year(draft) is not None:
            return draft
        # Days within one year leave no field for the next one's ceiling, so none may stay behind.
        return draft.without_later()


def listed(texts: Texts) -> list[str]:
    return texts if isinstance(texts, list) else [texts]


def read_draft(unit: Unit, draft: Draft, typed: Typed) -> list[Wanted | None]:
    """Return what each item of a draft asks for, None where something of it can't be read.

    All that can't be read is said in `typed`.
    """
    starts_on, ends_on = typed.days(("starts_on", draft.starts_on), ("ends_on", draft.ends_on))
    typed.text("reason", draft.reason)
    if not all(item.trial for item in draft.items):  # a trial ends long before
        require_two_years(typed, starts_on, ends_on)
    unreadable = not typed.errors.keys().isdisjoint({"starts_on", "ends_on"})
    found: list[Wanted | None] = []
    for place, item in enumerate(draft.items, start=1):
        vendor_code, _, sku = item.resource.partition("/")
        fields = (f"ceiling-{place}", f"later-{place}")
        last = ends_on
        if item.trial and not unreadable:
            last = min(ends_on, starts_on + timedelta(days=unit.settings.trial_days - 1))
        crosses = not unreadable and last.year != starts_on.year
        first_fen = 0 if item.trial else typed.yuan(fields[0], item.ceiling)
        later_fen = 0 if item.trial or not crosses else typed.yuan(fields[1], item.later)
        if unreadable or not typed.errors.keys().isdisjoint(fields):
            found.append(None)
            continue
        found.append(
            Wanted(
                vendor_code=vendor_code,
                sku=sku,
                starts_on=starts_on,
                ends_on=last,
                ceiling_fen=first_fen + later_fen,
                later_fen=later_fen if crosses else None,
                reason=draft.reason or REASON_TO_COME,
                trial=item.trial,
            )
        )
    return found


def require_two_years(typed: Typed, starts_on: date, ends_on: date) -> None:
    """Say beside the last day that a request goes no further than the second fiscal year (R19)."""
    if typed.errors.keys().isdisjoint({"starts_on", "ends_on"}) and (
        ends_on.year > starts_on.year + 1
    ):
        too_late = InvalidInput(
            field="ends_on",
            value=ends_on,
            expected="{latest} or earlier: a request spans at most two fiscal years",
            limits={"latest": date(starts_on.year + 1, 12, 31)},
        )
        typed.tell("ends_on", too_late)


def meaning_of(draft: Draft, preview: BasketPreview) -> str:
    """Return a digest of what a draft asks for and what that means; "" while that isn't known.

    A request goes only with the digest of what its page showed, so that nobody submits what they
    have not seen. The reason changes nothing of it.
    """
    if not preview.is_right:
        return ""
    shown = [
        [draft.starts_on, draft.ends_on, *draft.items],
        [[(one.line.id, one.amount_fen) for one in item.draws] for item in preview.items],
        [(item.short_fen, item.waiting_fen) for item in preview.items],
        list(preview.signers),
    ]
    return hashlib.sha256(msgspec.json.encode(shown)).hexdigest()


def crosses_new_year(draft: Draft) -> int | None:
    """Return the second fiscal year of the days as typed, if there is one."""
    typed = Typed(DEFAULT_LOCALE)
    first, last = typed.days(("starts_on", draft.starts_on), ("ends_on", draft.ends_on))
    return last.year if not typed.errors and last.year == first.year + 1 else None


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


def _at(texts: list[str], place: int) -> str:
    return texts[place].strip() if place < len(texts) else ""
