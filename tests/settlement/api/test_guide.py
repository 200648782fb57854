"""docs/guides/report-usage.md says what is so: its example runs, its errors are all there are."""

import os
import re
import subprocess
import sys
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

import kernel.errors
from kernel.actors import Role
from kernel.clock import SystemClock
from kernel.errors import MarketError
from kernel.identity.api_keys import create_api_key, read_public_key
from kernel.settings import Settings
from kernel.unit import Units
from tests.support.application import an_app
from tests.support.repository import read
from tests.support.server import serve
from tests.support.settlement_builders import SYSTEM, Market
from tests.support.usage_builders import PSEUDONYM, TICKETS, a_launch

GUIDE = "docs/guides/report-usage.md"


def test_the_example_of_the_guide_reports_a_use(
    settings: Settings, units: Units, market: Market, tmp_path
) -> None:
    units.clock = SystemClock()
    private_key = Ed25519PrivateKey.generate()
    pem = private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with units(SYSTEM) as unit:
        made = create_api_key(
            unit,
            market.vendor.id,
            label="guide",
            scopes=[Role.USAGE_REPORTER],
            public_key=read_public_key(pem),
        )
    (tmp_path / "private.pem").write_bytes(
        private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    launch_id = a_launch(
        units, market, issued_at=units.clock.now() - timedelta(minutes=1), lasts=timedelta(hours=1)
    )
    (example,) = re.findall(r"```python\n(.*?)```", read(GUIDE), re.DOTALL)
    with serve(an_app(settings, units)) as address:
        done = subprocess.run(
            [sys.executable, "-c", example],
            env={
                **os.environ,
                "XUANYONG_PLATFORM": address,
                "XUANYONG_KEY": made.key,
                "XUANYONG_PRIVATE_PEM": str(tmp_path / "private.pem"),
                "XUANYONG_SOURCE": TICKETS,
                "TICKET_PSEUDONYM": PSEUDONYM,
                "TICKET_LAUNCH": str(launch_id),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.stdout, done.stderr) == ("use-000001 accepted \n", "")


def test_every_error_that_the_guide_names_is_one() -> None:
    _, _, errors = read(GUIDE).partition("## When nothing was taken")
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", errors)) - {"request-entity-too-large"}
    statuses = {
        one.code: one.status
        for one in vars(kernel.errors).values()
        if isinstance(one, type) and issubclass(one, MarketError)
    }
    assert named <= statuses.keys()
    for status, codes in re.findall(r"\| (\d{3}) \| (.*?) \|", errors):
        for code in re.findall(r"`([a-z-]+)`", codes):
            assert statuses.get(code, 413) == int(status), code
