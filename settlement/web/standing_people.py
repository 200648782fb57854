"""The people of a standing on pages: who signed or decided, and who may not decide for it (R44)."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from kernel.http.pages import Page
from kernel.i18n import label, msgid, translate
from kernel.identity.names import names_of_actors
from settlement.queries.standings import StandingView

BARRED: Final = msgid(
    "%(person)s signed the step “%(step)s” of %(day)s and can't decide on it: another reviewer has"
    " to."
)


def is_bureau(page: Page) -> bool:
    return page.actor.organisation_kind == "bureau"


def barred_words(page: Page, found: StandingView) -> str:
    """Return why the reader decides no appeal or return of this course; empty if nothing is said
    against it."""
    mine = next((one for one in found.signed if one.signed_by == page.actor.person_id), None)
    if mine is None or mine.signed_by is None:
        return ""
    return translate(BARRED, page.locale) % {
        "person": page.frame.person,
        "step": label(mine.because, page.locale, kind="Because"),
        "day": mine.day.isoformat(),
    }


def names_of_people(page: Page, found: StandingView) -> Mapping[UUID, str]:
    """Return the names of who signed or decided, for a bureau's people."""
    if not is_bureau(page):
        return {}
    ids = {one.signed_by for one in found.events} | {one.decided_by for one in found.appeals}
    people = {one: f"person:{one}" for one in ids if one is not None}
    names = names_of_actors(page.unit, people.values(), locale=page.locale)
    return {one: names[key] for one, key in people.items()}
