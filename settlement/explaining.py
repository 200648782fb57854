"""A statement's lines as sentences: from the events received to the fen, the draws and the shares.

Reads only what was kept with each line: what it prints is what was stated, whatever is known or
agreed by now.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select

from catalog.plan_words import plan_words
from kernel.actors import OrganisationKind
from kernel.clock import show_month
from kernel.errors import NotFound
from kernel.i18n import label, msgid, translate
from kernel.money import yuan
from kernel.unit import Unit
from settlement.arithmetic import arithmetic_text
from settlement.metering.exclusions import Rule
from settlement.models import Statement
from settlement.queries.lines import LineView, line_view, lines_of

HEAD: Final = msgid("{title} ({agreement}), use in {month}: {plan}")
TAKEN_UP: Final = msgid(
    "{title} ({agreement}), money for use in {month} that waited for it: {plan}"
)
TAKES_UP: Final = msgid(
    "nothing more is billed: of {free} that waited for money, {drawn} is paid now"
)
CORRECTION: Final = msgid("{title} ({agreement}), late use in {month}: {plan}")
EVENTS: Final = msgid("events received {events} − repeats within 30 seconds {repeats}")
EXCLUDED: Final = msgid(" − {rule} {events}")
COUNTED: Final = msgid(" = {counted}, in which {uses} uses; billable {metric}: {quantity}")
STATED: Final = msgid("the month anew {now} − stated before {before} = {rated}")
RATED: Final = msgid("at the agreed prices {rated} − above the ceiling {above} = billed {amount}")
CEILING: Final = msgid("ceiling {ceiling}, of which {left} was left before this line")
DRAWN: Final = msgid("drawn: {draws}; uncovered {uncovered}")
DRAW: Final = msgid("{year} {source} {amount}")
NO_DRAW: Final = msgid("nothing")
PAID: Final = msgid("paid for from the school's funding lines {drawn}; uncovered {uncovered}")
SHARED: Final = msgid(
    "shared: {drawn} = vendor {vendor} + author's school {school} + platform fee {fee} "
    "+ quality retention {retention}"
)
CREDITED: Final = msgid("credit note: billed {amount} − credited {credited} = {left}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """One line in sentences; the first names it, the others are indented."""

    agreement_number: str
    of_month: str
    sentences: list[str]


def explain_statement(
    unit: Unit, number: str, *, agreement_number: str | None = None, locale: str = "en"
) -> list[Explained]:
    """Return the lines of a statement that the actor may see, or raise `NotFound`."""
    month = unit.session.scalars(select(Statement.month).where(Statement.number == number)).first()
    rows = [
        row
        for row in (lines_of(unit, month=month) if month is not None else [])
        if row.statement_number == number
        and (agreement_number is None or row.agreement_number == agreement_number)
    ]
    if not rows:
        raise NotFound(what="statement", key=" ".join(filter(None, (number, agreement_number))))
    for_vendor = unit.actor.organisation_kind is OrganisationKind.VENDOR
    return [explain(line_view(unit, row.id), locale=locale, for_vendor=for_vendor) for row in rows]


def explain(view: LineView, *, locale: str, for_vendor: bool = False) -> Explained:
    """Return one line in sentences; a vendor is told what is paid, not from which lines."""
    first, *others = _sentences(view, locale, for_vendor=for_vendor)
    return Explained(
        agreement_number=view.line.agreement_number,
        of_month=show_month(view.line.of_month),
        sentences=[first, *(f"  {text}" for text in others)],
    )


def price_text(view: LineView, locale: str) -> str:
    """Return the arithmetic of a line's price, in the reader's words."""
    return arithmetic_text(
        view.explanation["steps"],
        amount_fen=whole_rated_fen(view),
        translate=lambda text: translate(text, locale),
    )


def whole_rated_fen(view: LineView) -> int:
    """Return what the line's quantity costs; of a correction, what the whole month costs."""
    stated = view.explanation.get("stated", {})
    return view.line.rated_fen + int(stated.get("rated_fen", 0))


def _sentences(view: LineView, locale: str, *, for_vendor: bool) -> Iterator[str]:
    def say(text: str, **facts: object) -> str:
        return translate(text, locale).format(**facts)

    line, kept = view.line, view.explanation
    is_correction, takes_up = "stated" in kept, "takes_up_fen" in kept
    yield say(
        TAKEN_UP if takes_up else CORRECTION if is_correction else HEAD,
        title=line.title,
        agreement=line.agreement_number,
        month=show_month(line.of_month),
        plan=plan_words(view.terms, locale),
    )
    if takes_up:
        yield say(TAKES_UP, free=yuan(int(kept["takes_up_fen"])), drawn=yuan(line.drawn_fen))
    else:
        yield _events(view, locale)
        yield price_text(view, locale)
    if is_correction:
        yield say(
            STATED,
            now=yuan(whole_rated_fen(view)),
            before=yuan(int(kept["stated"]["rated_fen"])),
            rated=yuan(line.rated_fen),
        )
    yield say(
        RATED,
        rated=yuan(line.rated_fen),
        above=yuan(line.above_ceiling_fen),
        amount=yuan(line.amount_fen),
    )
    yield say(
        CEILING,
        ceiling=yuan(int(kept["ceiling_fen"])),
        left=yuan(int(kept["ceiling_left_before_fen"])),
    )
    uncovered = yuan(line.uncovered_fen)
    if for_vendor:
        yield say(PAID, drawn=yuan(line.drawn_fen), uncovered=uncovered)
    else:
        draws = [
            say(
                DRAW,
                year=draw.fiscal_year,
                source=label(draw.source, locale, kind="source"),
                amount=yuan(draw.amount_fen),
            )
            for draw in view.draws
        ]
        yield say(DRAWN, draws=" + ".join(draws) or say(NO_DRAW), uncovered=uncovered)
    yield say(
        SHARED,
        drawn=yuan(line.drawn_fen),
        vendor=yuan(line.vendor_fen),
        school=yuan(line.school_fen),
        fee=yuan(line.fee_fen),
        retention=yuan(line.retention_fen),
    )
    if line.credited_fen:
        yield say(
            CREDITED,
            amount=yuan(line.amount_fen),
            credited=yuan(line.credited_fen),
            left=yuan(line.amount_fen - line.credited_fen),
        )


def _events(view: LineView, locale: str) -> str:
    def say(text: str, **facts: object) -> str:
        return translate(text, locale).format(**facts)

    kept = view.explanation
    excluded: Mapping[str, Mapping[str, Any]] = kept["excluded"]
    parts = [say(EVENTS, events=f"{kept['events']:,}", repeats=f"{kept['repeats']:,}")]
    left = int(kept["events"]) - int(kept["repeats"])
    for rule in Rule:
        events = int(excluded.get(rule.value, {}).get("events", 0))
        left -= events
        if events:
            name = label(rule.value, locale, kind="Rule")
            parts.append(say(EXCLUDED, rule=name, events=f"{events:,}"))
    parts.append(
        say(
            COUNTED,
            counted=f"{left:,}",
            uses=f"{kept['uses']:,}",
            metric=label(view.line.metric, locale, kind="Metric"),
            quantity=f"{kept['quantity']:,}",
        )
    )
    return "".join(parts)
