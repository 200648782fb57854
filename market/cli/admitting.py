"""`market source` and `market admit`: what a bureau lets in, in its people's name (R10, R13)."""

import click

from catalog.admission import decide_admission, propose_admission
from catalog.awaiting import awaiting_decision, awaiting_proposal, left_to_others
from market.cli.context import acting, find_organisation, load_settings, open_units
from market.cli.output import as_option, emit, json_option
from market.cli.output import note as say
from settlement.metering.sources import admit_source


@click.group()
def source() -> None:
    """Sources that may report use."""


@source.command("admit")
@click.argument("code")
@click.option("--name", required=True, help="What the source is, for people.")
@click.option(
    "--trust",
    type=click.Choice(["player", "attested", "ticketed"]),
    required=True,
    help="player: the platform's own; ticketed: a vendor that reports uses of launches; "
    "attested: a log without tickets.",
)
@click.option(
    "--organisation",
    "organisation_code",
    metavar="CODE",
    help="The vendor or school whose machines report through it by the API.",
)
@as_option
@json_option
def admit_source_(
    *,
    code: str,
    name: str,
    trust: str,
    organisation_code: str | None,
    who: str | None,
    as_json: bool,
) -> None:
    """Admit the source CODE in the name of a bureau's reviewer (--as)."""
    with open_units(load_settings()) as units:
        actor = acting(units, who)
        with units(actor) as unit:
            reporter = find_organisation(unit, organisation_code) if organisation_code else None
            admit_source(
                unit,
                code=code,
                name=name,
                trust=trust,
                organisation_id=reporter.id if reporter else None,
            )
    emit(
        {"source": code, "trust": trust, "organisation": organisation_code},
        [f"Usage from {code} is taken in ({trust}), admitted by {actor.name}."],
        as_json=as_json,
    )


@click.command()
@click.option("--propose-as", metavar="LOGIN", help="The reviewer who proposes.")
@click.option("--decide-as", metavar="LOGIN", help="The second reviewer, who decides.")
@click.option("--vendor", "vendor_code", metavar="CODE", help="Only this vendor's resources.")
@click.option(
    "--note",
    default="",
    help="What the reviewers put on record; of a proposal, the evidence of all its findings.",
)
@json_option
def admit(
    *,
    propose_as: str | None,
    decide_as: str | None,
    vendor_code: str | None,
    note: str,
    as_json: bool,
) -> None:
    """Propose all submitted versions, decide all proposed ones, and so list them.

    The two reviewers must be two people; either step may be asked for alone. Single versions are
    judged criterion by criterion on the page of the admission desk.
    """
    if not (propose_as or decide_as):
        raise click.UsageError("Name who acts: --propose-as LOGIN, --decide-as LOGIN, or both.")
    if propose_as and not note.strip():
        raise click.UsageError("Say what was checked, and where it can be seen: --note TEXT.")
    proposed = decided = 0
    left: dict[str, dict[str, int]] = {}
    with open_units(load_settings()) as units:
        if propose_as:
            with units(acting(units, propose_as)) as unit:
                waiting = awaiting_proposal(unit, vendor_code=vendor_code)
                propose_admission(unit, waiting, note=note)
                proposed = len(waiting)
                left[propose_as] = left_to_others(unit, vendor_code=vendor_code)
        if decide_as:
            with units(acting(units, decide_as)) as unit:
                waiting = awaiting_decision(unit, vendor_code=vendor_code)
                decide_admission(unit, waiting, note=note)
                decided = len(waiting)
                left[decide_as] = left_to_others(unit, vendor_code=vendor_code)
    emit(
        {"proposed": proposed, "listed": decided, "left_to_others": left},
        [f"proposed  {proposed}", f"listed    {decided}"],
        as_json=as_json,
    )
    for login, vendors in left.items():
        for vendor, count in vendors.items():
            say(f"{count} of {vendor} left to a colleague: {login} has an interest in that vendor.")
    whose = f" of {vendor_code}" if vendor_code else ""
    if propose_as and not proposed:
        say(f"Looked at the submitted versions{whose}: none waits to be proposed by {propose_as}.")
    if decide_as and not decided:
        say(f"Looked at the proposed versions{whose}: none waits for {decide_as}'s decision.")
