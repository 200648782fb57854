"""How far the closes of periods have come, and what became of every row that came in (R32)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import Select, func, select

from kernel.identity.models import Organisation
from kernel.identity.visibility import visible_organisations
from kernel.unit import Unit
from settlement.metering.models import UsageBatch, UsageSource, UsageTally
from settlement.models import Period, StatementLine
from settlement.queries.statements import visible_payers

FINISHED = ("posted", "closed")


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """What came in, in rows: received = accepted + duplicates + conflicts + quarantined.

    `late` is part of `accepted`; `reasons` says of how many quarantined rows why.
    """

    accepted: int = 0
    duplicates: int = 0
    conflicts: int = 0
    quarantined: int = 0
    late: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def received(self) -> int:
        return self.accepted + self.duplicates + self.conflicts + self.quarantined


@dataclass(frozen=True, kw_only=True, slots=True)
class PeriodRow:
    """One month over all payers that the actor sees, amounts in fen.

    `payers` by the state of their period. `rows`: of deliveries of the sources that bureaus of the
    actor's region admitted.
    """

    month: date
    payers: dict[str, int]
    rows: Received
    lines: int = 0
    uses: int = 0
    rated_fen: int = 0
    above_ceiling_fen: int = 0
    amount_fen: int = 0
    drawn_fen: int = 0
    uncovered_fen: int = 0

    @property
    def state(self) -> str:
        """The state of the payer who is least far."""
        order = ("open", "sealing", "sealed", "stated", "posted", "closed")
        return min(self.payers, key=order.index)

    @property
    def finished(self) -> int:
        """How many payers' periods are wholly booked."""
        return sum(self.payers.get(state, 0) for state in FINISHED)

    @property
    def in_closing(self) -> int:
        """How many payers' months are sealed, and not stated yet."""
        return sum(self.payers.get(state, 0) for state in ("sealing", "sealed"))

    @property
    def payers_in_all(self) -> int:
        return sum(self.payers.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class PeriodBoard:
    """The periods, the latest first, and the rows whose time belongs to none of them."""

    periods: list[PeriodRow]
    elsewhere: Received


def period_board(unit: Unit, *, month: date | None = None) -> PeriodBoard:
    """Return the periods that the actor sees, or one month's: three queries in all."""
    states: dict[date, dict[str, int]] = {}
    for found, state, count in unit.session.execute(_states(unit, month)):
        states.setdefault(found, {})[state] = count
    sums = {row.month: row for row in unit.session.execute(_sums(unit, month))}
    tallies: dict[date | None, list[tuple[str, str, int]]] = {}
    for dated, outcome, reason, rows in unit.session.execute(_tallies(unit, month)):
        key = dated if dated in states else None
        tallies.setdefault(key, []).append((outcome, reason, int(rows)))
    return PeriodBoard(
        periods=[
            PeriodRow(
                month=found,
                payers=payers,
                rows=_received(tallies.get(found, [])),
                **{
                    name: int(value)
                    for name, value in (sums[found]._mapping.items() if found in sums else ())
                    if name != "month"
                },
            )
            for found, payers in states.items()
        ],
        elsewhere=_received(tallies.get(None, [])),
    )


def _states(unit: Unit, month: date | None) -> Select[date, str, int]:
    wanted = (
        select(Period.month, Period.state, func.count())
        .where(Period.payer_id.in_(visible_payers(unit)))
        .group_by(Period.month, Period.state)
        .order_by(Period.month.desc())
    )
    return wanted if month is None else wanted.where(Period.month == month)


def _sums(unit: Unit, month: date | None) -> Select[*tuple[object, ...]]:
    line = StatementLine
    wanted = (
        select(
            line.month,
            func.count(line.id).label("lines"),
            *(
                func.sum(column).label(name)
                for name, column in (
                    ("uses", line.quantity),
                    ("rated_fen", line.rated_fen),
                    ("above_ceiling_fen", line.above_ceiling_fen),
                    ("amount_fen", line.amount_fen),
                    ("drawn_fen", line.drawn_fen),
                    ("uncovered_fen", line.uncovered_fen),
                )
            ),
        )
        .where(line.payer_id.in_(visible_payers(unit)))
        .group_by(line.month)
    )
    return wanted if month is None else wanted.where(line.month == month)


def _tallies(unit: Unit, month: date | None) -> Select[date | None, str, str, int]:
    wanted = (
        select(UsageTally.month, UsageTally.outcome, UsageTally.reason, func.sum(UsageTally.rows))
        .join(UsageBatch, UsageBatch.id == UsageTally.batch_id)
        .join(UsageSource, UsageSource.id == UsageBatch.source_id)
        .where(
            UsageSource.admitted_for.in_(
                visible_organisations(unit).with_only_columns(Organisation.id)
            )
        )
        .group_by(UsageTally.month, UsageTally.outcome, UsageTally.reason)
        .order_by(UsageTally.month, UsageTally.outcome, UsageTally.reason)
    )
    return wanted if month is None else wanted.where(UsageTally.month == month)


def _received(tallies: Iterable[tuple[str, str, int]]) -> Received:
    outcomes: dict[str, int] = {}
    reasons: dict[str, int] = {}
    late = 0
    for outcome, reason, rows in tallies:
        outcomes[outcome] = outcomes.get(outcome, 0) + rows
        if outcome == "quarantined":
            reasons[reason] = reasons.get(reason, 0) + rows
        elif reason == "late":
            late += rows
    return Received(
        accepted=outcomes.get("accepted", 0),
        duplicates=outcomes.get("duplicate", 0),
        conflicts=outcomes.get("conflict", 0),
        quarantined=outcomes.get("quarantined", 0),
        late=late,
        reasons=reasons,
    )
