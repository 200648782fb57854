"""What every test may ask for: a fresh database, a clock that stands still, and a unit of work."""

import gc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from playwright.sync_api import Browser
from pytest_socket import socket_allow_hosts
from sqlalchemy import Engine

from kernel.clock import FixedClock
from kernel.jobs import RecordingDispatcher
from kernel.settings import Settings
from kernel.unit import Units
from market.cli.main import COLLECT_AFTER
from tests.support.browser import open_browser
from tests.support.database import (
    close_connections,
    discard,
    fresh_database,
    home_of_run,
    scratch_folder,
    template_server,
    warm_engine,
)
from tests.support.passwords import cheap_passwords

HOME = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    gc.set_threshold(*COLLECT_AFTER)
    # No test fails because the machine is busy.
    hypothesis_settings.register_profile("untimed", hypothesis_settings(), deadline=None)
    hypothesis_settings.load_profile("untimed")
    given: dict[str, str] | None = getattr(config, "workerinput", None)
    config.stash[HOME] = Path(given["database_home"]) if given else home_of_run()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    """Tell each worker of pytest-xdist where the server of the whole run is."""
    node.workerinput["database_home"] = str(node.config.stash[HOME])


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        discard(config.stash[HOME])


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Import everything without the collector of cycles, and have it leave that alone for good.

    What is imported lives as long as the run: walking through it again and again, and five times
    more at the end, took a fifth of a short run.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long tests: one that begins last has the other workers wait for it."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_runtest_setup() -> None:
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(scope="session", autouse=True)
def passwords() -> Iterator[None]:
    with cheap_passwords():
        yield


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config) -> Iterator[str]:
    """URL of the run's server; only for `fresh_database`."""
    yield template_server(pytestconfig.stash[HOME])
    close_connections()


@pytest.fixture
def database_url(server: str) -> Iterator[str]:
    """URL of a migrated database of this test's own."""
    with fresh_database(server) as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with warm_engine(database_url) as engine:
        yield engine


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder for an embedded server of the test's own; what runs there is stopped in the end.

    Not below `tmp_path`: another run of pytest closes that to the account which root uses for it.
    """
    with scratch_folder() as folder:
        yield folder


@pytest.fixture
def clock() -> FixedClock:
    """A Monday morning in Shanghai: 2026-08-03 10:00."""
    return FixedClock(datetime(2026, 8, 3, 2, tzinfo=UTC))


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings.load(
        {
            "MARKET_HOME": str(tmp_path),
            "DATABASE_URL": database_url,
            "MARKET_SECRET_KEY": "test",
            "MARKET_REMEMBER_SECONDS": "0",  # a test looks at what it just did
        }
    )


@pytest.fixture
def dispatcher() -> RecordingDispatcher:
    return RecordingDispatcher()


@pytest.fixture
def units(
    engine: Engine, clock: FixedClock, settings: Settings, dispatcher: RecordingDispatcher
) -> Units:
    return Units(engine=engine, clock=clock, settings=settings, dispatcher=dispatcher)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium; mark the test `browser`."""
    with open_browser() as browser:
        yield browser
