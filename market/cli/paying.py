"""`market payments`, `pay` and `reconcile`: what two people released is paid, and proved."""

from datetime import date
from pathlib import Path
from typing import Any

import click

from kernel.clock import Month, show_month
from kernel.errors import UnwritableFile
from kernel.money import yuan
from market.cli.context import acting, load_settings, open_units
from market.cli.output import as_option, emit, json_option
from market.cli.values import AMOUNT, DAY, PERIOD
from settlement.payments.bank_payouts import pay_out, try_payout_again
from settlement.payments.calling_off import call_off
from settlement.payments.engine import pay_run, retry_payment
from settlement.payments.giving_up import give_up_reversal
from settlement.payments.holds import hold_payee, lift_hold
from settlement.payments.opening import open_gateway
from settlement.payments.parked import apply_parked
from settlement.payments.parties import know_payees
from settlement.payments.reconciliation import reconcile as find_differences
from settlement.payments.remittances import (
    propose_remittance,
    propose_taking_back,
    record_remittance,
)
from settlement.payments.runs import propose_run, release_run, return_run, withdraw_run
from settlement.payments.states import PaymentMethod, RunPurpose
from settlement.payments.sweeping import catch_up, deliver_messages
from settlement.payments.treasury import export_orders
from settlement.queries.payments import payment_runs


@click.group()
def payments() -> None:
    """Payment runs: one finance person proposes, another releases."""


@payments.command("propose")
@click.argument("month", type=PERIOD, metavar="PERIOD")
@click.option(
    "--method",
    type=click.Choice([one.value for one in PaymentMethod]),
    default=PaymentMethod.GATEWAY.value,
    show_default=True,
    help="Through the gateway, or by orders of the treasury.",
)
@click.option("--refund", is_flag=True, help="Take back what credits took off after its payment.")
@as_option
@json_option
def propose(month: Month, method: str, *, refund: bool, who: str | None, as_json: bool) -> None:
    """Propose to pay what is due of statements up to PERIOD, in the name of --as LOGIN."""
    with open_units(load_settings()) as units:
        actor = acting(units, who)
        if method == PaymentMethod.GATEWAY:
            know_payees(units, actor, open_gateway(units))
        with units(actor) as unit:
            number = propose_run(
                unit,
                month,
                method=PaymentMethod(method),
                purpose=RunPurpose.REFUND if refund else RunPurpose.PAY,
            )
    emit(
        {"number": number},
        [f"{number} waits for another finance person: market payments release {number}"],
        as_json=as_json,
    )


@payments.command("release")
@click.argument("number")
@as_option
def release(number: str, who: str | None) -> None:
    """Release run NUMBER as its second person; market pay, or the worker, carries it out."""
    with open_units(load_settings(), sends=True) as units, units(acting(units, who)) as unit:
        release_run(unit, number)
    click.echo(f"{number} is released.")


@payments.command("return")
@click.argument("number")
@click.option("--note", required=True, help="The reason, which whoever proposed it reads.")
@as_option
def return_(number: str, note: str, who: str | None) -> None:
    """Give run NUMBER back to who proposed it."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        return_run(unit, number, note=note)
    click.echo(f"{number} is returned; what it claimed is due again.")


@payments.command("withdraw")
@click.argument("number")
@as_option
def withdraw(number: str, who: str | None) -> None:
    """Take back one's own run NUMBER before it is released."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        withdraw_run(unit, number)
    click.echo(f"{number} is withdrawn; what it claimed is due again.")


@payments.command("retry")
@click.argument("key")
@as_option
def retry(key: str, who: str | None) -> None:
    """Let the failed payment KEY be tried again."""
    with open_units(load_settings(), sends=True) as units, units(acting(units, who)) as unit:
        retry_payment(unit, key)
    click.echo(f"{key} is tried again.")


@payments.command("give-up")
@click.argument("key")
@as_option
def give_up(key: str, who: str | None) -> None:
    """Give the failed reversal KEY up: it is set off against what the payee is due next."""
    with open_units(load_settings(), sends=True) as units, units(acting(units, who)) as unit:
        give_up_reversal(unit, key)
    click.echo(f"{key} is given up; what it would have taken back is set off later.")


@payments.command("remit-tax")
@click.argument("month", type=PERIOD, metavar="PERIOD")
@click.argument("amount", type=AMOUNT)
@click.option("--reference", required=True, help="Number of the tax office's receipt.")
@click.option("--paid-on", type=DAY, required=True, help="Day on which it was paid.")
@as_option
@json_option
def remit_tax(
    month: Month, amount: int, reference: str, paid_on: date, who: str | None, *, as_json: bool
) -> None:
    """Propose to record that AMOUNT yuan of the tax withheld in PERIOD went to the tax office."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        number = propose_remittance(
            unit, month, amount_fen=amount, reference=reference, paid_on=paid_on
        )
    emit(
        {"number": number},
        [f"{number} waits for another finance person: market payments record-tax {number}"],
        as_json=as_json,
    )


@payments.command("take-back-tax")
@click.argument("number")
@click.argument("amount", type=AMOUNT)
@click.option("--reference", required=True, help="Number of the paper that says so.")
@click.option("--paid-on", type=DAY, required=True, help="Day of the paper.")
@click.option("--because", required=True, metavar="TEXT", help="Why, for whoever checks it.")
@as_option
@json_option
def take_back_tax(
    number: str,
    amount: int,
    *,
    reference: str,
    paid_on: date,
    because: str,
    who: str | None,
    as_json: bool,
) -> None:
    """Propose to take AMOUNT yuan of remittance NUMBER back: it was wrong, or repaid."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        made = propose_taking_back(
            unit,
            number,
            amount_fen=amount,
            reference=reference,
            paid_on=paid_on,
            because=because,
        )
    emit(
        {"number": made},
        [f"{made} waits for another finance person: market payments record-tax {made}"],
        as_json=as_json,
    )


@payments.command("record-tax")
@click.argument("number")
@as_option
def record_tax(number: str, who: str | None) -> None:
    """Record remittance NUMBER, or what takes it back, as the second person, who saw the paper."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        record_remittance(unit, number)
    click.echo(f"{number} is recorded, and what the platform owes follows it.")


@payments.command("payout-again")
@click.argument("key")
@as_option
def payout_again(key: str, who: str | None) -> None:
    """Let the money of the payout KEY, which its bank sent back, go there again."""
    with open_units(load_settings(), sends=True) as units, units(acting(units, who)) as unit:
        try_payout_again(unit, key)
    click.echo(f"What {key} carried goes again, by another payout.")


@payments.command("hold")
@click.argument("vendor", metavar="VENDOR_CODE")
@click.option("--because", required=True, metavar="TEXT", help="Why; the vendor reads it.")
@as_option
def hold(vendor: str, because: str, who: str | None) -> None:
    """Leave a vendor out of payment runs until the hold is lifted."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        hold_payee(unit, vendor, because=because)
    click.echo(f"{vendor} is held.")


@payments.command("lift")
@click.argument("vendor", metavar="VENDOR_CODE")
@as_option
def lift(vendor: str, who: str | None) -> None:
    """Let a vendor that is held be paid again."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        lift_hold(unit, vendor)
    click.echo(f"{vendor} may be paid again.")


@payments.command("apply")
@click.argument("event", metavar="MESSAGE_ID")
@click.option("--because", required=True, metavar="TEXT", help="What was seen to; on the trail.")
@as_option
@click.pass_context
def apply(ctx: click.Context, event: str, because: str, who: str | None) -> None:
    """Apply a parked message of the gateway once more, after its reason was seen to.

    Exit 1 if it stays parked.
    """
    with open_units(load_settings()) as units:
        actor = acting(units, who)
        state = apply_parked(units, actor, open_gateway(units), event, because=because)
    click.echo(f"{event}: {state}")
    if state == "parked":
        ctx.exit(1)


@payments.command("orders")
@click.argument("number")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File for the finance system.",
)
@as_option
def orders(number: str, out: Path, who: str | None) -> None:
    """Write the treasury orders of run NUMBER to a file, and note them as sent.

    What the treasury returns is read by: market import treasury-returns FILE.
    """
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        content = export_orders(unit, number)
        try:
            out.write_bytes(content)
        except OSError as error:
            raise UnwritableFile(file=out, reason=error.strerror) from error


@payments.command("list")
@as_option
@json_option
def show(who: str | None, as_json: bool) -> None:
    """List the payment runs, the latest first."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        rows = payment_runs(unit)
    emit(
        [
            {
                "number": row.number,
                "period": show_month(row.month),
                "method": row.method,
                "purpose": row.purpose,
                "state": row.standing,
                "payments": row.payments,
                "amount_fen": row.amount_fen,
                "paid_fen": row.paid_fen,
            }
            for row in rows
        ],
        [
            f"{row.number}  {row.method}  {row.standing}  {yuan(row.amount_fen)} yuan, "
            f"{yuan(row.paid_fen)} paid"
            for row in rows
        ]
        or ["No payment run was proposed yet."],
        as_json=as_json,
    )


@click.command()
@click.argument("month", type=PERIOD, metavar="PERIOD")
@as_option
@json_option
@click.pass_context
def pay(ctx: click.Context, month: Month, who: str | None, as_json: bool) -> None:
    """Carry out the released runs of PERIOD as far as they go; exit 1 if a payment failed.

    Pays only what two people released. Safe to repeat, and after a crash: nothing is paid twice.
    """
    paid: dict[str, dict[str, int]] = {}
    with open_units(load_settings()) as units:
        actor = acting(units, who)
        with units(actor) as unit:
            numbers = [
                row.number
                for row in payment_runs(unit)
                if row.month == month and row.state == "released" and row.method == "gateway"
            ]
        gateway = open_gateway(units) if numbers else None
        for number in sorted(numbers):
            assert gateway is not None
            paid[number] = pay_run(units, actor, gateway, number)
        if gateway is not None:
            pay_out(units, actor, gateway)
        if gateway is not None and units.settings.gateway_name == "sandbox":
            deliver_messages(units, gateway)
        if gateway is not None:
            catch_up(units, actor, gateway)
            call_off(units, actor, gateway)
    emit(
        {"period": show_month(month), "runs": paid},
        [f"{number}: {_states(states)}" for number, states in paid.items()]
        or ["No run of this period is released to the gateway; see market payments list."],
        as_json=as_json,
    )
    if any("failed" in states for states in paid.values()):
        ctx.exit(1)


@click.command()
@click.argument("month", type=PERIOD, metavar="PERIOD")
@as_option
@json_option
@click.pass_context
def reconcile(ctx: click.Context, month: Month, who: str | None, as_json: bool) -> None:
    """Compare our books of PERIOD's runs with the gateway's own; exit 1 on any difference."""
    with open_units(load_settings()) as units:
        actor = acting(units, who)
        found = find_differences(units, actor, open_gateway(units), month)
        with units(actor) as unit:
            runs = [
                row.number
                for row in payment_runs(unit)
                if (row.month, row.state, row.method) == (month, "released", "gateway")
            ]
    data: dict[str, Any] = {
        "period": show_month(month),
        "clean": not found,
        "runs": sorted(runs),
        "differences": [
            {
                "kind": one.kind,
                "key": one.key,
                "ours_fen": one.ours_fen,
                "theirs_fen": one.theirs_fen,
            }
            for one in found
        ],
    }
    agrees = (
        "Our books are what the gateway's are."
        if runs
        else "No run of this period was released to the gateway: there is nothing to compare."
    )
    lines = [str(one) for one in found] or [agrees]
    emit(data, lines, as_json=as_json)
    if found:
        ctx.exit(1)


def _states(states: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in states.items())
