"""The command `market`: finds its subcommands, and turns how they end into an exit status.

0 done · 1 failed · 2 not understood · 130 interrupted. An error that is an answer (`MarketError`)
is one line on stderr with the way out; anything else is a defect: one line, and the trace in the
log. Subcommands are loaded by name when they are called, since the web server's and the worker's
libraries take longer to load than most commands run.
"""

import gc
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

import click

from kernel.clock import SystemClock
from kernel.errors import MarketError

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130

COLLECT_AFTER: Final = (50_000, 20, 100)
"""Thresholds of the collector of cycles, of which our rows and lines have none: with Python's own
it walks through them again and again, which takes a third of a close's time in this process."""

COMMANDS: Final = {
    "run": "market.cli.serving:run",
    "stop": "market.cli.serving:stop",
    "web": "market.cli.serving:web",
    "worker": "market.cli.serving:worker",
    "demo": "market.cli.demo:demo",
    "db": "market.cli.database:db",
    "doctor": "market.cli.doctor:doctor",
    "user": "market.cli.users:user",
    "key": "market.cli.keys:key",
    "import": "market.cli.imports:import_",
    "source": "market.cli.admitting:source",
    "device": "market.cli.devices:device",
    "admit": "market.cli.admitting:admit",
    "fund": "market.cli.funding:fund",
    "approval-rules": "market.cli.approval_rules:approval_rules",
    "approve": "market.cli.approving:approve",
    "selection": "market.cli.selections:selection",
    "bulk": "market.cli.bulk:bulk",
    "delegate": "market.cli.selections:delegate",
    "settle": "market.cli.settling:settle",
    "preview": "market.cli.previewing:preview_period",
    "simulate": "market.cli.previewing:simulate_group",
    "explain": "market.cli.previewing:explain",
    "confirm": "market.cli.settling:confirm",
    "rank": "market.cli.ranking:rank_command",
    "usage": "market.cli.archiving:usage",
    "retention": "market.cli.retaining:retention",
    "payments": "market.cli.paying:payments",
    "pay": "market.cli.paying:pay",
    "reconcile": "market.cli.paying:reconcile",
    "credits": "market.cli.crediting:credits_",
    "rates": "market.cli.rates:rates",
    "verify": "market.cli.settling:verify",
    "export": "market.cli.exporting:export",
    "bench": "market.cli.bench:bench",
}


class _Commands(click.Group):
    """Subcommands in the order in which an installation meets them, loaded when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    # click passes its context; the table above is all that is asked.
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        target = COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, _, name = target.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="xuanyong", message="%(version)s")
def cli() -> None:
    """选用 Xuanyong: schools choose, pay for what they used, and every fen can be followed."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    try:
        given = list(sys.argv[1:] if arguments is None else arguments)
        if any("\0" in one for one in given):
            raise click.UsageError("An argument holds a NUL character.")
        status = cli.main(given, prog_name="market", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Abort:
        status = _say("Interrupted; what was committed stays.", INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        status = MISUSED
    except click.UsageError as error:
        status = _say(f"{error.format_message()}{_see_help(error)}", MISUSED)
    except click.ClickException as error:
        status = _say(error.format_message(), FAILED)
    except MarketError as error:
        status = _say(str(error), FAILED)
    except BrokenPipeError:
        # Whoever read our output has had enough; nothing more may be written to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = FAILED
    except Exception as error:  # noqa: BLE001 - the last place: reported and logged, not swallowed
        status = _defect(error)
    return status if isinstance(status, int) else DONE


def _say(text: str, status: int) -> int:
    click.echo(f"market: {' '.join(text.split())}", err=True)
    return status


def _see_help(error: click.UsageError) -> str:
    return f" See {error.ctx.command_path} --help." if error.ctx is not None else ""


def _defect(error: BaseException) -> int:
    """Log a defect with its trace, and say in one line where it is."""
    log = Path(os.environ.get("MARKET_HOME") or "var").expanduser().absolute() / "logs/market.log"
    words = str(error).strip().splitlines()
    summary = f"{type(error).__name__}: {words[0]}" if words else type(error).__name__
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            file.write(f"\n{SystemClock().now().isoformat()} market {' '.join(sys.argv[1:2])}\n")
            traceback.print_exception(error, file=file)
    except OSError as failure:
        return _say(f"{summary} (and no log could be written: {failure})", FAILED)
    return _say(f"{summary}. This is a defect; its trace is in {log}.", FAILED)


def main() -> None:
    gc.set_threshold(*COLLECT_AFTER)
    sys.exit(run())


if __name__ == "__main__":
    main()
