"""The guide for vendors: its code is run as it stands there, against a running platform."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from kernel.clock import SystemClock
from kernel.ids import new_id
from kernel.settings import Settings
from kernel.unit import Units
from settlement.metering.models import Launch
from settlement.metering.tickets import Subject, sign_ticket
from tests.support.application import an_app
from tests.support.server import serve
from tests.support.settlement_builders import SYSTEM, VENDOR

GUIDE = Path(__file__).parents[2] / "docs/guides/launch.md"


@pytest.fixture
def check_ticket() -> Callable[..., dict[str, Any]]:
    """The function that the guide shows."""
    code = re.search(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert code
    names: dict[str, Any] = {}
    exec(compile(code[1], GUIDE.name, "exec"), names)
    found: Callable[..., dict[str, Any]] = names["check_ticket"]
    return found


@pytest.fixture
def platform(settings: Settings, units: Units) -> Iterator[str]:
    with serve(an_app(settings, units)) as address:
        yield address


def a_ticket(units: Units, platform: str) -> str:
    """Sign a launch of this moment, as the platform at this address does."""
    settings = replace(units.settings, public_url=platform)
    now = SystemClock().now()
    launch = Launch(
        id=new_id(),
        vendor_id=new_id(),
        session_id="s",
        pseudonym="p",
        kind="learner",
        issued_at=now,
        expires_at=now + timedelta(hours=4),
    )
    present = replace(units, clock=SystemClock(), settings=settings)
    with present(SYSTEM) as unit:
        return sign_ticket(unit, launch, Subject(VENDOR, "A-1", "SKU-1", 1)).text


def test_the_guides_code_takes_a_ticket_once(
    units: Units, platform: str, check_ticket: Callable[..., dict[str, Any]]
) -> None:
    """R26: what a vendor needs to check a ticket is published, and the guide shows how."""
    ticket, taken = a_ticket(units, platform), set[str]()
    claims = check_ticket(ticket, platform=platform, vendor_code=VENDOR, taken=taken)
    assert (claims["sub"], claims["sku"], taken) == ("p", "SKU-1", {claims["jti"]})
    with pytest.raises(jwt.InvalidTokenError, match="taken already"):
        check_ticket(ticket, platform=platform, vendor_code=VENDOR, taken=taken)
    with pytest.raises(jwt.InvalidAudienceError):
        check_ticket(ticket, platform=platform, vendor_code="another", taken=set())
