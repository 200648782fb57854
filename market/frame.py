"""What stands around every page and only the whole program knows: navigation, home, platform."""

from dataclasses import replace
from typing import Final

from kernel.actors import OrganisationKind
from kernel.i18n import msgid, translate
from kernel.unit import Unit
from kernel.web.rendering import Frame, NavigationEntry

PLATFORM: Final = msgid("Digital education resources")

NAVIGATION: Final[dict[OrganisationKind, tuple[NavigationEntry, ...]]] = {}
"""Left navigation by the kind of organisation, the home first; at most eight entries each."""


def complete_frame(unit: Unit, frame: Frame) -> Frame:
    """Add what the actor's kind of organisation has to a frame."""
    navigation = (
        NAVIGATION.get(unit.actor.organisation_kind, ()) if unit.actor.organisation_kind else ()
    )
    return replace(
        frame,
        platform=translate(PLATFORM, frame.locale),
        navigation=navigation,
        home=navigation[0].href if navigation else "/",
    )


def home_of(kind: OrganisationKind | None) -> str:
    """Return the address at which people of this kind of organisation begin their work."""
    navigation = NAVIGATION.get(kind, ()) if kind else ()
    return navigation[0].href if navigation else "/"
