"""Messages only hint: they arrive through the database, and a broker that is down harms nobody."""

import subprocess
import sys
import time
from contextlib import contextmanager
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier

from kernel.actors import system_actor
from kernel.errors import Misconfigured
from kernel.settings import Settings
from market.bootstrap import SCHEDULE
from market.worker import (
    BROKER_TABLES,
    CeleryDispatcher,
    ReconnectingScheduler,
    broker_lacks,
    build_celery,
    forget_delivered,
    prepare_broker,
    sweep_once,
)

PERIOD = UUID("0198a000-0000-7000-8000-000000000001")


WORKER = """
import sys
from sqlalchemy import text
from kernel.actors import system_actor
from kernel.settings import Settings
from market.bootstrap import SCHEDULE, TASKS
from market.worker import run_worker

def rate(units, *, period_id):
    with units(system_actor("worker")) as unit:
        unit.session.execute(
            text("INSERT INTO done VALUES (:who, :kind, :id)"),
            {"who": unit.actor.name, "kind": type(period_id).__name__, "id": period_id},
        )

SCHEDULE.clear()
TASKS["settlement.rate"] = rate
run_worker(Settings.load({"MARKET_HOME": sys.argv[2], "MARKET_SECRET_KEY": "test"}), sys.argv[1])
"""


def count(url: str, table: str) -> int:
    with psycopg.connect(url) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_task_sent_after_a_commit_runs_with_units_and_its_own_types(settings, database_url, units):
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE done (who text, kind text, period_id uuid)")
    prepare_broker(settings, database_url)
    units.dispatcher = CeleryDispatcher(build_celery(settings, database_url))
    with units(system_actor("test")) as unit:
        unit.after_commit("settlement.rate", period_id=PERIOD)

    with subprocess.Popen([sys.executable, "-c", WORKER, database_url, settings.home]) as worker:
        try:
            deadline = time.monotonic() + 30
            while not count(database_url, "done") and time.monotonic() < deadline:
                time.sleep(0.1)
        finally:
            worker.terminate()

    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT * FROM done").fetchall()
    assert rows == [("system:worker", "UUID", PERIOD)]


def test_a_worker_runs_each_sweep_soon_after_its_start(settings, database_url, units):
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE done (who text, kind text, period_id uuid)")
    prepare_broker(settings, database_url)
    hourly = WORKER.replace("*, period_id)", "*, period_id=None)").replace(
        "SCHEDULE.clear()", "SCHEDULE.clear()\nSCHEDULE['settlement.rate'] = 3600.0"
    )
    with subprocess.Popen([sys.executable, "-c", hourly, database_url, settings.home]) as worker:
        try:
            deadline = time.monotonic() + 30
            while not count(database_url, "done") and time.monotonic() < deadline:
                time.sleep(0.1)
        finally:
            worker.terminate()
    assert count(database_url, "done") == 1


def test_every_sweep_runs_once_by_hand(units):
    ran = []
    tasks = {name: lambda _units, name=name: ran.append(name) for name in ("a", "b", "unscheduled")}
    assert sweep_once(units, tasks=tasks, schedule={"b": 60.0, "a": 3600.0}) == ["b", "a"]
    assert ran == ["b", "a"]
    assert sweep_once(units) == list(SCHEDULE)


def test_delivered_messages_are_forgotten_and_waiting_ones_kept(settings, database_url, units):
    prepare_broker(settings, database_url)
    dispatcher = CeleryDispatcher(build_celery(settings, database_url))
    dispatcher.send("delivered", {})
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE kombu_message SET visible = false")
    dispatcher.send("waiting", {})

    forget_delivered(units)

    assert count(database_url, "kombu_message") == 1


def test_broker_tables_are_made_once_by_many_at_a_time(settings, database_url):
    prepare_broker(settings, database_url)
    prepare_broker(settings, database_url)

    assert {table: count(database_url, table) for table in BROKER_TABLES} == {
        "kombu_queue": 0,
        "kombu_message": 0,
    }


@pytest.mark.parametrize("broker", ["", "amqp://127.0.0.1:1"])
def test_broker_that_is_down_delays_the_work_and_fails_no_request(broker, caplog):
    settings = Settings.load({"CELERY_BROKER_URL": broker})
    dispatcher = CeleryDispatcher(build_celery(settings, "postgresql://127.0.0.1:1/nowhere"))

    dispatcher.send("settlement.rate", {"period_id": PERIOD})

    assert "settlement.rate not sent, the sweeper will do so" in caplog.text


def test_broker_whose_client_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr("market.worker.find_spec", lambda name: None)
    settings = Settings.load({"CELERY_BROKER_URL": "redis://127.0.0.1"})

    assert "xuanyong[redis]" in broker_lacks(settings)
    with pytest.raises(Misconfigured, match="CELERY_BROKER_URL"):
        build_celery(settings, "postgresql://127.0.0.1:1/nowhere")


def test_what_beat_sends_goes_on_after_the_database_was_away(settings, database_url, caplog):
    prepare_broker(settings, database_url)
    app = build_celery(settings, database_url)
    app.conf.beat_schedule = {"sweep": {"task": "sweep", "schedule": 3600.0}}
    beat = ReconnectingScheduler(app, schedule_filename=str(settings.home / "beat"))
    sweep = beat.schedule["sweep"]
    beat.apply_entry(sweep, producer=beat.producer)
    with out_of_reach(database_url):
        beat.apply_entry(sweep, producer=beat.producer)
    assert "sweep" in caplog.text
    beat.apply_entry(sweep, producer=beat.producer)
    beat.close()
    assert count(database_url, "kombu_message") == 2


@contextmanager
def out_of_reach(url):
    """A database that takes no connections, and has ended those that there were."""
    name = conninfo_to_dict(url)["dbname"]
    allow = SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format
    with psycopg.connect(make_conninfo(url, dbname="postgres"), autocommit=True) as connection:
        connection.execute(allow(Identifier(name), SQL("false")))
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        try:
            yield
        finally:
            connection.execute(allow(Identifier(name), SQL("true")))
