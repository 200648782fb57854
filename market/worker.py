"""Background work: Celery set up, its messages sent, its tasks run.

Decides how messages travel and are acknowledged. What the tasks are and how often the sweepers run
is registered in `market/bootstrap.py` (`TASKS`, `SCHEDULE`); what has to be done at all is read
from rows, so that a message lost here costs one sweep and nothing more.

Without CELERY_BROKER_URL the database itself carries the messages, in the tables
`kombu_queue` and `kombu_message`; they belong to Kombu and stay out of our migrations.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from threading import Thread
from typing import Any

from celery import Celery, Task
from celery.beat import PersistentScheduler, SchedulingError, Service
from kombu.exceptions import OperationalError
from kombu.transport.sqlalchemy import Channel
from sqlalchemy import text

from kernel.actors import system_actor
from kernel.db import open_engine
from kernel.errors import Misconfigured
from kernel.settings import Settings
from kernel.unit import Units
from market.bootstrap import SCHEDULE, TASKS, build_units
from market.embedded import ensure_server

QUEUE = "market"
BROKER_TABLES = ("kombu_queue", "kombu_message")
BROKER_LOCK = 0x6D61726B

# The tasks spend their time in the database, so threads of one process serve them well.
CONCURRENCY = 4

# How long beat may sleep, and so how late it may notice that it has to stop.
BEAT_S = 1

FORGET_DELIVERED = "market.forget_delivered"
FORGET_EVERY_S = 3600.0

logger = logging.getLogger(__name__)


def build_celery(settings: Settings, url: str) -> Celery:
    """Return a Celery that sends and receives by name; `url` is the database's.

    It knows no tasks yet, which suffices to send: see `build_worker`. Raises `Misconfigured` for a
    broker that this installation can't reach.
    """
    lacking = broker_lacks(settings)
    if lacking:
        raise Misconfigured(setting="CELERY_BROKER_URL", reason=lacking)
    own = not settings.celery_broker_url
    app = Celery("market", broker=_database_broker(url) if own else settings.celery_broker_url)
    app.conf.update(
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=3,
        broker_transport_options={"pool_pre_ping": True, "pool_size": 4} if own else {},
        enable_utc=True,
        result_backend=None,
        task_acks_late=True,
        task_default_queue=QUEUE,
        task_ignore_result=True,
        task_reject_on_worker_lost=True,
        task_serializer="json",
        timezone="UTC",
        worker_enable_remote_control=False,
        worker_prefetch_multiplier=1,
        worker_send_task_events=False,
    )
    return app


def broker_lacks(settings: Settings) -> str | None:
    """Return what this installation lacks to reach the broker, or None."""
    if settings.celery_broker_url.startswith("redis") and find_spec("redis") is None:
        return "redis:// needs the package redis (pip install 'xuanyong[redis]')"
    return None


def prepare_broker(settings: Settings, url: str) -> None:
    """Make the embedded broker's tables, once; Kombu alone would race over them at first start."""
    if settings.celery_broker_url:
        return
    engine = open_engine(url, pool_size=2)
    try:
        with engine.connect() as guard:
            guard.execute(text("SELECT pg_advisory_lock(:key)"), {"key": BROKER_LOCK})
            with build_celery(settings, url).connection_for_write() as connection:
                Channel(connection.transport)._open()
    finally:
        engine.dispose()


def build_worker(
    settings: Settings,
    url: str,
    *,
    tasks: Mapping[str, Callable[..., None]] = TASKS,
    schedule: Mapping[str, float] = SCHEDULE,
) -> Celery:
    """Return a Celery that runs `tasks`, and on which beat sends those in `schedule` (seconds)."""
    app = build_celery(settings, url)
    units = build_units(settings, url, CeleryDispatcher(app))
    for name, function in tasks.items():
        app.register_task(_UnitsTask(name, function, units))
    due = dict(schedule)
    if not settings.celery_broker_url:
        app.register_task(_UnitsTask(FORGET_DELIVERED, forget_delivered, units))
        due[FORGET_DELIVERED] = FORGET_EVERY_S
    app.conf.beat_schedule = {name: {"task": name, "schedule": s} for name, s in due.items()}
    return app


def run_worker(settings: Settings, url: str) -> None:
    """Work until told to stop, with beat on a thread beside the worker."""
    run = settings.home / "run"
    run.mkdir(parents=True, exist_ok=True)
    app = build_worker(settings, url)
    # Beat waits a whole interval before it sends a task for the first time.
    sender = CeleryDispatcher(app)
    for name in app.conf.beat_schedule:
        sender.send(name, {})
    # A beat process of its own, as `--beat` makes, would outlive a worker that is killed.
    beat = Service(
        app,
        max_interval=BEAT_S,
        schedule_filename=str(run / "beat"),
        scheduler_cls=ReconnectingScheduler,
    )
    Thread(target=beat.start, name="beat", daemon=True).start()
    try:
        app.worker_main(
            [
                *("--quiet", "worker", "--loglevel=WARNING"),
                *("--pool=threads", f"--concurrency={CONCURRENCY}"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            ]
        )
    finally:
        beat.stop()


def sweep_once(
    units: Units,
    *,
    tasks: Mapping[str, Callable[..., None]] = TASKS,
    schedule: Mapping[str, float] = SCHEDULE,
) -> list[str]:
    """Run each sweep once in this process, without a worker; return their names, in their order."""
    for name in schedule:
        tasks[name](units)
    return list(schedule)


def forget_delivered(units: Units) -> None:
    """Delete the messages that were delivered; Kombu only marks them."""
    with units(system_actor("worker")) as unit:
        unit.session.execute(text("DELETE FROM kombu_message WHERE NOT visible"))


@dataclass(slots=True)
class CeleryDispatcher:
    """Sends tasks through Celery; a broker that is down delays the work, and fails no request."""

    app: Celery

    def send(self, name: str, arguments: dict[str, Any]) -> None:
        try:
            # Through `ensure`, even without a retry: it makes one error of every transport's own.
            self.app.send_task(name, kwargs=arguments, retry=True, retry_policy={"max_retries": 0})
        except OperationalError as error:
            logger.warning("%s not sent, the sweeper will do so: %s", name, error)


class ReconnectingScheduler(PersistentScheduler):
    """Beat's schedule, which outlives its broker: what could not be sent opens the connection anew.

    Kombu's transport over a database doesn't count a closed channel among what a retry mends, so
    that one outage would end all that beat sends.
    """

    def apply_async(self, *arguments: Any, **named: Any) -> Any:
        try:
            return super().apply_async(*arguments, **named)
        except SchedulingError:
            for made in ("producer", "connection"):  # cached; made again when they are asked for
                self.__dict__.pop(made, None)
            raise


class _UnitsTask(Task[Any, None]):
    """A plain function as Celery sees it: called with the process's units and the arguments."""

    def __init__(self, name: str, function: Callable[..., None], units: Units) -> None:
        self.name = name
        self.function = function
        self.units = units

    def run(self, **arguments: Any) -> None:
        self.function(self.units, **arguments)


def _database_broker(url: str) -> str:
    plain = url.replace("postgres://", "postgresql://", 1)
    return "sqla+" + plain.replace("postgresql://", "postgresql+psycopg://", 1)


def main() -> None:
    settings = Settings.load()
    run_worker(settings, settings.database_url or ensure_server(settings))


if __name__ == "__main__":
    main()
