"""`market approve`: signs selections in the name of the people whose signature is due (R22)."""

from dataclasses import dataclass, field

import click

from kernel.actors import Actor
from kernel.unit import Units
from market.cli.context import OPERATOR, acting, load_settings, open_units
from market.cli.output import as_option, emit, json_option, note, payer_option, progress_bar
from procurement.approvals import SigningSummary, sign_all
from procurement.due_steps import signatories, waiting_steps

SHOWN = 20


@dataclass(slots=True)
class _Signed:
    """What was signed by all who acted; `left` tells by selection why it could not be."""

    signed: int = 0
    agreements: int = 0
    left: dict[str, str] = field(default_factory=dict)

    def add(self, summary: SigningSummary) -> None:
        self.signed += summary.signed
        self.agreements += summary.agreements
        for step, error in summary.left:
            self.left[f"{step.school_code} {step.reference}"] = str(error)


@click.command()
@payer_option
@as_option
@click.option(
    "--everyone", is_flag=True, help="Act for each person who has to sign, one after the other."
)
@json_option
@click.pass_context
def approve(
    ctx: click.Context, *, payer_code: str | None, who: str | None, everyone: bool, as_json: bool
) -> None:
    """Sign all that --as LOGIN (or --everyone) may sign; the last signature opens the agreement.

    --everyone is for demonstrations and guides. Exit 1 if something could not be signed.
    """
    if bool(who) == everyone:
        raise click.UsageError("Name who signs: either --as LOGIN or --everyone.")
    done = _Signed()
    unheld = 0
    with open_units(load_settings()) as units:
        if everyone:
            unheld = _sign_for_everyone(units, done, payer_code=payer_code)
        else:
            done.add(_sign(units, acting(units, who), payer_code=payer_code))
    emit(
        {
            "signed": done.signed,
            "agreements": done.agreements,
            "left": [{"selection": one, "error": error} for one, error in done.left.items()],
            "unheld": unheld,
        },
        [f"signed      {done.signed}", f"agreements  {done.agreements}"],
        as_json=as_json,
    )
    if not (done.signed or done.left or unheld):
        where = f" of {payer_code}" if payer_code else ""
        whose = f"{who} may sign" if who else "is due"
        note(f"Looked at all selections{where} that wait for a signature: none {whose} now.")
    for one, error in list(done.left.items())[:SHOWN]:
        note(f"{one}: {error}")
    if unheld:
        note(f"{unheld} selections wait for a role that nobody holds: import its person (roster).")
    if done.left or unheld:
        ctx.exit(1)


def _sign_for_everyone(units: Units, done: _Signed, *, payer_code: str | None) -> int:
    """Let everybody sign until nothing is left; return how many wait for nobody."""
    while True:
        with units(OPERATOR) as unit:
            people = signatories(unit)
        before = done.signed
        with progress_bar("approve") as progress:
            for number, person in enumerate(people, start=1):
                done.add(_sign(units, person, payer_code=payer_code))
                progress(number, len(people))
        if done.signed == before:
            break
    with units(OPERATOR) as unit:
        waiting = waiting_steps(unit, payer_code=payer_code)
    return sum(f"{step.school_code} {step.reference}" not in done.left for step in waiting)


def _sign(units: Units, person: Actor, *, payer_code: str | None) -> SigningSummary:
    with units(person) as unit:
        return sign_all(unit, payer_code=payer_code)
