"""The web application for tests: put together once in each worker, then lent to one test at a time.

Putting it together takes as long as a small test, and nothing in it belongs to a test but the units
and settings that it was given. Tests of what the application itself counts or shows at its start
call `create_app`.
"""

from dataclasses import fields, replace
from typing import Any

from litestar import Litestar

from kernel.settings import Settings
from kernel.unit import Units
from market.asgi import create_app

_made: dict[str, tuple[Litestar, Settings, Units]] = {}
"""By the language of the settings, which an application keeps from its start."""


def an_app(settings: Settings, units: Units) -> Litestar:
    """Return the application with these units and settings as they are now, for one test at a time.

    A test that changes them afterwards asks for it again.
    """
    assert not settings.demo, "what demo mode shows is settled at the start: use create_app"
    if settings.locale not in _made:
        own_settings, own_units = replace(settings), replace(units)
        app = create_app(own_settings, own_units)
        _made[settings.locale] = (app, own_settings, own_units)
    app, own_settings, own_units = _made[settings.locale]
    _become(own_settings, settings)
    _become(own_units, units)
    return app


def _become(own: Any, other: Any) -> None:
    """Give an object all the fields of another of its class, be it frozen or not."""
    for one in fields(other):
        object.__setattr__(own, one.name, getattr(other, one.name))
