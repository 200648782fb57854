"""The embedded database outlives the process that started it, and ends when it is told to."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from kernel.db import open_engine
from kernel.errors import EmbeddedUnavailable
from kernel.settings import Settings
from market.embedded import ensure_server, server_url, stop_server

STARTER = """
import sys, time
from kernel.settings import Settings
from market.embedded import ensure_server
print(ensure_server(Settings.load({"MARKET_HOME": sys.argv[1]})), flush=True)
time.sleep(60)
"""


@pytest.fixture
def home(scratch: Path) -> Settings:
    """An installation in a folder whose name holds a space and a quote."""
    return Settings.load({"MARKET_HOME": str(scratch / "it's home")})


def one(url: str, statement: str) -> object:
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchone()[0]


@pytest.mark.faults
def test_server_outlives_the_killed_process_that_started_it_and_is_used_again(home):
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(home.home)], stdout=subprocess.PIPE, text=True
    ) as starter:
        url = starter.stdout.readline().strip()
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
            before = connection.execute("SELECT pg_postmaster_start_time()").fetchone()[0]
        starter.send_signal(signal.SIGKILL)

    assert server_url(home) == url
    assert ensure_server(home) == url
    assert one(url, "SELECT pg_postmaster_start_time()") == before
    assert one(url, "SELECT answer FROM kept") == 42


@pytest.mark.faults
@pytest.mark.parametrize("after_s", [0.2, 0.4, 0.6, 0.8, 1.0, 1.3])
def test_a_first_start_that_was_killed_is_made_good_by_the_next(home, after_s):
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(home.home)], stdout=subprocess.DEVNULL
    ) as starter:
        time.sleep(after_s)
        starter.send_signal(signal.SIGKILL)

    url = ensure_server(home)
    assert one(url, "SHOW listen_addresses") == ""
    assert one(url, "SHOW unix_socket_permissions") == "0700"
    assert stop_server(home)
    assert ensure_server(home) == url


@pytest.mark.faults
def test_server_that_was_killed_recovers_at_the_next_start(home):
    url = ensure_server(home)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    pid = int((home.home / "pg" / "postmaster.pid").read_text().splitlines()[0])
    subprocess.run(["kill", "-KILL", str(pid)], check=True)

    assert one(ensure_server(home), "SELECT answer FROM kept") == 42


def test_stop_says_whether_a_server_was_running(home):
    assert server_url(home) is None
    assert stop_server(home) is False
    ensure_server(home)
    assert stop_server(home) is True
    assert stop_server(home) is False
    assert server_url(home) is None


def test_database_is_utf8_durable_and_off_the_network(home):
    engine = open_engine(ensure_server(home), pool_size=1)
    with engine.connect() as connection:
        shown = {
            name: connection.execute(text(f"SHOW {name}")).scalar_one()
            for name in ("server_encoding", "fsync", "synchronous_commit", "listen_addresses")
        }
        collation = connection.execute(
            text("SELECT datcollate FROM pg_database WHERE datname = current_database()")
        ).scalar_one()
    engine.dispose()

    assert collation == "C"
    assert shown == {
        "server_encoding": "UTF8",
        "fsync": "on",
        "synchronous_commit": "on",
        "listen_addresses": "",
    }


def test_path_too_long_for_a_socket_serves_too(scratch):
    deep = Settings.load({"MARKET_HOME": str(scratch / ("d" * 120))})

    assert one(ensure_server(deep), "SELECT 1") == 1


def test_data_of_another_version_are_refused_with_a_way_out(home):
    ensure_server(home)
    stop_server(home)
    (home.home / "pg" / "PG_VERSION").write_text("12\n")

    with pytest.raises(EmbeddedUnavailable, match=r"PostgreSQL 12.*DATABASE_URL"):
        ensure_server(home)
