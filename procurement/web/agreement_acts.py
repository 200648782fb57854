"""What a school does with an agreement: ask for another ceiling or another term, or give it up."""

from typing import Any, Final

from litestar import Response

from kernel.clock import shanghai_day
from kernel.errors import MarketError, NotFound
from kernel.http.pages import Form, Page
from kernel.http.typed import Typed
from kernel.i18n import label
from kernel.money import plain_yuan
from procurement.agreement_requests import (
    ceilings_of,
    own_agreement,
    request_ceiling,
    request_renewal,
)
from procurement.web.request_forms import require_two_years
from settlement.agreement_ends import EndWhy, end_agreement, release_day
from settlement.queries.funding import AgreementRow, agreements_of
from settlement.web.places import Place

FIELD_OF: Final = {
    "ceiling_yuan": "ceiling",
    "next_year_ceiling_yuan": "later",
    "last_day": "last_day",
}


class CeilingForm(Form, frozen=True):
    """The ceilings of the first and of the second fiscal year, in yuan."""

    first: str = ""
    second: str = ""
    reason: str = ""


class RenewalForm(Form, frozen=True):
    starts_on: str = ""
    ends_on: str = ""
    ceiling: str = ""
    later: str = ""
    reason: str = ""


class EndForm(Form, frozen=True):
    """The last day; `confirmed` once it was seen what will happen."""

    last_day: str = ""
    why: str = EndWhy.OTHER.value
    reason: str = ""
    confirmed: str = ""


def ask_ceiling(
    page: Page,
    place: Place,
    number: str,
    *,
    form: CeilingForm | None = None,
    errors: dict[str, str] | None = None,
) -> Response[Any]:
    """Show the form for another ceiling, by fiscal year."""
    known = ceilings_of(page.unit, own_agreement(page.unit, number))
    shown = [plain_yuan(fen) for fen in known.values()]
    blank = CeilingForm(first=shown[0], second=shown[1] if len(shown) > 1 else "")
    return page.render(
        "procurement/ceiling_form.html",
        status=422 if errors else 200,
        place=place,
        agreement=_row(page, place, number),
        years=list(known),
        form=form or blank,
        errors=errors or {},
    )


def post_ceiling(page: Page, place: Place, number: str, *, form: CeilingForm) -> Response[Any]:
    """Request another ceiling, or show the form again with what is wrong."""
    years = list(ceilings_of(page.unit, own_agreement(page.unit, number)))
    names = dict(zip(years, ("first", "second"), strict=False))
    typed = Typed(page.locale)
    ceilings = {year: typed.yuan(name, getattr(form, name)) for year, name in names.items()}
    reason = typed.text("reason", form.reason)
    if typed.errors:
        return ask_ceiling(page, place, number, form=form, errors=typed.errors)
    try:
        selection_id = request_ceiling(page.unit, number, ceilings=ceilings, reason=reason)
    except MarketError as error:
        typed.refuse(error, {f"ceiling_{year}": name for year, name in names.items()})
        return ask_ceiling(page, place, number, form=form, errors=typed.errors)
    return page.redirect(f"{place.selection}/{selection_id}")


def ask_renewal(
    page: Page,
    place: Place,
    number: str,
    *,
    form: RenewalForm | None = None,
    errors: dict[str, str] | None = None,
) -> Response[Any]:
    """Show the form for the next term."""
    agreement = _row(page, place, number)
    return page.render(
        "procurement/renewal_form.html",
        status=422 if errors else 200,
        place=place,
        agreement=agreement,
        form=form or RenewalForm(ceiling=plain_yuan(agreement.ceiling_fen)),
        errors=errors or {},
    )


def post_renewal(page: Page, place: Place, number: str, *, form: RenewalForm) -> Response[Any]:
    """Request the next term, or show the form again with what is wrong."""
    typed = Typed(page.locale)
    starts_on, ends_on = typed.days(("starts_on", form.starts_on), ("ends_on", form.ends_on))
    require_two_years(typed, starts_on, ends_on)
    first_fen = typed.yuan("ceiling", form.ceiling)
    crosses = not {"starts_on", "ends_on"} & typed.errors.keys() and ends_on.year != starts_on.year
    later_fen = typed.yuan("later", form.later) if crosses else None
    reason = typed.text("reason", form.reason)
    if typed.errors:
        return ask_renewal(page, place, number, form=form, errors=typed.errors)
    try:
        selection_id = request_renewal(
            page.unit,
            number,
            starts_on=starts_on,
            ends_on=ends_on,
            ceiling_fen=first_fen + (later_fen or 0),
            later_fen=later_fen,
            reason=reason,
        )
    except MarketError as error:
        typed.refuse(error, FIELD_OF)
        return ask_renewal(page, place, number, form=form, errors=typed.errors)
    return page.redirect(f"{place.selection}/{selection_id}")


def ask_end(
    page: Page,
    place: Place,
    number: str,
    *,
    form: EndForm | None = None,
    errors: dict[str, str] | None = None,
    release: Any = None,
) -> Response[Any]:
    """Show the form by which an agreement is given up; `release`: it is about to be, from then."""
    today = shanghai_day(page.unit.clock.now())
    own_agreement(page.unit, number)
    return page.render(
        "procurement/end_form.html",
        status=422 if errors else 200,
        place=place,
        agreement=_row(page, place, number),
        form=form or EndForm(last_day=today.isoformat()),
        errors=errors or {},
        release=release,
        whys=[(one.value, label(one, page.locale)) for one in EndWhy],
    )


def post_end(page: Page, place: Place, number: str, *, form: EndForm) -> Response[Any]:
    """Say what will happen, and when that is confirmed, give the agreement up."""
    typed = Typed(page.locale)
    last_day = typed.day("last_day", form.last_day)
    why = typed.choice("why", form.why, EndWhy)
    reason = typed.text("reason", form.reason)
    if why is None or typed.errors:
        return ask_end(page, place, number, form=form, errors=typed.errors)
    try:
        if not form.confirmed:
            release = release_day(page.unit, last_day)
            return ask_end(page, place, number, form=form, release=release)
        end_agreement(page.unit, number, last_day=last_day, reason=reason, why=why)
    except MarketError as error:
        typed.refuse(error, FIELD_OF)
        return ask_end(page, place, number, form=form, errors=typed.errors)
    return page.redirect(place.agreement(number))


def _row(page: Page, place: Place, number: str) -> AgreementRow:
    found = [row for row in agreements_of(page.unit, place.payer_code) if row.number == number]
    if not found:
        raise NotFound(what="agreement", key=number)
    return found[0]
