"""`market fund early-use` and `market fund unfunded`: use before the funds arrive (R25, R35)."""

import click

from kernel.clock import FIRST_YEAR, LAST_YEAR, parse_month, show_month
from kernel.money import yuan
from market.cli.context import acting, load_settings, open_units
from market.cli.output import (
    as_option,
    emit,
    json_option,
    naming_options,
    payer_option,
    read_day,
    read_fen,
)
from procurement.funding.early_use_rules import (
    EarlyUseRuleRow,
    early_use_rules,
    propose_early_use,
    put_in_force,
)
from settlement.early_use import record_consent
from settlement.early_use_models import UnfundedOutcome
from settlement.queries.unfunded import memoranda, require_payer, unfunded
from settlement.unfunded_decisions import answer_write_off, decide_unfunded

OPTIONS = {
    "fiscal_year": "--year",
    "valid_from": "--from",
    "total_cap": "--total",
    "payer_cap": "--per-payer",
    "origin": "--origin",
    "cap_fen": "--cap",
}
"""Options by the field that errors name."""


@click.group("early-use")
def early_use() -> None:
    """Use before the funds arrive: rules, consents, memoranda."""


@early_use.command()
@click.option("--year", "fiscal_year", type=click.IntRange(FIRST_YEAR, LAST_YEAR), required=True)
@click.option("--from", "valid_from", metavar="DAY", required=True, help="In force from this day.")
@click.option("--total", required=True, metavar="YUAN", help="Of all payers; 0 takes it back.")
@click.option("--per-payer", "per_payer", required=True, metavar="YUAN", help="Of each payer.")
@click.option("--origin", required=True, help="The document that the rule comes from.")
@as_option
@json_option
def propose(
    *,
    fiscal_year: int,
    valid_from: str,
    total: str,
    per_payer: str,
    origin: str,
    who: str | None,
    as_json: bool,
) -> None:
    """Propose a rule for the region of the finance person's bureau (--as)."""
    row = EarlyUseRuleRow(
        fiscal_year=fiscal_year,
        valid_from=read_day("--from", valid_from),
        total_cap_fen=read_fen("--total", total),
        payer_cap_fen=read_fen("--per-payer", per_payer),
        origin=origin,
    )
    with (
        naming_options(OPTIONS),
        open_units(load_settings()) as units,
        units(acting(units, who)) as unit,
    ):
        number = propose_early_use(unit, row)
    emit({"proposal": number}, [f"{number} waits to be checked."], as_json=as_json)


@early_use.command()
@click.argument("number")
@as_option
@json_option
def check(*, number: str, who: str | None, as_json: bool) -> None:
    """Put the rule NUMBER into force, as another person than who made it (--as)."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        put_in_force(unit, number)
    emit({"rule": number, "state": "in_force"}, [f"{number} is in force."], as_json=as_json)


@early_use.command()
@click.option("--cap", required=True, metavar="YUAN", help="Of each agreement; 0 takes it back.")
@click.option("--from", "valid_from", metavar="DAY", required=True, help="From this day on.")
@as_option
@json_option
def consent(*, cap: str, valid_from: str, who: str | None, as_json: bool) -> None:
    """Record what a vendor lets each agreement use before its money arrives (--as)."""
    cap_fen = read_fen("--cap", cap)
    day = read_day("--from", valid_from)
    with (
        naming_options(OPTIONS),
        open_units(load_settings()) as units,
        units(acting(units, who)) as unit,
    ):
        recorded = record_consent(unit, cap_fen=cap_fen, valid_from=day)
    words = "recorded" if recorded else "unchanged"
    emit(
        {"recorded": recorded, "cap_fen": cap_fen},
        [f"At most {yuan(cap_fen)} yuan per agreement from {valid_from}: {words}."],
        as_json=as_json,
    )


@early_use.command()
@as_option
@json_option
def rules(*, who: str | None, as_json: bool) -> None:
    """List the rules of the bureau's region and those above it (--as), the latest first."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        rows = early_use_rules(unit)
    emit(
        [
            {
                "number": row.number,
                "fiscal_year": row.fiscal_year,
                "valid_from": row.valid_from.isoformat(),
                "total_cap_fen": row.total_cap_fen,
                "payer_cap_fen": row.payer_cap_fen,
                "state": row.state,
                "holds": row.holds,
            }
            for row in rows
        ],
        (
            f"{row.number}  {row.valid_from}  {yuan(row.total_cap_fen):>14}  "
            f"{yuan(row.payer_cap_fen):>14}  {row.state}{' *' if row.holds else ''}"
            for row in rows
        )
        if rows
        else ["There is no rule: nothing may be used before its year's money is issued."],
        as_json=as_json,
    )


@early_use.command("memoranda")
@payer_option
@as_option
@json_option
def memoranda_(*, payer_code: str | None, who: str | None, as_json: bool) -> None:
    """List what agreements may use, and used, before their money arrived."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        if payer_code is not None:
            require_payer(unit, payer_code)
        rows = memoranda(unit, payer_code=payer_code)
    emit(
        [
            {
                "agreement": row.agreement_number,
                "fiscal_year": row.fiscal_year,
                "cap_fen": row.cap_fen,
                "billed_fen": row.billed_fen,
                "settled_fen": row.settled_fen,
                "standing_fen": row.standing_fen,
            }
            for row in rows
        ],
        (
            f"{row.agreement_number}  {row.fiscal_year}  {yuan(row.standing_fen):>14} "
            f"of {yuan(row.cap_fen)}"
            for row in rows
        )
        if rows
        else ["No agreement may be used before its money arrives."],
        as_json=as_json,
    )


@click.command("unfunded")
@payer_option
@as_option
@json_option
def unfunded_(*, payer_code: str | None, who: str | None, as_json: bool) -> None:
    """List what was billed and no funding line covered, the oldest use first."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        if payer_code is not None:
            require_payer(unit, payer_code)
        rows = unfunded(unit, payer_code=payer_code)
    emit(
        [
            {
                "agreement": row.agreement_number,
                "of_month": show_month(row.of_month),
                "amount_fen": row.amount_fen,
                "taken_up_fen": row.taken_up_fen,
                "unfunded_fen": row.unfunded_fen,
                "memorandum_fen": row.memorandum_fen,
                "carried_fen": row.carried_fen,
                "standing": row.standing,
            }
            for row in rows
        ],
        (
            f"{row.agreement_number}  {show_month(row.of_month)}  {yuan(row.unfunded_fen):>14}  "
            f"{row.standing}"
            for row in rows
        )
        if rows
        else ["Nothing waits for money: funding lines covered all that was billed."],
        as_json=as_json,
    )


@click.command("decide-unfunded")
@click.argument("agreement", metavar="AGREEMENT")
@click.argument("period", metavar="PERIOD")
@click.option("--outcome", type=click.Choice([one.value for one in UnfundedOutcome]), required=True)
@click.option("--reason", required=True, help="What the vendor and the auditors read.")
@as_option
@json_option
def decide_unfunded_(
    *, agreement: str, period: str, outcome: str, reason: str, who: str | None, as_json: bool
) -> None:
    """Decide on AGREEMENT's use of PERIOD that no money came for before its year was closed."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        number = decide_unfunded(
            unit,
            agreement,
            parse_month(period),
            outcome=UnfundedOutcome(outcome),
            reason=reason,
        )
    emit({"decision": number}, [f"{number}: {outcome}."], as_json=as_json)


@click.command("answer-write-off")
@click.argument("number")
@click.option("--agree/--refuse", "agrees", required=True, help="Whether the vendor agrees.")
@as_option
@json_option
def answer_write_off_(*, number: str, agrees: bool, who: str | None, as_json: bool) -> None:
    """Answer the write-off NUMBER as the vendor's manager (--as)."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        answer_write_off(unit, number, agrees=agrees)
    state = "agreed" if agrees else "refused"
    emit({"decision": number, "state": state}, [f"{number}: {state}."], as_json=as_json)


COMMANDS = (early_use, unfunded_, decide_unfunded_, answer_write_off_)
