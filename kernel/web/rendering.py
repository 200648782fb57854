"""Rendering: one Jinja environment per locale, with the filters in which figures and times appear.

Templates are named `web/…` and `components/…` (the kit's) or by the prefix under which a package
gives its own, such as `school/home.html`. Nothing undefined is ever rendered as empty.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from jinja2 import BaseLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup

from kernel.clock import SHANGHAI, as_utc, show_month
from kernel.i18n import HTML_LANGUAGE, LANGUAGE_NAMES, LOCALES, label, term, translations
from kernel.money import yuan
from kernel.web.assets import Assets
from kernel.web.bars import segments
from kernel.web.states import badge


@dataclass(frozen=True, kw_only=True, slots=True)
class NavigationEntry:
    """One entry of the left navigation; `title` is a message id.

    `waiting`: how many things wait there for the reader.
    """

    title: str
    href: str
    waiting: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """What the layout shows around every page.

    `address` is the page's path with its query. `person` is empty for a visitor. `inbox` is the
    number of things that wait, None where there is no inbox. `search` is the address that a
    search goes to, empty where there is none. `has_session`: the browser brought a session that
    was not looked up, as where an address leads nowhere. `sample` marks invented data. `is_answer`:
    the page answers a form that was sent, and is no address to come back to. `person_key` tells one
    signed-in person from another.
    """

    locale: str
    address: str = "/"
    home: str = "/"
    platform: str = ""
    organisation: str = ""
    person: str = ""
    role: str = ""
    csrf_token: str = ""
    has_session: bool = False
    navigation: tuple[NavigationEntry, ...] = ()
    inbox: int | None = None
    inbox_href: str = ""
    search: str = ""
    sample: bool = False
    is_answer: bool = False
    person_key: str = ""

    def is_current(self, entry: NavigationEntry) -> bool:
        """Whether the page lies in this entry: the longest that fits, the home only exactly."""
        path = self.address.partition("?")[0].rstrip("/") or "/"
        fitting = [
            one.href
            for one in self.navigation
            if path == one.href or (one.href != self.home and path.startswith(one.href + "/"))
        ]
        return bool(fitting) and entry.href == max(fitting, key=len)


class Renderer:
    """Renders templates; built once with the loaders of every package that has pages."""

    def __init__(
        self, loaders: Mapping[str, BaseLoader] | None = None, *, assets: Assets | None = None
    ) -> None:
        kit = {
            "web": PackageLoader("kernel.web", "templates"),
            "components": PackageLoader("kernel.web", "components"),
        }
        self.assets = assets or Assets()
        loader = PrefixLoader(kit | dict(loaders or {}))
        self._environments = {
            locale: build_environment(loader, locale, self.assets) for locale in LOCALES
        }

    def render(self, template: str, frame: Frame, **context: Any) -> str:
        """Return a page as HTML in the frame's locale."""
        environment = self._environments[frame.locale]
        return environment.get_template(template).render(frame=frame, **context)


def build_environment(loader: BaseLoader, locale: str, assets: Assets) -> Environment:
    """Return the Jinja environment of one locale: escaping on, undefined names refused."""
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    catalogue = translations(locale)
    environment.install_gettext_translations(  # type: ignore[attr-defined] # the extension adds it
        catalogue, newstyle=True
    )
    environment.policies["ext.i18n.trimmed"] = True

    def show_label(value: str, kind: str = "") -> str:
        return label(value, locale, kind=kind)

    def show_term(value: str, kind: str) -> str:
        return term(value, locale, kind=kind)

    environment.filters.update(
        term=show_term,
        yuan=yuan,
        money=money,
        number=number,
        day=day,
        month=show_month,
        moment=moment,
        second=second,
        school_year=school_year,
        percent=percent,
        file_size=file_size,
        label=show_label,
        message=catalogue.gettext,
    )
    environment.globals.update(
        static=assets.address,
        badge=badge,
        segments=segments,
        html_language=HTML_LANGUAGE[locale],
        languages=LANGUAGE_NAMES,
    )
    return environment


def money(amount_fen: int) -> Markup:
    """Show fen as an element with yuan, two decimals, thousands separators."""
    return Markup('<span class="money">{}</span>').format(yuan(amount_fen))


def number(value: int | Decimal) -> str:
    return f"{value:,}"


def day(value: date) -> str:
    """Show a day as 2026-11-20; a moment as its day in Asia/Shanghai."""
    if isinstance(value, datetime):
        value = as_utc(value).astimezone(SHANGHAI).date()
    return value.isoformat()


def moment(value: datetime) -> str:
    """Show a moment as 2026-11-20 08:30 in Asia/Shanghai."""
    return as_utc(value).astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")


def second(value: datetime) -> str:
    """Show a moment to the second, as 2026-11-20 08:30:05 in Asia/Shanghai."""
    return as_utc(value).astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def percent(rate: Decimal | str) -> str:
    """Show a rate, which terms keep as a text, in percent: 0.0500 as 5%."""
    return f"{(Decimal(rate) * 100).normalize():f}%"


def school_year(first_year: int) -> str:
    return f"{first_year}–{first_year + 1}"


def file_size(size_bytes: int) -> str:
    """Show how large a file is, as 1.2 MB; decimal units, as the limit is set."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size_bytes >= size:
            whole, rest = divmod(size_bytes * 10 // size, 10)
            return f"{whole:,}.{rest} {unit}"
    return f"{size_bytes} B"
