"""The web application for tests: put together once in each worker, then lent to one test at a time.

Putting it together takes as long as a small test, and nothing in it belongs to a test but the units
and settings that it was given. Tests of what the application itself counts or shows at its start
call `create_app`.
"""

from typing import Any

from litestar import Litestar

from kernel.settings import Settings
from kernel.unit import Units
from market.asgi import create_app


class _LentUnits(Units):
    """The units of whichever test has the application; its own fields are never filled."""

    def __init__(self, units: Units) -> None:
        self.lent = units

    def __getattr__(self, name: str) -> Any:
        return getattr(self.lent, name)

    def __call__(self, actor: Any) -> Any:
        return self.lent(actor)


class _LentSettings(Settings):
    """The settings of whichever test has the application; its own fields are never filled."""

    def __init__(self, settings: Settings) -> None:
        self.lend(settings)

    def lend(self, settings: Settings) -> None:
        object.__setattr__(self, "lent", settings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.lent, name)


_made: dict[str, tuple[Litestar, _LentUnits, _LentSettings]] = {}
"""By the language of the settings, which an application keeps from its start."""


def an_app(settings: Settings, units: Units) -> Litestar:
    """Return the application on these units, for one test at a time."""
    assert not settings.demo, "what is shown in demo mode is settled at the start: use create_app"
    if settings.locale not in _made:
        lent_units, lent_settings = _LentUnits(units), _LentSettings(settings)
        _made[settings.locale] = (
            create_app(lent_settings, lent_units),
            lent_units,
            lent_settings,
        )
    app, lent_units, lent_settings = _made[settings.locale]
    lent_units.lent = units
    lent_settings.lend(settings)
    return app
