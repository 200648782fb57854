"""Rating: a counted quantity becomes a line's money, pure and without the database.

rated = above ceiling + billed; billed = drawn + uncovered; drawn = the shares of `pricing.split`.
The ceilings and what earlier lines used of them come in as a `Room`, which each line takes its part
of; nothing is looked up here. An adjustment is what a recount makes of a month, less what was
stated of it (R37).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from settlement.arithmetic import Step
from settlement.pricing import Split, price, split
from settlement.school_parts import SchoolPart, Weights, credited_by_school, cut_by_school

Draw = tuple[UUID, int]
"""A funding line and the fen drawn from it; negative: given back."""


@dataclass(slots=True)
class Fund:
    """What is still committed for an agreement on one line, and for which days it may pay.

    `ceiling_fen`: what was committed on it at all. Year, source and restriction name the line.
    """

    line_id: UUID
    left_fen: int
    fiscal_year: int
    lapses_on: date
    source: str = ""
    restriction: Mapping[str, Any] = field(default_factory=dict)
    ceiling_fen: int = 0

    def pays_for(self, last_day: date) -> bool:
        """Return whether the line may pay for use until this day (R19)."""
        return self.fiscal_year <= last_day.year and self.lapses_on > last_day

    def may_take_up(self, last_day: date, *, paid_on: date) -> bool:
        """Return whether the line may pay afterwards for use of its own year until a day (R35).

        Not another year's, though R19 would let one that was carried over meanwhile. `paid_on`:
        the day on which it must not have lapsed yet; `taking_up.day_of_paying` says which.
        """
        return self.fiscal_year == last_day.year and self.lapses_on > max(last_day, paid_on)


@dataclass(slots=True)
class Room:
    """What is left of an agreement: of its ceiling, and on its lines in draw order (R34).

    `years`: what is left of each fiscal year's ceiling, where it has several (R19). `schools`: of
    each school's own ceiling, where they have one (R24).
    """

    ceiling_left_fen: int
    funds: Sequence[Fund] = ()
    years: dict[int, int] = field(default_factory=dict)
    schools: dict[UUID, int] = field(default_factory=dict)

    @property
    def funds_left_fen(self) -> list[int]:
        """What is left on each fund, in draw order."""
        return [fund.left_fen for fund in self.funds]

    def left_in(self, fiscal_year: int) -> int:
        """Return what is left of the ceiling for use of a fiscal year."""
        return self.years.get(fiscal_year, 0) if self.years else self.ceiling_left_fen

    def take(self, rated: "Rated", *, fiscal_year: int) -> None:
        """Take a line's amount off what is left; a negative one comes back."""
        self.ceiling_left_fen -= rated.amount_fen
        if self.years:
            self.years[fiscal_year] = self.left_in(fiscal_year) - rated.amount_fen
        drawn = dict(rated.draws)
        for fund in self.funds:
            fund.left_fen -= drawn.get(fund.line_id, 0)
        for part in rated.parts:
            if part.school_id in self.schools:
                self.schools[part.school_id] -= part.amount_fen


@dataclass(frozen=True, slots=True)
class Rated:
    """A line's amounts in fen and the draws that cover it.

    `parts`: what it adds for each school, where schools have ceilings of their own.
    """

    rated_fen: int
    above_ceiling_fen: int
    amount_fen: int
    uncovered_fen: int
    drawn_fen: int
    shares: Split
    unit_price: Decimal
    arithmetic: str
    steps: Sequence[Step]
    draws: Sequence[Draw]
    parts: Sequence[SchoolPart] = ()


@dataclass(slots=True)
class Stated:
    """What earlier lines say of an agreement's month, credit notes taken off, in fen.

    `draws`: net, by line, in the order in which they were drawn. `shares` is the split of their
    sum. `parts`: the amounts by school, credit notes not taken off; `schools`: what was rated and
    billed by school, net, where schools have ceilings of their own.
    """

    quantity: int = 0
    rated_fen: int = 0
    above_ceiling_fen: int = 0
    amount_fen: int = 0
    uncovered_fen: int = 0
    draws: dict[UUID, int] = field(default_factory=dict)
    shares: Split = field(default_factory=lambda: Split(0, 0, 0, 0))
    parts: dict[UUID, tuple[int, int]] = field(default_factory=dict)
    """School: (quantity, fen)."""
    schools: dict[UUID, SchoolPart] = field(default_factory=dict)

    @property
    def drawn_fen(self) -> int:
        return sum(self.draws.values())

    def less_written_off(self, fen: int) -> "Stated":
        """Return the same less what was written off of what no line covered.

        As if a credit note had taken it off, so that nothing takes off the same fen again (R25).
        """
        if not fen:
            return self
        left = replace(self, draws=dict(self.draws), schools=dict(self.schools))
        left.amount_fen -= fen
        left.above_ceiling_fen += fen
        left.uncovered_fen -= fen
        for school_id, part_fen in credited_by_school(fen, self.schools) if self.schools else ():
            left.add_school(school_id, rated_fen=0, amount_fen=-part_fen)
        return left

    def add_school(self, school_id: UUID, *, rated_fen: int, amount_fen: int) -> None:
        """Add to what was rated and billed for a school; a credit note adds less than 0."""
        known = self.schools.get(school_id, SchoolPart(school_id))
        self.schools[school_id] = SchoolPart(
            school_id, known.rated_fen + rated_fen, known.amount_fen + amount_fen
        )

    def take(self, rated: Rated) -> None:
        """Add the amounts, draws and shares of one more line; not its quantity and parts."""
        self.rated_fen += rated.rated_fen
        self.above_ceiling_fen += rated.above_ceiling_fen
        self.amount_fen += rated.amount_fen
        self.uncovered_fen += rated.uncovered_fen
        for line_id, fen in rated.draws:
            self.draws[line_id] = self.draws.get(line_id, 0) + fen
        self.shares = Split(
            self.shares.vendor_fen + rated.shares.vendor_fen,
            self.shares.school_fen + rated.shares.school_fen,
            self.shares.fee_fen + rated.shares.fee_fen,
            self.shares.retention_fen + rated.shares.retention_fen,
        )


def rate(
    terms: Mapping[str, Any],
    quantity: int,
    *,
    room: Room,
    last_day: date,
    weights: Weights = (),
) -> Rated:
    """Price a quantity, cut it at the ceiling, and draw it from the lines in their order (R33).

    `weights`: what each school used, where schools have ceilings of their own (R24).
    """
    priced = price(terms, quantity)
    parts = _parts(priced.amount_fen, weights, stated=Stated(), room=room, year=last_day.year)
    billed = min(priced.amount_fen, max(room.left_in(last_day.year), 0))
    if parts:
        billed = sum(part.amount_fen for part in parts)
    draws = _draw(room, billed, last_day=last_day)
    drawn = sum(fen for _, fen in draws)
    return Rated(
        rated_fen=priced.amount_fen,
        above_ceiling_fen=priced.amount_fen - billed,
        amount_fen=billed,
        uncovered_fen=billed - drawn,
        drawn_fen=drawn,
        shares=split(terms, drawn),
        unit_price=priced.unit_price,
        arithmetic=priced.arithmetic,
        steps=priced.steps,
        draws=draws,
        parts=parts,
    )


def adjust(
    terms: Mapping[str, Any],
    quantity: int,
    *,
    stated: Stated,
    room: Room,
    last_day: date,
    year_is_closed: bool = False,
    weights: Weights = (),
) -> Rated:
    """Return what a recount to `quantity` adds to what was stated, possibly negative (R37).

    More is billed as far as the ceiling and the lines go; of a year whose books are closed no line
    is drawn from. Less gives back, first what was above the ceiling, then what no line covered,
    then the draws, the last one first. The shares end at those of the whole drawn amount, so that
    the month is shared as if it had been settled at once (R41). Where schools have ceilings of
    their own (`weights`), that is so for each school; the line is their sum.
    """
    priced = price(terms, quantity)
    difference = priced.amount_fen - stated.rated_fen
    parts = _parts(priced.amount_fen, weights, stated=stated, room=room, year=last_day.year)
    if parts:
        billed = sum(part.amount_fen for part in parts)
    elif difference >= 0:
        billed = min(difference, max(room.left_in(last_day.year), 0))
    else:
        above = min(-difference, max(stated.above_ceiling_fen, 0))
        billed = -min(-difference - above, max(stated.amount_fen, 0))
    draws: list[Draw] = []
    if billed >= 0:
        if not year_is_closed:
            draws = _draw(room, billed, last_day=last_day)
        uncovered = billed - sum(fen for _, fen in draws)
    else:
        uncovered = -min(-billed, max(stated.uncovered_fen, 0))
        draws = give_back(stated.draws, uncovered - billed)
    drawn = sum(fen for _, fen in draws)
    return Rated(
        rated_fen=difference,
        above_ceiling_fen=difference - billed,
        amount_fen=billed,
        uncovered_fen=uncovered,
        drawn_fen=drawn,
        shares=_shares_added(terms, stated, drawn_fen=drawn),
        unit_price=priced.unit_price,
        arithmetic=priced.arithmetic,
        steps=priced.steps,
        draws=draws,
        parts=parts,
    )


def _parts(
    rated_fen: int, weights: Weights, *, stated: Stated, room: Room, year: int
) -> Sequence[SchoolPart]:
    if not weights:
        return ()
    return cut_by_school(
        rated_fen,
        weights,
        left=room.schools,
        left_fen=room.left_in(year),
        before=stated.schools,
    )


def take_up(
    terms: Mapping[str, Any],
    wanted_fen: int,
    *,
    stated: Stated,
    room: Room,
    last_day: date,
    paid_on: date,
) -> Rated:
    """Return what lines pay now of a month's use that none covered when it was stated (R35).

    Only those that may (`Fund.may_take_up`). Nothing more is billed: as much as is drawn is
    uncovered no longer. The shares end at those of the whole drawn amount, as with an adjustment.
    """
    priced = price(terms, 0)
    paying = Room(0, [one for one in room.funds if one.may_take_up(last_day, paid_on=paid_on)])
    draws = _draw(paying, max(min(wanted_fen, stated.uncovered_fen), 0), last_day=last_day)
    drawn = sum(fen for _, fen in draws)
    return Rated(
        rated_fen=0,
        above_ceiling_fen=0,
        amount_fen=0,
        uncovered_fen=-drawn,
        drawn_fen=drawn,
        shares=_shares_added(terms, stated, drawn_fen=drawn),
        unit_price=priced.unit_price,
        arithmetic=priced.arithmetic,
        steps=priced.steps,
        draws=draws,
    )


def _shares_added(terms: Mapping[str, Any], stated: Stated, *, drawn_fen: int) -> Split:
    """Return what each party gets more of a month of which so much more is drawn."""
    whole = split(terms, stated.drawn_fen + drawn_fen)
    return Split(
        whole.vendor_fen - stated.shares.vendor_fen,
        whole.school_fen - stated.shares.school_fen,
        whole.fee_fen - stated.shares.fee_fen,
        whole.retention_fen - stated.shares.retention_fen,
    )


def _draw(room: Room, billed_fen: int, *, last_day: date) -> list[Draw]:
    left = billed_fen
    draws: list[Draw] = []
    for fund in room.funds:
        taken = min(left, fund.left_fen)
        if taken > 0 and fund.pays_for(last_day):
            draws.append((fund.line_id, taken))
            left -= taken
    return draws


def give_back(drawn: Mapping[UUID, int], amount_fen: int) -> list[Draw]:
    """Return negative draws of an amount, from the line that was drawn last to the first."""
    left = amount_fen
    draws: list[Draw] = []
    for line_id, fen in reversed(list(drawn.items())):
        back = min(left, fen)
        if back > 0:
            draws.append((line_id, -back))
            left -= back
    return draws
