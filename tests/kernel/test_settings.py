"""Settings are checked once at the start; what does not fit stops it and names its variable."""

from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import pytest

from kernel.errors import Misconfigured
from kernel.settings import Settings


def test_without_any_variable_everything_has_a_value():
    settings = Settings.load({})

    assert settings.home == Path("var").absolute()
    assert settings.embedded and settings.on_loopback and not settings.demo
    assert (settings.host, settings.port, settings.locale) == ("127.0.0.1", 8420, "zh_CN")
    assert settings.platform_fee_rate == settings.retention_rate == Decimal("0.05")


def test_an_empty_variable_is_as_good_as_none():
    empty = dict.fromkeys((one.metadata["name"] for one in fields(Settings)), "")

    assert Settings.load(empty) == Settings.load({})


def test_variables_of_others_are_none_of_its_business():
    assert Settings.load({"PATH": "/bin", "MARKETING": "x"}) == Settings.load({})


@pytest.mark.parametrize(
    ("name", "text", "attribute", "value"),
    [
        ("MARKET_HOME", "/srv/market", "home", Path("/srv/market")),
        ("MARKET_HOME", "~/market", "home", Path.home() / "market"),
        ("DATABASE_URL", "postgres://db/market", "embedded", False),
        ("MARKET_HOST", "0.0.0.0", "on_loopback", False),
        ("MARKET_HOST", "::1", "on_loopback", True),
        ("MARKET_PORT", "65535", "port", 65_535),
        ("MARKET_DEMO", " Yes ", "demo", True),
        ("MARKET_DEMO", "0", "demo", False),
        ("MARKET_LOCALE", "en", "locale", "en"),
        ("MARKET_PLATFORM_FEE_RATE", "0", "platform_fee_rate", Decimal(0)),
        ("MARKET_RETENTION_RATE", "0.0325", "retention_rate", Decimal("0.0325")),
        ("MARKET_CONFIRM_WORKDAYS", "0", "confirm_workdays", 0),
    ],
)
def test_a_variable_is_read(name: str, text: str, attribute: str, value: object):
    assert getattr(Settings.load({name: text}), attribute) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DATABASE_URL", "sqlite:///market.db"),
        ("DATABASE_URL", "market"),
        ("MARKET_PORT", "http"),
        ("MARKET_PORT", "-1"),
        ("MARKET_PORT", "65536"),
        ("MARKET_PORT", "8420.5"),
        ("MARKET_DEMO", "perhaps"),
        ("MARKET_LOCALE", "fr"),
        ("MARKET_LOCALE", "zh-CN"),
        ("MARKET_PLATFORM_FEE_RATE", "5%"),
        ("MARKET_PLATFORM_FEE_RATE", "-0.01"),
        ("MARKET_PLATFORM_FEE_RATE", "1.0001"),
        ("MARKET_RETENTION_RATE", "0.00001"),
        ("MARKET_RETENTION_RATE", "NaN"),
        ("MARKET_RETENTION_RATE", "0.9501"),  # with the fee more than there is
        ("MARKET_CONFIRM_WORKDAYS", "-1"),
        ("MARKET_DATABASE_POOL", "many"),
        ("MARKET_SESSION_HOURS", "12h"),
    ],
)
def test_a_value_that_does_not_fit_stops_the_start_and_names_its_variable(name: str, text: str):
    with pytest.raises(Misconfigured) as stopped:
        Settings.load({name: text})
    assert stopped.value.facts["setting"] == name
    assert stopped.value.facts["reason"]
    assert name in str(stopped.value)


@pytest.mark.parametrize(
    "name",
    ["MARKET_PORT", "MARKET_CONFIRM_WORKDAYS", "MARKET_DATABASE_POOL", "MARKET_SESSION_HOURS"],
)
def test_a_word_for_a_number_is_answered_in_our_words(name: str):
    with pytest.raises(Misconfigured, match="expected a whole number, not “abc”"):
        Settings.load({name: "abc"})


@pytest.mark.parametrize("name", ["MARKET_PROT", "MARKET_DATABASE_URL", "MARKET_"])
def test_a_name_that_is_no_setting_stops_the_start(name: str):
    with pytest.raises(Misconfigured) as stopped:
        Settings.load({name: "x"})
    assert stopped.value.facts["setting"] == name


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.0.2.7", "market.example.cn", "127.0.0.1.cn"]
)
def test_demo_accounts_are_refused_on_a_public_address(host: str):
    with pytest.raises(Misconfigured) as stopped:
        Settings.load({"MARKET_DEMO": "yes", "MARKET_HOST": host})
    assert stopped.value.facts["setting"] == "MARKET_DEMO"
    assert Settings.load({"MARKET_DEMO": "no", "MARKET_HOST": host}).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_demo_accounts_are_served_on_loopback(host: str):
    assert Settings.load({"MARKET_DEMO": "yes", "MARKET_HOST": host}).demo


def test_fee_and_retention_may_be_all_there_is():
    settings = Settings.load({"MARKET_PLATFORM_FEE_RATE": "0.4", "MARKET_RETENTION_RATE": "0.6"})

    assert settings.platform_fee_rate + settings.retention_rate == 1


def test_what_is_secret_is_marked_as_such():
    secret = {one.metadata["name"] for one in fields(Settings) if one.metadata["secret"]}

    assert secret == {
        "DATABASE_URL",
        "CELERY_BROKER_URL",
        "MARKET_SECRET_KEY",
        "MARKET_STRIPE_KEY",
        "MARKET_WEBHOOK_SECRET",
        "MARKET_WEBHOOK_CONNECT_SECRET",
        "MARKET_STORE_KEY_ID",
        "MARKET_STORE_SECRET",
    }
