"""Machines at the door: a handler opens a call, and gets a unit of work as the key's holder.

    @get("/things", opt=only(Role.USAGE_REPORTER), sync_to_thread=True)
    def things(request: AnyRequest, machines: Machines) -> list[Thing]:
        with machines.open(request) as call:
            return list_things(call.unit)

A call is made with an API key, never with a browser's cookie, so that no other site can make it in
somebody's name. Which roles may call stands on the route (`opt=only(…)`), as for pages; a route
that names none is open to nobody.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from litestar.di import NamedDependency

from kernel.actors import VISITOR, Role
from kernel.errors import ApiKeyRefused, RateExceeded
from kernel.http.problems import ANSWER_HEADERS, AnyConnection, AnyRequest
from kernel.http.rate_limits import WINDOW_S, spend
from kernel.identity.api_keys import KeyHolder, key_holder
from kernel.unit import Unit, Units

BEARER: Final = "bearer "


@dataclass(slots=True)
class Call:
    """An opened call: its unit of work, and whose key it was made with."""

    request: AnyRequest
    unit: Unit
    holder: KeyHolder

    def spend(self, wanted: int, *, limit: int, policy: str) -> None:
        """Count what the holder wants to send, and have the answer say where they stand.

        `limit` is per minute; 0 means none. Raises `RateExceeded`.
        """
        if not limit:
            return
        state = spend(self.unit, self.unit.actor.name, wanted=wanted, limit=limit, policy=policy)
        self.request.state[ANSWER_HEADERS] = state.headers()
        if state.refused:
            raise RateExceeded(
                wanted=wanted, limit=limit, window_s=WINDOW_S, retry_after_s=state.reset_s
            )


def answer_headers(request: AnyRequest) -> dict[str, str]:
    """Return the headers that were noted for the answer to this request."""
    noted: dict[str, str] = request.state.get(ANSWER_HEADERS) or {}
    return noted


@dataclass(slots=True)
class MachineDoor:
    """Opens calls; built once, where the program is put together."""

    units: Units

    @contextmanager
    def open(self, request: AnyRequest) -> Iterator[Call]:
        """Open a unit as the holder of the request's key; raise `ApiKeyRefused` or `Refused`."""
        visitor = replace(VISITOR, via=request.client.host if request.client else "")
        with self.units(visitor) as unit:
            holder = self._holder(unit, request, request.route_handler.opt)
            unit.actor = holder.actor
            yield Call(request, unit, holder)

    def require_admitted(self, connection: AnyConnection, options: Mapping[str, Any]) -> None:
        """Raise `ApiKeyRefused` or `Refused` for a key that may not send anything to this route."""
        visitor = replace(VISITOR, via=connection.client.host if connection.client else "")
        with self.units(visitor) as unit:
            self._holder(unit, connection, options)

    @staticmethod
    def _holder(unit: Unit, connection: AnyConnection, options: Mapping[str, Any]) -> KeyHolder:
        holder = key_holder(unit, _bearer(connection))
        if holder is None:
            raise ApiKeyRefused
        roles = [one for one in options.get("actors", ()) if isinstance(one, Role)]
        method = connection.scope.get("method", "")
        holder.actor.require(f"{method} {connection.scope['path']}", *roles)
        return holder


Machines: TypeAlias = NamedDependency[MachineDoor]
"""A handler's `machines: Machines`."""


def _bearer(request: AnyConnection) -> str:
    given = request.headers.get("authorization", "")
    return given[len(BEARER) :].strip() if given.lower().startswith(BEARER) else ""
