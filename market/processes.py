"""One background process of an installation, and its pid file under MARKET_HOME/run.

The process holds a lock on its pid file for as long as it lives. So a file left by a crash is told
from a running process without trusting a number that may mean another one by now.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import TextIO

from kernel.errors import AlreadyRunning
from kernel.settings import Settings

LOG_LIMIT_BYTES = 10_000_000
POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class PidFile:
    """The pid file of the process called `name`."""

    home: Path
    name: str

    @property
    def path(self) -> Path:
        return self.home / "run" / f"{self.name}.pid"

    def claim(self) -> TextIO:
        """Return the file, locked; closing it gives it up. Raise `AlreadyRunning` if it is held."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise AlreadyRunning(name=self.name, home=self.home, pid=self.read()) from None
        return file

    def write(self, pid: int) -> None:
        self.path.write_text(f"{pid}\n")

    def read(self) -> int | None:
        text = self.path.read_text().strip() if self.path.exists() else ""
        return int(text) if text.isdigit() else None

    def held(self) -> bool:
        if not self.path.exists():
            return False
        with self.path.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def end(self, *, grace_s: float) -> bool:
        """Ask the process to stop, kill it after `grace_s`; return whether there was one."""
        pid = self.read()
        if pid is None or not self.held():
            self.path.unlink(missing_ok=True)
            return False
        for number, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                break
            if self._released(patience_s):
                break
        self.path.unlink(missing_ok=True)
        return True

    def _released(self, within_s: float) -> bool:
        deadline = time.monotonic() + within_s
        while self.held():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True


@dataclass(slots=True)
class Child:
    """A process of ours, in a process group of its own so that Ctrl-C reaches it through us."""

    pid_file: PidFile
    module: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    inherited: Sequence[int] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.pid_file.home / "logs" / f"{self.pid_file.name}.log"

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.pid_file.claim() as lock, self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own module, our own interpreter
                [sys.executable, "-m", self.module, *self.arguments],
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(lock.fileno(), *self.inherited),
                process_group=0,
            )
            self.pid_file.write(self.process.pid)

    def exit_status(self) -> int | None:
        """Return the exit status of the process if it ended, else None."""
        return self.process.poll() if self.process else None

    def stop(self, *, grace_s: float) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(grace_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.pid_file.path.unlink(missing_ok=True)


def environment_of(settings: Settings, database_url: str) -> dict[str, str]:
    """Return the environment in which a child reads the same settings, overrides included."""
    values = dict(os.environ)
    for one in fields(settings):
        value = getattr(settings, one.name)
        if isinstance(value, bool):
            value = "yes" if value else "no"
        elif isinstance(value, Decimal):
            value = f"{value:f}"
        values[one.metadata["name"]] = one.metadata["write"](value)
    values["DATABASE_URL"] = database_url
    return values | {"PYTHONUNBUFFERED": "1"}
