"""Callers at one door: people with their session, machines with their key, for the same address.

A person's browser brings the cookie and, for what changes something, the header `X-CSRF-Token`; a
machine brings its key and never a cookie. What only a person may do is refused to a key by the
service itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from litestar.di import NamedDependency

from kernel.http.machines import MachineDoor
from kernel.http.pages import PageOpener
from kernel.http.problems import AnyRequest
from kernel.unit import Unit


@dataclass(slots=True)
class CallerDoor:
    """Opens calls of either kind; built once, where the program is put together."""

    machines: MachineDoor
    pages: PageOpener

    @contextmanager
    def open(self, request: AnyRequest) -> Iterator[Unit]:
        """Open a unit as the key's holder, or else as the one whose session the request carries.

        Raises `ApiKeyRefused`, `NotSignedIn`, `Refused`, or `CsrfRefused`.
        """
        if request.headers.get("authorization"):
            with self.machines.open(request) as call:
                yield call.unit
        else:
            with self.pages.open(request) as page:
                yield page.unit


Callers: TypeAlias = NamedDependency[CallerDoor]
"""A handler's `callers: Callers`."""
