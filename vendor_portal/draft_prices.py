"""The price of a draft as it is typed: any plan of `catalog.plans`, from a day on.

Reads what a form or a request says into an offer; whether the plan makes sense is decided there.
"""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Final, Protocol, TypeVar

from catalog.offers import OfferRow
from catalog.plans import Plan, parse_tiers
from catalog.resources import CatalogueRow
from kernel.errors import InvalidInput, MarketError
from kernel.http.typed import Typed
from kernel.money import parse_rate

T = TypeVar("T")

FIELD_OF: Final = {
    "unit_price_yuan": "price",
    "period_cap_yuan": "period_cap",
    "valid_from": "price_from",
}
"""How the form calls what an offer calls otherwise."""
NEVER: Final = date(2000, 1, 1)


class PriceForm(Protocol):
    """What is typed of a price; everything may be empty."""

    @property
    def plan(self) -> str: ...
    @property
    def price(self) -> str: ...
    @property
    def tiers(self) -> str: ...
    @property
    def free_allowance(self) -> str: ...
    @property
    def period_cap(self) -> str: ...
    @property
    def learner_cap(self) -> str: ...
    @property
    def price_from(self) -> str: ...


def read_price(row: CatalogueRow, form: PriceForm, typed: Typed) -> OfferRow | None:
    """Return the offer that is typed with a draft, None if no price is; errors go to `typed`.

    The price of tiers may be left out: it is that of the first.
    """
    given = (form.price, form.tiers, form.free_allowance, form.period_cap, form.learner_cap)
    if not any(one.strip() for one in (*given, form.price_from)):
        return None
    plan = typed.choice("plan", form.plan, [one.value for one in Plan])
    day = typed.day("price_from", form.price_from)
    tiers = _read("tiers", form.tiers.replace("\r\n", ";").replace("\n", ";"), parse_tiers, typed)
    if form.price.strip() or not tiers:
        price = _read("price", form.price, parse_rate, typed, is_needed=True)
    else:
        price = tiers[0].unit_price
    offer = OfferRow(
        vendor_code=row.vendor_code,
        sku=row.sku,
        valid_from=day if "price_from" not in typed.errors else NEVER,
        plan=plan or Plan.PER_USE,
        unit_price_yuan=price if price is not None else Decimal(0),
        tiers=tiers or (),
        free_allowance=_read("free_allowance", form.free_allowance, _whole, typed),
        period_cap_yuan=_read("period_cap", form.period_cap, parse_rate, typed),
        learner_cap=_read("learner_cap", form.learner_cap, _whole, typed),
    )
    return None if typed.errors else offer


def _read(
    field: str, given: str, read: Callable[[str], T], typed: Typed, *, is_needed: bool = False
) -> T | None:
    """Read one field that may be left empty; what is wrong is said beside it."""
    text = given.strip().strip(";")
    if not text and not is_needed:
        return None
    try:
        return read(text)
    except MarketError as error:
        typed.tell(field, error)
        return None


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise InvalidInput(field="", value=text, expected="a whole number above 0")
    return int(text)
