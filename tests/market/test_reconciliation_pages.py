"""Reconciliation on pages: the last daily one in the navigation, a month's asked just now."""

from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import select

from kernel.actors import Role
from kernel.settings import Settings
from kernel.trail import TrailRow
from kernel.unit import Units
from market.bootstrap import TASKS
from settlement.payments.sandbox_models import SandboxObject
from settlement.payments.sandbox_store import Store
from tests.support.accounts import PASSWORD
from tests.support.application import an_app
from tests.support.builders import a_person
from tests.support.passwords import cheap_passwords
from tests.support.payment_builders import TOTAL_FEN, Payables, paid, payables, practice
from tests.support.settlement_builders import SYSTEM
from tests.support.site_builders import sign_in

LOOK = "/bureau/payments/reconciliation"


@pytest.fixture
def owed(units: Units) -> Payables:
    found = payables(units)
    with cheap_passwords(), units(SYSTEM) as unit:
        for login, role in (
            ("finance-1", Role.BUREAU_FINANCE),
            ("auditor-1", Role.AUDITOR),
            ("operator-1", Role.OPERATOR),
        ):
            a_person(unit, found.market.bureau, [role], login=login, password=PASSWORD)
    _, gateway = practice(units)
    paid(units, found, gateway)
    return found


@pytest.fixture
def client(settings: Settings, units: Units, owed: Payables) -> Iterator[TestClient[Litestar]]:
    with TestClient(an_app(settings, units)) as client:
        client.headers.update({"accept": "text/html", "accept-language": "en"})
        yield client


def read(client: TestClient[Litestar], address: str) -> str:
    return client.get(address).text.replace("&#39;", "'")


def collect_more(units: Units) -> None:
    """Have the gateway say that a payer paid 0.77 yuan more, and a movement that is nobody's."""
    with units(SYSTEM) as unit:
        entry = unit.session.scalars(
            select(SandboxObject).where(
                SandboxObject.kind == "balance_transaction",
                SandboxObject.body["type"].astext == "payment",
                SandboxObject.account.is_(None),
            )
        ).one()
        entry.body = {**entry.body, "amount": entry.body["amount"] + 77}
        stray = Store(unit).add("charge", metadata={}, payment_intent=None)
        Store(unit).book("payment", 12_345, stray["id"])


def test_our_books_and_the_gateways_stand_side_by_side(client: TestClient[Litestar], units: Units):
    sign_in(client, "finance-1")
    assert "the same here and there" in read(client, f"{LOOK}/2026-03")
    collect_more(units)

    told = read(client, f"{LOOK}/2026-03")

    assert "Other amount" in told and "123.45" not in told
    assert "the operator's to see" in told
    sign_in(client, "operator-1")
    whole = read(client, f"{LOOK}/2026-03")
    assert "Other amount" in whole and "123.45" in whole
    assert "the operator's to see" not in whole


def test_the_daily_reconciliation_waits_for_its_readers(client: TestClient[Litestar], units: Units):
    """R49: in the navigation and on the home, of each reader what is the reader's."""
    sign_in(client, "finance-1")
    assert "Nothing was compared with the gateway yet" in read(client, LOOK)
    TASKS["settlement.reconcile"](units)
    assert "the same here and there" in read(client, LOOK)
    assert "from the gateway's books" not in read(client, "/bureau")

    collect_more(units)
    TASKS["settlement.reconcile"](units)
    with units(SYSTEM) as unit:
        acts = unit.session.scalars(select(TrailRow.act).where(TrailRow.subject_kind == "gateway"))
        assert sorted(acts) == ["payment.agrees", "payment.differs"]

    for login in ("finance-1", "auditor-1"):
        sign_in(client, login)
        home = read(client, "/bureau")
        assert f'href="{LOOK}"' in home.partition("<main")[0]
        assert "1 difference from" in home
        shown = read(client, LOOK)
        assert "Other amount" in shown
        assert f"{TOTAL_FEN // 100}." in shown and "123.45" not in shown
        assert f'href="{LOOK}/2026-03"' in shown
        assert "the operator's to see" in shown
    sign_in(client, "operator-1")
    assert "3 differences from" in read(client, "/bureau")
    assert "123.45" in read(client, LOOK)
