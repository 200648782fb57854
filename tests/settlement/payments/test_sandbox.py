"""The sandbox answers the real SDK as the real gateway does, in process, out of the database."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import requests

from kernel.clock import FixedClock
from kernel.errors import Misconfigured
from kernel.settings import Settings
from kernel.unit import Units
from settlement.payments.gateway import CallRefused, Movement, NotNow, OutcomeUnknown, Stand
from settlement.payments.opening import open_sandbox
from settlement.payments.sandbox import MOST_ATTEMPTS, WAIT, Fault
from settlement.payments.states import PaymentKind
from tests.support.payment_builders import practice

CHILD = """
from kernel.clock import SystemClock
from kernel.jobs import RecordingDispatcher
from kernel.settings import Settings
from market.bootstrap import build_units
from settlement.payments.opening import open_gateway
settings = Settings.load()
gateway = open_gateway(build_units(settings, settings.database_url, RecordingDispatcher()))
print(gateway.balance_fen())
"""


def a_movement(key: str, target: str, *, amount_fen: int = 1_000, attempt: int = 1) -> Movement:
    return Movement(
        key=key,
        attempt=attempt,
        amount_fen=amount_fen,
        group="2026-03",
        targets=((target, amount_fen),),
        run="R-1",
    )


def test_the_same_key_and_body_get_the_same_answer_and_another_body_an_error(units: Units):
    _, gateway = practice(units)
    payer = gateway.open_payer(code="S1", name="学校")
    first = gateway.collect(a_movement("K", payer.gateway_id))

    assert gateway.open_payer(code="S1", name="学校") == payer
    assert gateway.collect(a_movement("K", payer.gateway_id)) == first
    with pytest.raises(CallRefused):
        gateway.collect(a_movement("K", payer.gateway_id, amount_fen=2_000))
    assert first.gateway_id.startswith("pi_")
    assert gateway.balance_fen() == 1_000


def test_what_goes_wrong_for_one_customer_does_so_once_and_for_no_other(units: Units):
    sandbox, gateway = practice(units)
    one, other = (gateway.open_payer(code=code, name=code).gateway_id for code in ("S1", "S2"))
    for _ in range(2):
        sandbox.expect("payment_intents.create", Fault.DECLINED, of=one)

    assert gateway.collect(a_movement("K1", other)).stand is Stand.DONE
    with pytest.raises(CallRefused):
        gateway.collect(a_movement("K2", one))
    assert gateway.collect(a_movement("K3", one)).stand is Stand.DONE
    sandbox.expect("payment_intents.create", Fault.DECLINED, of=one)
    assert gateway.collect(a_movement("K4", one)).stand is Stand.DONE, "it was told before"


def test_forms_are_checked_as_the_real_one_does(units: Units):
    sandbox, gateway = practice(units)
    session = sandbox.session()

    def post(path: str, **form: str):
        answer = session.post(f"https://api.stripe.com/v1/{path}", data=form)
        return answer.status_code, answer.json()["error"]

    assert post("customers", colour="red")[1]["code"] == "parameter_unknown"
    assert post("transfers", amount="1")[1]["code"] == "parameter_missing"
    wrong = post("payment_intents", amount="1.5", currency="cny")[1]
    assert (wrong["code"], wrong["param"]) == ("parameter_invalid_integer", "amount")
    missing = post("transfers", amount="1", currency="cny", destination="acct_none")
    assert (missing[0], missing[1]["code"]) == (404, "resource_missing")
    assert post("planets")[0] == 404
    payee = gateway.open_payee(code="V1", name="公司")
    with pytest.raises(CallRefused, match="balance_insufficient"):
        gateway.transfer(a_movement("T", payee.gateway_id))


def test_whoever_still_has_something_to_tell_is_not_ready(units: Units):
    _, gateway = practice(units)
    payee = gateway.open_payee(code="V2", name="待补充资料的公司")

    assert (payee.ready, payee.missing) == (False, ("external_account",))
    assert gateway.look_at_payee(payee.gateway_id) == payee
    address = gateway.onboarding_address(payee.gateway_id, back="http://127.0.0.1/vendor")
    assert address.startswith("http://127.0.0.1/vendor#link_")
    with pytest.raises(CallRefused, match="insufficient_capabilities"):
        gateway.transfer(a_movement("T", payee.gateway_id))


def test_each_fault_is_what_the_sdk_makes_of_the_real_one(units: Units):
    sandbox, gateway = practice(units)
    payer = gateway.open_payer(code="S1", name="学校")
    for fault in (Fault.TIMEOUT_BEFORE, Fault.FAILURE, Fault.RATE_LIMITED, Fault.DECLINED):
        sandbox.expect("payment_intents.create", fault)

    with pytest.raises(OutcomeUnknown) as silent:
        gateway.collect(a_movement("A", payer.gateway_id))
    with pytest.raises(OutcomeUnknown) as failed:
        gateway.collect(a_movement("B", payer.gateway_id))
    with pytest.raises(NotNow):
        gateway.collect(a_movement("C", payer.gateway_id))
    with pytest.raises(CallRefused):
        gateway.collect(a_movement("D", payer.gateway_id))
    with pytest.raises(OutcomeUnknown):  # the key keeps to its first answer
        gateway.collect(a_movement("B", payer.gateway_id))
    assert (silent.value.answered, failed.value.answered) == (False, True)
    assert gateway.balance_fen() == 0
    declined = gateway.find(PaymentKind.COLLECTION, a_movement("D", payer.gateway_id))
    assert declined is not None
    assert declined.stand is Stand.FAILED
    assert gateway.find(PaymentKind.COLLECTION, a_movement("A", payer.gateway_id)) is None


def test_a_message_that_is_not_taken_is_sent_again_later_and_given_up_in_the_end(
    units: Units, clock: FixedClock
):
    sandbox, gateway = practice(units)
    gateway.open_payee(code="V1", name="公司")
    refused: list[str] = []

    def refuse(body: bytes, signature: str) -> int:
        refused.append(signature)
        return 500

    assert sandbox.deliver(receive=refuse) == 0
    assert sandbox.deliver(receive=refuse) == 0
    assert len(refused) == 1
    clock.advance(WAIT * 2)
    sandbox.deliver(receive=refuse)
    assert len(set(refused)) == 2
    for _ in range(MOST_ATTEMPTS):
        clock.advance(timedelta(days=1))
        sandbox.deliver(receive=refuse)
    assert len(refused) == MOST_ATTEMPTS


def test_a_restart_forgets_nothing_and_another_process_sees_the_same(
    units: Units, settings: Settings
):
    _, gateway = practice(units)
    payer = gateway.open_payer(code="S1", name="学校")
    gateway.collect(a_movement("K", payer.gateway_id))
    known = {
        "DATABASE_URL": settings.database_url,
        "MARKET_HOME": str(settings.home),
        "MARKET_SECRET_KEY": "test",
        "PATH": os.environ["PATH"],
    }

    told = subprocess.run(
        [sys.executable, "-c", CHILD], env=known, capture_output=True, text=True, check=True
    )

    assert told.stdout.strip() == "1000"
    _, again = practice(units)
    assert again.open_payer(code="S1", name="学校") == payer


def test_threads_share_it_and_nothing_is_remembered(units: Units):
    sandbox, gateway = practice(units)

    def collect(number: int) -> str:
        payer = gateway.open_payer(code=f"S{number}", name="学校")
        return gateway.collect(a_movement(f"K{number}", payer.gateway_id)).gateway_id

    with ThreadPoolExecutor(4) as threads:
        found = set(threads.map(collect, range(8)))

    assert len(found) == 8
    assert gateway.balance_fen() == 8_000
    assert len(sandbox._mock.calls) == 0


def test_it_is_scoped_to_the_gateways_calls(units: Units):
    """`responses` is not started: what other sessions send through is what it always was."""
    _, gateway = practice(units)
    gateway.open_payer(code="S1", name="学校")

    adapter = requests.Session().get_adapter("https://api.stripe.com")
    assert type(adapter) is requests.adapters.HTTPAdapter
    assert adapter.send.__func__.__module__ == "requests.adapters"


def test_a_list_has_pages_which_the_sdk_follows(units: Units):
    _, gateway = practice(units)
    payer = gateway.open_payer(code="S1", name="学校")
    for number in range(105):
        gateway.collect(a_movement(f"K{number}", payer.gateway_id, amount_fen=1))

    found = gateway.find(PaymentKind.COLLECTION, a_movement("K0", payer.gateway_id))
    now = units.clock.now()
    entries = list(gateway.balance_entries(now - timedelta(days=1), now + timedelta(days=1)))

    assert found is not None
    assert len({one.key for one in entries}) == 105


def test_it_is_refused_on_a_public_address():
    with pytest.raises(Misconfigured):
        Settings.load({"MARKET_HOST": "0.0.0.0", "MARKET_GATEWAY": "sandbox"})
    assert Settings.load({"MARKET_HOST": "0.0.0.0"}).gateway_name == "none"
    assert Settings.load({}).gateway_name == "sandbox"
    with pytest.raises(Misconfigured):
        Settings.load({"MARKET_GATEWAY": "stripe"})


def test_its_secret_is_the_installations_own(units: Units):
    assert open_sandbox(units).secret == open_sandbox(units).secret
    assert open_sandbox(units).secret.startswith("whsec_")
