"""`market run` and `market stop`, seen from their processes."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kernel.errors import AddressInUse, AlreadyRunning, EmbeddedUnavailable
from kernel.settings import Settings
from market import supervisor
from market.processes import PidFile, environment_of
from market.supervisor import end_left_over, serve_all, stop_all

RUN = """
import sys
from kernel.settings import Settings
from market.embedded import ensure_server
from market.schema import upgrade_schema
from market.supervisor import end_left_over, serve_all
from kernel.db import open_engine
settings = Settings.load()
for name in end_left_over(settings):
    print(name, flush=True)
url = ensure_server(settings)
engine = open_engine(url, pool_size=1)
upgrade_schema(engine)
engine.dispose()
serve_all(settings, url, on_ready=lambda address: print(address, flush=True))
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def installation(scratch: Path) -> Iterator[Settings]:
    settings = Settings.load({"MARKET_HOME": str(scratch), "MARKET_PORT": str(free_port())})
    yield settings
    stop_all(settings)


@pytest.fixture
def running(installation: Settings) -> Iterator[subprocess.Popen]:
    """The supervisor as a process, once the site answers."""
    with start(installation) as process:
        assert process.stdout.readline().strip() == f"http://127.0.0.1:{installation.port}"
        yield process
        process.kill()


def start(installation: Settings) -> subprocess.Popen:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MARKET_") and name not in {"DATABASE_URL", "CELERY_BROKER_URL"}
    }
    environment |= {
        "MARKET_HOME": str(installation.home),
        "MARKET_PORT": str(installation.port),
        "MARKET_SECRET_KEY": "test",
    }
    return subprocess.Popen(
        [sys.executable, "-c", RUN], env=environment, stdout=subprocess.PIPE, text=True
    )


def pid(file: Path) -> str:
    """Return the id that a server wrote; empty while it begins."""
    return file.read_text().partition("\n")[0] if file.exists() else ""


def answers(settings: Settings, path: str = "/healthz") -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", settings.port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def eventually(holds: Callable[[], bool], *, within_s: float = 30) -> bool:
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_port_in_use_is_said_in_one_line(installation):
    with (
        socket.create_server(("127.0.0.1", installation.port)),
        pytest.raises(AddressInUse) as refused,
    ):
        serve_all(installation, "postgresql://127.0.0.1:1/never-asked")

    assert f"127.0.0.1:{installation.port}" in str(refused.value)
    assert "MARKET_PORT" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_second_start_from_the_same_home_is_refused(installation):
    with PidFile(installation.home, "market").claim(), pytest.raises(AlreadyRunning):
        serve_all(installation, "postgresql://127.0.0.1:1/never-asked")


def test_what_a_living_supervisor_runs_is_not_taken_for_left_over(installation):
    with PidFile(installation.home, "market").claim(), pytest.raises(AlreadyRunning):
        end_left_over(installation)


def test_pid_file_left_by_a_crash_ends_nobody(installation):
    innocent = PidFile(installation.home, "web")
    innocent.claim().close()
    innocent.write(os.getpid())

    assert stop_all(installation) == []
    assert not innocent.path.exists()


@pytest.mark.faults
def test_child_that_dies_is_started_again_and_all_end_with_the_supervisor(installation, running):
    web = PidFile(installation.home, "web")
    first = web.read()
    os.kill(first, signal.SIGKILL)

    assert eventually(lambda: web.read() not in {None, first})
    assert eventually(lambda: answers(installation))

    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 0
    assert not answers(installation)
    assert stop_all(installation) == []


@pytest.mark.faults
def test_database_that_is_killed_is_started_again(installation, running):
    pid_file = installation.home / "pg" / "postmaster.pid"
    first = int(pid_file.read_text().splitlines()[0])
    os.kill(first, signal.SIGKILL)

    assert eventually(lambda: pid(pid_file) not in {"", str(first)})
    assert eventually(lambda: answers(installation, "/readyz"))

    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 0
    assert stop_all(installation) == []


@pytest.mark.faults
def test_database_that_cannot_run_any_more_ends_all_with_its_reason(installation, monkeypatch):
    """Nobody is left before a site that answers nothing but that it can't."""
    tries = []

    def refuse(_settings: Settings) -> str:
        tries.append(1)
        raise EmbeddedUnavailable(reason="broken")

    monkeypatch.setattr(supervisor, "ensure_server", refuse)
    monkeypatch.setattr(supervisor, "has_ended", lambda _settings: True)
    database = supervisor._KeptRunning(installation)
    for _ in range(supervisor.RESTARTS):
        database.revive()
    with pytest.raises(EmbeddedUnavailable, match="broken"):
        database.revive()
    assert len(tries) == supervisor.RESTARTS + 1


@pytest.mark.faults
def test_stop_ends_what_a_killed_supervisor_left(installation, running):
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert answers(installation)

    assert stop_all(installation) == ["web", "worker", "database"]
    assert not answers(installation)
    assert stop_all(installation) == []


@pytest.mark.faults
def test_next_start_ends_what_a_killed_supervisor_left(installation, running):
    left = [PidFile(installation.home, name).read() for name in ("web", "worker")]
    running.send_signal(signal.SIGKILL)
    running.wait()

    with start(installation) as again:
        lines = [again.stdout.readline().strip() for _ in range(3)]
        assert lines == ["web", "worker", f"http://127.0.0.1:{installation.port}"]
        assert answers(installation)
        now = [PidFile(installation.home, name).read() for name in ("web", "worker")]
        assert not set(left) & set(now)
        again.send_signal(signal.SIGTERM)
        assert again.wait(60) == 0


def test_a_child_reads_the_settings_that_its_parent_has() -> None:
    given = Settings.load(
        {
            "MARKET_FISCAL_CLOSE": "03-05",
            "MARKET_PLATFORM_FEE_RATE": "0.0625",
            "MARKET_PUBLIC_URL": "https://market.example.cn",
            "MARKET_DEMO": "yes",
        }
    )
    url = "postgresql://somewhere/market"

    assert Settings.load(environment_of(given, url)) == replace(given, database_url=url)
