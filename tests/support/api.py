"""A machine that reports use by the API: its key, its signing key, and what it sends."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from httpx import Response
from litestar import Litestar
from litestar.testing import TestClient

from kernel.actors import Role
from kernel.http.signatures import signed_bytes
from kernel.identity.api_keys import create_api_key
from kernel.ids import ApiKeyId
from kernel.unit import Units
from tests.support.settlement_builders import SYSTEM, at
from tests.support.usage_builders import PSEUDONYM, TICKETS

USAGE = "/api/v1/usage"
TYPE = "cn.xuanyong.usage.v1"


@dataclass(frozen=True, slots=True)
class Machine:
    """A sender with its key; `send` signs as the guide says, unless a test says otherwise."""

    client: TestClient[Litestar]
    units: Units
    key: str
    key_id: ApiKeyId
    private_key: Ed25519PrivateKey

    def headers(self, body: bytes, *, now: datetime | None = None) -> dict[str, str]:
        timestamp = (now or self.units.clock.now()).isoformat()
        signature = self.private_key.sign(signed_bytes(timestamp, body))
        return {
            "Authorization": f"Bearer {self.key}",
            "Content-Type": "application/cloudevents-batch+json",
            "X-Xuanyong-Timestamp": timestamp,
            "X-Xuanyong-Signature": f"ed25519={base64.b64encode(signature).decode()}",
        }

    def post(self, body: bytes, **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(USAGE, content=body, headers=self.headers(body) | named)

    def send(self, events: Iterable[Mapping[str, Any]], **headers: str) -> Response:
        return self.post(msgspec.json.encode(list(events)), **headers)

    def get(self, path: str) -> Response:
        return self.client.get(path, headers={"Authorization": f"Bearer {self.key}"})


def a_machine(
    client: TestClient[Litestar],
    units: Units,
    organisation_id: UUID,
    *,
    scopes: Sequence[Role] = (Role.USAGE_REPORTER,),
    signs: bool = True,
) -> Machine:
    """Give an organisation's machine a key, and a signing key of its own."""
    private_key = Ed25519PrivateKey.generate()
    with units(SYSTEM) as unit:
        made = create_api_key(
            unit,
            organisation_id,
            label="上报",
            scopes=scopes,
            public_key=private_key.public_key().public_bytes_raw() if signs else None,
        )
    return Machine(client, units, made.key, made.id, private_key)


def an_event(launch_id: UUID | None, event_id: str = "e1", **facts: Any) -> dict[str, Any]:
    """Return a vendor's report of one use of a launch at 08:30 on 2 March; `data` is added to."""
    data = {"launch": str(launch_id)} if launch_id else {}
    data |= facts.pop("data", {})
    return {
        "id": event_id,
        "source": TICKETS,
        "type": TYPE,
        "time": at(2, 8, 30).isoformat(),
        "subject": PSEUDONYM,
        "data": data,
        **facts,
    }


def fates(response: Response) -> list[tuple[str, str]]:
    """Return outcome and reason of each event of an answer."""
    assert response.status_code == 200, response.text
    return [(one["outcome"], one["reason"]) for one in response.json()["outcomes"]]
