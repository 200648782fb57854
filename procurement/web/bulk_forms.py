"""The form of a bulk purchase: what, for whom, up to what; and the ceilings that it says.

For whom is said by marks, or line by line with each school's ceiling; ceilings are shared by
pupils, alike for all, or as listed. What can't be read becomes the error of its field.
"""

from typing import Final

from kernel.errors import InvalidInput, MissingValue, NoSchoolFits
from kernel.http.pages import Form
from kernel.http.typed import Typed
from kernel.unit import Unit
from procurement.bulk import BulkWanted
from procurement.bulk_places import Marks, places_of, shared_by_pupils
from procurement.web.request_forms import REASON_TO_COME, require_two_years

BY_PUPILS: Final = "pupils"
ALIKE: Final = "alike"
LISTED: Final = "listed"


class BulkForm(Form, frozen=True):
    """A bulk purchase as typed. `how`: pupils | alike | listed; `act`: look | request."""

    resource: str = ""
    starts_on: str = ""
    ends_on: str = ""
    ceiling: str = ""
    later: str = ""
    reason: str = ""
    region: str = ""
    stage: str = ""
    setting: str = ""
    small_rural: str = ""
    how: str = BY_PUPILS
    each: str = ""
    schools: str = ""
    act: str = "look"

    @property
    def marks(self) -> Marks:
        return Marks(
            region_code=self.region,
            stage=self.stage,
            setting=self.setting,
            small_rural=bool(self.small_rural),
        )

    @property
    def later_year(self) -> int | None:
        """The second fiscal year of the days as typed, if there is one."""
        first, last = self.starts_on[:4], self.ends_on[:4]
        is_next = first.isdigit() and last.isdigit() and int(last) == int(first) + 1
        return int(last) if is_next else None


def read_bulk(unit: Unit, form: BulkForm, typed: Typed) -> BulkWanted | None:
    """Return what a form asks for; with something wrong in it, nothing, and `typed` tells what."""
    vendor_code, _, sku = form.resource.partition("/")
    if not sku:
        typed.tell("resource", MissingValue(field="resource"))
    starts_on, ends_on = typed.days(("starts_on", form.starts_on), ("ends_on", form.ends_on))
    require_two_years(typed, starts_on, ends_on)
    later_fen = typed.yuan("later", form.later) if form.later_year else None
    ceiling_fen = typed.yuan("ceiling", form.ceiling) + (later_fen or 0)
    asked = form.act == "request"
    reason = typed.text("reason", form.reason) if asked else form.reason.strip() or REASON_TO_COME
    ceilings = _ceilings(unit, form, typed, ceiling_fen=ceiling_fen)
    if typed.errors:
        return None
    return BulkWanted(
        vendor_code=vendor_code,
        sku=sku,
        starts_on=starts_on,
        ends_on=ends_on,
        ceiling_fen=ceiling_fen,
        later_fen=later_fen,
        reason=reason,
        ceilings=ceilings,
    )


def _ceilings(unit: Unit, form: BulkForm, typed: Typed, *, ceiling_fen: int) -> dict[str, int]:
    if form.how == LISTED:
        return read_school_ceilings(typed, "schools", form.schools)
    places = places_of(unit, form.marks)
    if not places:
        typed.tell("region", NoSchoolFits(field="region"))
        return {}
    if form.how == ALIKE:
        each_fen = typed.yuan("each", form.each)
        return {place.code: each_fen for place in places}
    return {} if typed.errors else shared_by_pupils(unit, places, ceiling_fen)


def read_school_ceilings(typed: Typed, field: str, text: str) -> dict[str, int]:
    """Read lines of a school's code and its ceiling in yuan: `3301010001 500.00`."""
    ceilings: dict[str, int] = {}
    for number, line in enumerate(typed.text(field, text).splitlines(), start=1):
        words = line.replace(",", " ").replace("\t", " ").split()
        if not words:
            continue
        if len(words) != 2 or words[0] in ceilings:
            value = f"{number}: {line.strip()}"
            expected = "3301010001 500.00, each school once"
            typed.tell(field, InvalidInput(field=field, value=value, expected=expected))
            continue
        ceilings[words[0]] = typed.yuan(field, words[1])
    return ceilings
