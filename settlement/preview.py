"""Previews: what a month's bill would be now, line by line, and nothing is written (R33).

Decides whose month is looked at and what a reader is told of each line; what the lines are is
decided by `drafting`, exactly as for a statement. The transaction is made read-only first, so that
the database itself refuses a slip.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text

from kernel.actors import OrganisationKind, Role
from kernel.clock import Month, show_month
from kernel.errors import EarlierPeriodOpen, NotFound, NothingToSettle, TooManyPayers
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from settlement.assumptions import Assumptions
from settlement.ceilings import CeilingUse, ceiling_use, used_share
from settlement.drafting import DraftLine, draft_lines
from settlement.periods import check_earlier_settled, payers_seen
from settlement.pricing import Metric

MAY_PREVIEW: Final = (
    Role.ACADEMIC,
    Role.SCHOOL_FINANCE,
    Role.PRINCIPAL,
    Role.BUREAU_FINANCE,
    Role.AUDITOR,
    Role.OPERATOR,
)


MOST_PAYERS: Final = 1_000
"""Payers of one preview: it is drafted in memory, and counts live beside everybody's work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PreviewLine:
    """One line as it would be stated now, in fen; `quantity` in units of `metric`."""

    agreement_id: UUID
    agreement_number: str
    payer_code: str
    payer_name: str
    vendor_name: str
    title: str
    kind: str
    of_month: Month
    terms: Mapping[str, Any]
    metric: Metric
    events: int
    quantity: int
    rated_fen: int
    above_ceiling_fen: int
    amount_fen: int
    uncovered_fen: int
    ceiling_fen: int
    left_before_fen: int
    arithmetic: str
    steps: Sequence[Mapping[str, Any]]

    @property
    def key(self) -> tuple[str, str, date]:
        return (self.agreement_number, self.kind, self.of_month)

    @property
    def left_after_fen(self) -> int:
        return self.left_before_fen - self.amount_fen

    @property
    def used_share(self) -> Decimal:
        """The part of the ceiling that is used with this line; 0 where nothing is ever due."""
        return used_share(self.ceiling_fen, left_fen=self.left_after_fen)

    @property
    def used_percent(self) -> int:
        """The same in whole per cent, never more than is used."""
        return int(self.used_share * 100)

    @property
    def warns(self) -> bool:
        return self.ceiling_use.warns

    @property
    def ceiling_use(self) -> CeilingUse:
        return ceiling_use(self.ceiling_fen, left_fen=self.left_after_fen)


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """A month of some payers as it would be stated now.

    `earlier_open`: an earlier month with use that is not stated yet; its use takes its part of the
    ceilings first, so that what is shown here may still become less. Empty if there is none.
    """

    month: Month
    payers: int
    lines: Sequence[PreviewLine]
    earlier_open: str = ""

    def total_fen(self, name: str) -> int:
        """Return the sum of one of the lines' amounts, such as `amount_fen`."""
        return sum(int(getattr(line, name)) for line in self.lines)


def preview(
    unit: Unit,
    month: Month,
    *,
    payer_code: str | None = None,
    assumed: Assumptions | None = None,
) -> Preview:
    """Return what would be stated now for one payer or all that the actor sees, by number.

    A month that is stated comes out as its own lines would be made once more. Raises `Refused`,
    `NotFound` for a payer that the actor can't see, `NothingToSettle` if there are none, and
    `TooManyPayers` for more than are drafted at once.
    """
    unit.actor.require("statement.preview", *MAY_PREVIEW)
    unit.session.execute(text("SET TRANSACTION READ ONLY"))
    payers = payers_in(unit, month, payer_code=payer_code)
    if len(payers) > MOST_PAYERS:
        raise TooManyPayers(period=show_month(month), payers=len(payers), most=MOST_PAYERS)
    lines = draft_lines(unit, month, payer_ids=list(payers), assumed=assumed or Assumptions())
    vendors = _names(unit, {line.agreement.vendor_id for line in lines})
    shown = [_line(line, payers[line.agreement.payer_id], vendors=vendors) for line in lines]
    return Preview(
        month=month,
        payers=len(payers),
        lines=sorted(shown, key=lambda line: (line.payer_code, *line.key)),
        earlier_open=_earlier_open(unit, month, payer_ids=list(payers)),
    )


def payers_in(
    unit: Unit, month: Month, *, payer_code: str | None = None
) -> dict[UUID, Organisation]:
    """Return the payers that the actor sees who would get a statement of the month, by id."""
    seen = visible_organisations(unit).where(Organisation.kind != OrganisationKind.VENDOR)
    if payer_code is not None:
        seen = seen.where(Organisation.code == payer_code)
        if unit.session.scalars(seen).first() is None:
            raise NotFound(what="payer", key=payer_code)
    payer_ids = payers_seen(unit, month, payer_code=payer_code)
    found = unit.session.scalars(
        seen.where(among(Organisation.id, payer_ids)).order_by(Organisation.id)
    ).all()
    if not found:
        raise NothingToSettle(period=show_month(month))
    return {payer.id: payer for payer in found}


def _line(line: DraftLine, payer: Organisation, *, vendors: Mapping[UUID, str]) -> PreviewLine:
    agreement, rated = line.agreement, line.rated
    return PreviewLine(
        agreement_id=line.agreement_id,
        agreement_number=agreement.number,
        payer_code=payer.code,
        payer_name=payer.name,
        vendor_name=vendors[agreement.vendor_id],
        title=agreement.terms["title"],
        kind=line.kind,
        of_month=line.of_month,
        terms=agreement.terms,
        metric=line.metric,
        events=sum(count.events for count in line.counts),
        quantity=line.quantity,
        rated_fen=rated.rated_fen,
        above_ceiling_fen=rated.above_ceiling_fen,
        amount_fen=rated.amount_fen,
        uncovered_fen=rated.uncovered_fen,
        ceiling_fen=line.ceiling_fen,
        left_before_fen=line.ceiling_left_before_fen,
        arithmetic=rated.arithmetic,
        steps=rated.steps,
    )


def _names(unit: Unit, organisation_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the vendors' names, which their customers may know."""
    rows = unit.session.execute(
        select(Organisation.id, Organisation.name).where(among(Organisation.id, organisation_ids))
    )
    return dict(rows.all())


def _earlier_open(unit: Unit, month: Month, *, payer_ids: Sequence[UUID]) -> str:
    try:
        check_earlier_settled(unit, month, payer_ids=payer_ids)
    except EarlierPeriodOpen as error:
        return str(error.facts["earlier"])
    return ""
