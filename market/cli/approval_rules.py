"""`market approval-rules`: who has to sign what in a region, made and checked by two people."""

from collections.abc import Sequence
from datetime import date

import click

from kernel.actors import Role
from kernel.errors import InvalidInput
from kernel.identity.recording import FieldError
from kernel.money import parse_fen, yuan
from market.cli.context import acting, load_settings, open_units
from market.cli.output import as_option, emit, json_option, naming_options
from market.cli.values import DAY
from procurement.approval_rule_previews import SignTable, TablePreview, preview_table
from procurement.approval_rule_proposals import check_table, propose_table
from procurement.approval_rules import RuleTable, approval_rule_history
from procurement.policy import DUE_WORKDAYS, Threshold
from procurement.record_proposals import RecordKind, RecordRow, RecordState, record_proposals

OPTIONS = {
    "valid_from": "--from",
    "reason": "--reason",
    "role": "--step",
    "from_amount": "--step",
    "position": "--step",
    "kind": "--step",
    "tier": "--step",
    "source": "--step",
    "due_workdays": "--step",
}
"""Options of a table by the field that errors name."""
AGAIN = "again"
STEP = "ROLE:YUAN[:NAME=WORD]..., with NAME kind, tier, source or days, or the word again"


@click.group("approval-rules")
def approval_rules() -> None:
    """Tables of signatures by region, amount, kind, tier and source of the money."""


region_option = click.option(
    "--region", "region_code", metavar="CODE", required=True, help="Six digits."
)


@approval_rules.command()
@region_option
@as_option
@json_option
def show(*, region_code: str, who: str | None, as_json: bool) -> None:
    """Show the tables of a region and of those above it, and what waits to be checked."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        tables = approval_rule_history(unit, region_code)
        waiting = [
            row
            for row in record_proposals(unit, RecordKind.APPROVAL_RULES, state=RecordState.WAITING)
            if row.content["region_code"] == region_code
        ]
    emit(
        {"tables": tables, "waiting": waiting},
        [
            *(line for table in tables for line in _table_lines(table)),
            *(_waiting_line(row) for row in waiting),
        ]
        or [f"No table decides in {region_code}: market approval-rules propose."],
        as_json=as_json,
    )


@approval_rules.command()
@region_option
@click.option("--from", "valid_from", type=DAY, required=True, help="In force from this day.")
@click.option(
    "--step",
    "steps",
    metavar="STEP",
    multiple=True,
    required=True,
    help=f"One signature, in their order: {STEP}.",
)
@click.option("--reason", default="", help="The document or reason; needed unless --preview.")
@click.option("--preview", is_flag=True, help="Show what it would mean, and propose nothing.")
@as_option
@json_option
def propose(
    *,
    region_code: str,
    valid_from: date,
    steps: tuple[str, ...],
    reason: str,
    preview: bool,
    who: str | None,
    as_json: bool,
) -> None:
    """Propose a table for a region; `market approval-rules check` records it."""
    with (
        naming_options(OPTIONS),
        open_units(load_settings()) as units,
        units(acting(units, who)) as unit,
    ):
        table = SignTable(
            region_code=region_code,
            valid_from=valid_from,
            thresholds=read_steps(steps),
        )
        found = preview_table(unit, table)
        number = None
        if not preview:
            try:
                number = propose_table(unit, table, reason=reason)
            except FieldError as error:
                raise error.error from None
    emit({"proposal": number, "preview": found}, _preview_lines(found, number), as_json=as_json)


@approval_rules.command()
@click.argument("number")
@as_option
@json_option
def check(*, number: str, who: str | None, as_json: bool) -> None:
    """Record the table NUMBER, as another person than who proposed it (--as)."""
    with open_units(load_settings()) as units, units(acting(units, who)) as unit:
        table = check_table(unit, number)
    emit(
        {"recorded": number, "region_code": table.region_code, "valid_from": table.valid_from},
        [f"Table of {table.region_code} from {table.valid_from}: recorded."],
        as_json=as_json,
    )


def read_steps(texts: Sequence[str]) -> list[Threshold]:
    """Return the signatures that `--step` options name, in their order."""
    return [_step(text, position) for position, text in enumerate(texts, start=1)]


def _step(text: str, position: int) -> Threshold:
    parts = text.split(":")
    if len(parts) == 1:
        raise InvalidInput(value=text, field="role", expected=STEP)
    role, amount = parts[:2]
    named = dict(word.partition("=")[::2] for word in parts[2:])
    days = named.get("days", str(DUE_WORKDAYS))
    unknown = ":".join(sorted(set(named) - {"kind", "tier", "source", "days", AGAIN}))
    for wrong, part, expected in (
        (role not in {one.value for one in Role}, role, "a role, such as academic"),
        (unknown, unknown, "kind, tier, source or days, or the word again"),
        (not days.isdecimal(), f"days={days}", "a number of working days"),
    ):
        if wrong:
            raise InvalidInput(value=part, field="role", expected=f"{expected}, in {text}: {STEP}")
    try:
        from_amount_fen = parse_fen(amount)
    except InvalidInput as error:
        expected = f"yuan from 0.00 on, in {text}: {STEP}"
        raise InvalidInput(value=amount, field="from_amount", expected=expected) from error
    return Threshold(
        position=position,
        role=Role(role),
        from_amount_fen=from_amount_fen,
        kind=named.get("kind", ""),
        tier=named.get("tier", ""),
        source=named.get("source", ""),
        may_repeat=AGAIN in named,
        due_workdays=int(days),
    )


def _table_lines(table: RuleTable) -> list[str]:
    origin = f"  {table.number} {table.reason}" if table.number else ""
    mark = " (in force)" if table.in_force else ""
    return [
        f"{table.region_code} {table.region_name} from {table.valid_from}{mark}{origin}",
        *(_threshold_line(threshold) for threshold in table.thresholds),
    ]


def _threshold_line(threshold: Threshold) -> str:
    only = " ".join(word for word in (threshold.kind, threshold.tier, threshold.source) if word)
    again = " again" if threshold.may_repeat else ""
    return (
        f"  {threshold.position}. {threshold.role:<16} from {yuan(threshold.from_amount_fen):>14}"
        f"  {threshold.due_workdays} days{again}  {only}"
    ).rstrip()


def _waiting_line(row: RecordRow) -> str:
    return f"{row.number} waits: from {row.content['valid_from']}, by {row.made_by_name}."


def _preview_lines(preview: TablePreview, number: str | None) -> list[str]:
    summary = (
        f"Decides for {preview.schools} schools. {len(preview.open)} selections are open and keep "
        f"their signatures; {preview.differing} of them would need others by it."
    )
    lines = [
        summary,
        *(
            f"  {one.school_name} {one.reference}: {_chain(one.keeps)} → {_chain(one.would_need)}"
            for one in preview.open
            if one.differs
        ),
        *(
            f"  {one.school_code} {one.school_name}: nobody holds {one.role}."
            for one in preview.missing
        ),
    ]
    return [*lines, f"{number} waits to be checked."] if number else lines


def _chain(roles: Sequence[Role]) -> str:
    return ", ".join(roles)
