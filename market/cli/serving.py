"""`market run`, `stop`, `web`, `worker`: the processes of an installation."""

import click

from kernel.settings import Settings
from market.cli.context import database_url, load_settings, open_units
from market.cli.output import emit, json_option, note
from market.cli.sample import prepare_to_serve
from market.demo.accounts import close_accounts, demo_accounts
from market.migrate import upgrade
from market.serving import listen, serve_web
from market.supervisor import end_left_over, serve_all, stop_all
from market.worker import prepare_broker, run_worker, sweep_once


@click.command()
def run() -> None:
    """Set everything up and serve until stopped: database, site, worker, and the sample county.

    The sample county is loaded into an empty embedded database, and its main job run.
    """
    settings = load_settings()
    left = end_left_over(settings)
    if left:
        note(f"Ended what a killed run had left: {', '.join(left)}.")
    if settings.embedded:
        note(f"Starting the database in {settings.home / 'pg'}.")
    url = database_url(settings)
    note("Bringing its tables to this version.")
    upgrade(settings, url)
    settings = prepare_to_serve(settings, url)
    note("Starting the site and a worker.")
    serve_all(settings, url, on_ready=lambda address: _announce(settings, address))


def _announce(settings: Settings, address: str) -> None:
    click.echo(f"\n  {address}\n")
    if settings.demo:
        click.echo("  Sample data; accounts to try it with:")
        for account in demo_accounts():
            click.echo(f"    {account.login:<20} {account.password:<14} {account.label}")
        click.echo()
    click.echo("  Ctrl-C stops it.")


@click.command()
@json_option
def stop(as_json: bool) -> None:
    """Stop whatever runs of this installation, the embedded database included."""
    stopped = stop_all(load_settings())
    emit(
        {"stopped": stopped},
        [f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running."],
        as_json=as_json,
    )


@click.command()
def web() -> None:
    """Serve the site in the foreground; workers are started apart.

    Accounts of the sample county, whose passwords are public, are closed unless MARKET_DEMO is on.
    """
    settings = load_settings()
    if not settings.demo:
        with open_units(settings) as units:
            close_accounts(units)
    listener = listen(settings)
    host, port = listener.getsockname()[:2]
    note(f"Serving on {host}:{port}.")
    serve_web(listener)


@click.command()
@click.option("--once", is_flag=True, help="Run every sweep once, here and now, and stop.")
@json_option
def worker(*, once: bool, as_json: bool) -> None:
    """Work in the foreground: background tasks, and the sweeps that find what was missed.

    Each sweep runs soon after the start and then at its interval. With --once agreements that are
    over end, retention that is due is released, and so on, without a worker.
    """
    settings = load_settings()
    if once:
        with open_units(settings) as units:
            swept = sweep_once(units)
        emit({"swept": swept}, [f"Swept once: {', '.join(swept)}."], as_json=as_json)
        return
    url = database_url(settings)
    prepare_broker(settings, url)
    run_worker(settings, url)
