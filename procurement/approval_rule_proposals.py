"""Tables of signatures that one person proposes and another checks (R22).

Decides what of a list becomes a proposal, and what checking one records. What stands against a
table, and what it would mean, is `approval_rule_previews`'.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date

from kernel.actors import Role
from kernel.errors import AlreadyExists, MarketError, NotFound, TableIncomplete
from kernel.identity.recording import FieldError, lock_recording, require_text
from kernel.identity.visibility import require_visible
from kernel.outcomes import ACCEPTED, DUPLICATE, Fate, RowOutcome, conflicting
from kernel.unit import Unit
from procurement.approval_rule_previews import SignTable, judge_new_table, sign_table
from procurement.approval_rules import check_threshold, write_table
from procurement.policy import DUE_WORKDAYS, Threshold
from procurement.record_proposals import (
    MAKERS,
    RecordKind,
    RecordState,
    claim_to_check,
    decide_record,
    make_record_proposal,
    waiting_contents,
)
from procurement.selection_facts import nearest_bureaus


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleRow:
    """One row of a table in a list; the rows of one region and day are one table."""

    region_code: str
    valid_from: date
    position: int
    role: Role
    from_amount_fen: int
    kind: str = ""
    tier: str = ""
    source: str = ""
    may_repeat: bool = False
    due_workdays: int = DUE_WORKDAYS
    reason: str = ""

    @property
    def threshold(self) -> Threshold:
        return Threshold(
            position=self.position,
            role=self.role,
            from_amount_fen=self.from_amount_fen,
            kind=self.kind,
            tier=self.tier,
            source=self.source,
            may_repeat=self.may_repeat,
            due_workdays=self.due_workdays,
        )


def propose_table(unit: Unit, table: SignTable, *, reason: str) -> str:
    """Propose a table; return the proposal's number.

    Raises as `judge_table`, `AlreadyExists` for a table that is recorded or waits, `TableTooEarly`
    and `NobodySigns`, and `FieldError` for a reason that is missing.
    """
    outcome, number = _propose(unit, table, reason=require_text(reason, field="reason"))
    if outcome is DUPLICATE:
        raise AlreadyExists(what="approval rule", key=f"{table.region_code} {table.valid_from}")
    return number


def propose_approval_rules(unit: Unit, rows: Sequence[RuleRow]) -> list[RowOutcome]:
    """Propose the tables of a list, each region and day on its own; return each row's fate.

    One row that is wrong rejects its whole table. A table again is a duplicate, whether it waits or
    is recorded; another one for the same region and day a conflict.
    """
    unit.actor.require("propose a table of signatures", *MAKERS)
    lock_recording(unit)
    tables: dict[tuple[str, date], list[int]] = {}
    for place, row in enumerate(rows):
        tables.setdefault((row.region_code, row.valid_from), []).append(place)
    outcomes: dict[int, RowOutcome] = {}
    for (region_code, valid_from), places in tables.items():
        found = _judge_rows([rows[place] for place in places])
        if found is None:
            of_table = [rows[place] for place in places]
            found = _propose_rows(unit, of_table, region_code=region_code, valid_from=valid_from)
        outcomes.update(zip(places, found, strict=True))
    return [outcomes[place] for place in range(len(rows))]


def check_table(unit: Unit, number: str) -> SignTable:
    """Record a waiting table, as another person than who proposed it; return it.

    Raises as `claim_to_check`, and what stands against the table by now.
    """
    lock_recording(unit)
    proposal = claim_to_check(unit, number, kind=RecordKind.APPROVAL_RULES)
    table = sign_table(proposal.content)
    if not judge_new_table(unit, table):
        raise AlreadyExists(what="approval rule", key=f"{table.region_code} {table.valid_from}")
    write_table(
        unit,
        table.region_code,
        valid_from=table.valid_from,
        thresholds=table.thresholds,
        proposal_id=proposal.id,
    )
    decide_record(unit, proposal, RecordState.RECORDED)
    return table


def _propose_rows(
    unit: Unit, rows: Sequence[RuleRow], *, region_code: str, valid_from: date
) -> list[RowOutcome]:
    """Propose the rows of one table, which are right one by one; return their fates."""
    table = SignTable(
        region_code=region_code,
        valid_from=valid_from,
        thresholds=[row.threshold for row in rows],
    )
    try:
        reason = require_text(
            next((row.reason for row in rows if row.reason.strip()), ""), field="reason"
        )
        outcome, _ = _propose(unit, table, reason=reason)
    except FieldError as error:
        outcome = error.outcome
    except AlreadyExists as error:
        outcome = conflicting(error, field="valid_from")
    except MarketError as error:
        outcome = RowOutcome(Fate.REJECTED, error, _column(error))
    return [outcome] * len(rows)


def _judge_rows(rows: Sequence[RuleRow]) -> list[RowOutcome] | None:
    """Return the fates of a table's rows if one of them is wrong by itself, else None."""
    wrong: dict[int, RowOutcome] = {}
    for place, row in enumerate(rows):
        try:
            check_threshold(row.threshold)
        except MarketError as error:
            wrong[place] = RowOutcome(Fate.REJECTED, error, _column(error))
    if not wrong:
        return None
    incomplete = TableIncomplete(region=rows[0].region_code, day=rows[0].valid_from)
    other = RowOutcome(Fate.REJECTED, incomplete, "valid_from")
    return [wrong.get(place, other) for place in range(len(rows))]


def _column(error: MarketError) -> str:
    """Return the column that an error of a table is about."""
    field = str(error.facts.get("field", "region_code"))
    return "from_amount_yuan" if field == "from_amount" else field


def _propose(unit: Unit, table: SignTable, *, reason: str) -> tuple[RowOutcome, str]:
    unit.actor.require("propose a table of signatures", *MAKERS)
    lock_recording(unit)
    if not judge_new_table(unit, table):
        return DUPLICATE, ""
    bureau_id = nearest_bureaus(unit, [table.region_code]).get(table.region_code)
    if bureau_id is None:
        raise NotFound(what="bureau", key=table.region_code)
    bureau = require_visible(unit, bureau_id)
    content = {
        "region_code": table.region_code,
        "valid_from": table.valid_from.isoformat(),
        "thresholds": [
            asdict(one) for one in sorted(table.thresholds, key=lambda one: one.position)
        ],
    }
    for _, waiting in waiting_contents(unit, RecordKind.APPROVAL_RULES, [bureau.id]):
        if waiting == content:
            return DUPLICATE, ""
        if sign_table(waiting).valid_from == table.valid_from and (
            waiting["region_code"] == table.region_code
        ):
            raise AlreadyExists(what="approval rule", key=f"{table.region_code} {table.valid_from}")
    number = make_record_proposal(
        unit, RecordKind.APPROVAL_RULES, bureau, content=content, reason=reason
    )
    return ACCEPTED, number
