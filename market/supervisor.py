"""`market run` and `market stop`: the web server and the worker as supervised processes.

Decides in which order they start and stop, how often one that dies is started again, and that the
embedded database is kept running beside them and goes down with them on a clean exit. After a kill
of the supervisor its children work on; `stop_all` then ends what is left, and so does
`end_left_over` before the next start.
"""

import http.client
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import FrameType

from kernel.errors import EmbeddedUnavailable, ProcessFailed
from kernel.settings import Settings
from market.embedded import ensure_server, has_ended, stop_server
from market.processes import Child, PidFile, environment_of
from market.serving import listen
from market.worker import prepare_broker

SUPERVISOR, WEB, WORKER = "market", "web", "worker"

# Longer than the web server lets requests end; a task that is cut off resumes from its rows.
GRACE_S = 15.0
POLL_S = 0.2
RESTARTS = 5
RESTARTS_WITHIN_S = 60.0


def serve_all(
    settings: Settings,
    database_url: str,
    *,
    on_ready: Callable[[str], None] = lambda _address: None,
) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP; call `on_ready` with the address once it answers.

    Raises `AddressInUse`, `AlreadyRunning`, `ProcessFailed` when a child can't be kept alive, and
    `EmbeddedUnavailable` when the embedded database can't.
    """
    own = PidFile(settings.home, SUPERVISOR)
    with own.claim(), listen(settings) as listener, _stop_signals() as received:
        own.write(os.getpid())
        prepare_broker(settings, database_url)
        with _kept_alive(settings, database_url, listener) as children:
            ready, database = False, _KeptRunning(settings)
            while not received:
                if settings.embedded:
                    database.revive()
                for child in children:
                    child.revive()
                if not ready and _answers(listener):
                    ready = True
                    on_ready(_address(listener))
                time.sleep(POLL_S)
        if settings.embedded:
            stop_server(settings)
        own.path.unlink(missing_ok=True)


def end_left_over(settings: Settings) -> list[str]:
    """End the children that a killed supervisor left; return their names.

    Raises `AlreadyRunning` if the supervisor lives: then they are its own.
    """
    with PidFile(settings.home, SUPERVISOR).claim():
        return _end_children(settings)


def stop_all(settings: Settings) -> list[str]:
    """Stop whatever of this MARKET_HOME runs; return the names of what was running."""
    stopped = []
    # The supervisor stops its children and the database itself: give it the time for both.
    if PidFile(settings.home, SUPERVISOR).end(grace_s=3 * GRACE_S):
        stopped.append(SUPERVISOR)
    stopped += _end_children(settings)
    if settings.embedded and stop_server(settings):
        stopped.append("database")
    return stopped


def _end_children(settings: Settings) -> list[str]:
    return [name for name in (WEB, WORKER) if PidFile(settings.home, name).end(grace_s=GRACE_S)]


@dataclass(slots=True)
class _Restarts:
    """When something was started again: at most `RESTARTS` times in `RESTARTS_WITHIN_S`."""

    at: deque[float] = field(default_factory=lambda: deque(maxlen=RESTARTS))

    def too_many(self) -> bool:
        """Whether one more would be too often; if not, it is noted."""
        now = time.monotonic()
        if len(self.at) == RESTARTS and now - self.at[0] < RESTARTS_WITHIN_S:
            return True
        self.at.append(now)
        return False


@dataclass(slots=True)
class _KeptRunning:
    """The embedded database, which is no child of ours, kept running in the same way."""

    settings: Settings
    restarts: _Restarts = field(default_factory=_Restarts)

    def revive(self) -> None:
        if not has_ended(self.settings):
            return
        is_last = self.restarts.too_many()
        try:
            ensure_server(self.settings)
        except EmbeddedUnavailable:
            # What a killed server leaves holds its memory for a moment: tried again.
            if is_last:
                raise


@dataclass(slots=True)
class _KeptAlive:
    """A child that is started again when it ends unasked, until that recurs too often."""

    child: Child
    restarts: _Restarts = field(default_factory=_Restarts)

    def revive(self) -> None:
        status = self.child.exit_status()
        if status is None:
            return
        if self.restarts.too_many():
            raise ProcessFailed(
                name=self.child.pid_file.name, exit_status=status, log=self.child.log
            )
        self.child.stop(grace_s=GRACE_S)
        self.child.start()


@contextmanager
def _kept_alive(
    settings: Settings, database_url: str, listener: socket.socket
) -> Iterator[list[_KeptAlive]]:
    """Start web and worker; in the end stop them, the web first: it hands work to the worker."""
    environment = environment_of(settings, database_url)
    children = [
        Child(
            pid_file=PidFile(settings.home, WEB),
            module="market.serving",
            arguments=[str(listener.fileno())],
            environment=environment,
            inherited=[listener.fileno()],
        ),
        Child(
            pid_file=PidFile(settings.home, WORKER),
            module="market.worker",
            arguments=[],
            environment=environment,
        ),
    ]
    try:
        for child in children:
            child.start()
        yield [_KeptAlive(child) for child in children]
    finally:
        for child in children:
            child.stop(grace_s=GRACE_S)


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Yield a list to which each signal to stop is appended, and which nothing else interrupts."""
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    before = {
        number: signal.signal(number, note)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _answers(listener: socket.socket) -> bool:
    host, port = listener.getsockname()[:2]
    reachable = "localhost" if ip_address(host).is_unspecified else host
    connection = http.client.HTTPConnection(reachable, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
