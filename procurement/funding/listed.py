"""Listed allocations: amounts that a document gives, row by row, from any source (R17, R18).

Decides what a row must be: a payer below the bureau, an amount for digital resources or a whole
fund of which the region's rule gives the share, and what the line is restricted to. A file becomes
one proposal for each fiscal year and source, which a second person checks like any other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from typing import Any, Final, NoReturn
from uuid import UUID

from sqlalchemy import Select, select

from catalog.kinds import TIERS
from catalog.vocabularies import SUBJECTS
from kernel.actors import OrganisationKind
from kernel.clock import FIRST_YEAR, LAST_YEAR
from kernel.errors import (
    AlreadyExists,
    AmountMissing,
    InvalidInput,
    MarketError,
    NoRule,
    NotFound,
    NotInVocabulary,
)
from kernel.identity.models import Organisation
from kernel.identity.recording import FieldError, among, lock_recording, require_text, require_word
from kernel.identity.stages import SCHOOL_STAGES
from kernel.identity.visibility import visible_organisations
from kernel.money import LARGEST_AMOUNT_FEN, plain_yuan
from kernel.outcomes import ACCEPTED, DUPLICATE, Fate, RowOutcome, conflicting
from kernel.unit import Unit
from procurement.funding.funding_rules import FundingRuleRow, funding_rules_in_force
from procurement.funding.proposals import (
    LISTED,
    ProposalState,
    ProposedLine,
    make_proposal,
    require_bureau,
)
from procurement.funding.rules import exact_text, line_amount
from procurement.proposal_models import AllocationProposal, ProposalLine
from settlement.budget_models import Budget
from settlement.budgets import SOURCES
from settlement.funding_lines import line_balances
from settlement.issues import given_by_budgets, require_given, require_reducible
from settlement.line_names import line_title
from settlement.models import FundingLine

STANDING: Final = (ProposalState.WAITING, ProposalState.ISSUED)
"""States of a proposal whose documents count as used."""

LineKey = tuple[UUID, int, str, str]
"""Payer, fiscal year, source, and the restriction as text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedRow:
    """One amount of a document for a payer (a school's or a bureau's code), in fen.

    Either `amount_fen`, of which below zero takes back, or `fund_fen`, the whole of a fund of which
    a share is for digital resources. What is listed in `subjects`, `tiers`, `stages` and `schools`
    is all that the line may pay for.
    """

    payer_code: str
    fiscal_year: int
    source: str
    document: str
    amount_fen: int | None = None
    fund_fen: int | None = None
    subjects: Sequence[str] = ()
    tiers: Sequence[str] = ()
    stages: Sequence[str] = ()
    schools: Sequence[str] = ()

    @property
    def restriction(self) -> dict[str, list[str]]:
        kinds: dict[str, Sequence[str]] = {
            "schools": self.schools,
            "stages": self.stages,
            "subjects": self.subjects,
            "tiers": self.tiers,
        }
        return {name: sorted(set(words)) for name, words in kinds.items() if words}


@dataclass(frozen=True, slots=True)
class _Given:
    """What a document gives to a line, in fen, and the number of the proposal that says so."""

    amount_fen: int
    fund_fen: int | None
    number: str = ""


@dataclass(frozen=True, slots=True)
class _Known:
    """What the rows of a file are judged by."""

    payers: Mapping[str, Organisation]
    rules: Mapping[tuple[int, str], Mapping[str, FundingRuleRow]]
    proposed: Mapping[tuple[LineKey, str], "_Given"]
    available: Mapping[LineKey, int]
    given: Mapping[LineKey, int]


def propose_listed(unit: Unit, rows: Sequence[ListedRow]) -> list[RowOutcome]:
    """Propose listed amounts; return each row's fate, in order, with its proposal's number.

    A row is one payer's amount of one document on one line: again with the same amount it is a
    duplicate, with another one a conflict, unless its proposal was returned or withdrawn.
    """
    bureau_id, _ = require_bureau(unit, "propose funding lines")
    lock_recording(unit)
    known = _gather(unit, rows, bureau_id)
    fresh: dict[tuple[LineKey, str], _Given] = {}
    lines: dict[tuple[int, str], list[ProposedLine]] = {}
    outcomes: list[RowOutcome] = []
    for row in rows:
        try:
            line = _line(row, known)
        except FieldError as error:
            outcomes.append(error.outcome)
            continue
        payer = known.payers[row.payer_code]
        key = (_key(payer.id, row), row.document.strip())
        given = _Given(line.amount_fen, row.fund_fen)
        before = fresh.get(key, known.proposed.get(key))
        if before is not None and replace(before, number="") == given:
            outcomes.append(replace(DUPLICATE, became=before.number))
        elif before is not None:
            taken = AlreadyExists(what="allocation", key=f"{row.payer_code} {row.document}")
            outcomes.append(conflicting(taken, field="document"))
        else:
            fresh[key] = given
            lines.setdefault((row.fiscal_year, row.source), []).append(line)
            outcomes.append(ACCEPTED)
    numbers = {
        (fiscal_year, source): make_proposal(
            unit, proposed, fiscal_year=fiscal_year, source=source, kind=LISTED
        )
        for (fiscal_year, source), proposed in sorted(lines.items())
    }
    return [
        replace(outcome, became=numbers[row.fiscal_year, row.source])
        if outcome.fate is Fate.ACCEPTED
        else outcome
        for row, outcome in zip(rows, outcomes, strict=True)
    ]


def possible_payers(unit: Unit) -> list[tuple[str, str]]:
    """Return code and name of those who may hold a line below the actor: bureaus, then schools."""
    rows = unit.session.execute(
        _payers(unit)
        .with_only_columns(Organisation.code, Organisation.name)
        .order_by(Organisation.kind, Organisation.name, Organisation.code)
    )
    return [(code, name) for code, name in rows]


def _payers(unit: Unit) -> Select[Organisation]:
    return visible_organisations(unit).where(
        Organisation.kind.in_((OrganisationKind.SCHOOL, OrganisationKind.BUREAU)),
        Organisation.parent_id.is_(None),
    )


def _line(row: ListedRow, known: _Known) -> ProposedLine:
    _check(row, known)
    payer = known.payers[row.payer_code]
    computation: dict[str, Any] = {
        "version": 2,
        "kind": "listed",
        "fiscal_year": row.fiscal_year,
        "source": row.source,
        "document": row.document.strip(),
        "restriction": row.restriction,
    }
    if row.fund_fen is not None:
        rule = _rule(row, payer, known)
        exact, amount_fen = line_amount([Fraction(row.fund_fen)], rule.digital_share)
        computation |= {
            "fund_fen": row.fund_fen,
            "rule": rule.as_data(),
            "exact_fen": exact_text(exact),
        }
        if not amount_fen:
            _refuse(row.fund_fen, field="fund_yuan", expected="a fund whose share is not zero")
    else:
        amount_fen = row.amount_fen or 0
    key = _key(payer.id, row)
    try:
        title = line_title(payer.code, row.fiscal_year, row.source, row.restriction)
        require_reducible(title, amount_fen, available_fen=known.available.get(key, 0))
        require_given(title, amount_fen, given_fen=known.given.get(key, 0))
    except MarketError as error:
        raise FieldError(error, field="amount_yuan") from None
    return ProposedLine(
        school_id=payer.id,
        payer_id=payer.id,
        restriction=row.restriction,
        document=row.document.strip(),
        amount_fen=amount_fen,
        line_fen=amount_fen,
        issued_before_fen=0,
        computation={**computation, "line_fen": amount_fen},
    )


def _check(row: ListedRow, known: _Known) -> None:
    """Raise `FieldError` for the first thing that is wrong with a row."""
    if row.payer_code not in known.payers:
        raise FieldError(NotFound(what="payer", key=row.payer_code), field="payer_code")
    if not FIRST_YEAR <= row.fiscal_year <= LAST_YEAR:
        _refuse(row.fiscal_year, field="fiscal_year", expected="a year such as 2026", is_fen=False)
    require_word(row.source, frozenset(SOURCES), field="source")
    require_text(row.document, field="document")
    if row.amount_fen is None and row.fund_fen is None:
        raise FieldError(AmountMissing(), field="amount_yuan")
    if row.amount_fen is not None and row.fund_fen is not None:
        expected = "either amount_yuan or fund_yuan, not both"
        _refuse(row.fund_fen, field="fund_yuan", expected=expected)
    amount = row.amount_fen if row.amount_fen is not None else row.fund_fen
    if not amount or abs(amount) > LARGEST_AMOUNT_FEN:
        name = "amount_yuan" if row.amount_fen is not None else "fund_yuan"
        _refuse(amount or 0, field=name, expected="an amount other than zero")
    for subject in row.subjects:
        _require_subject(subject)
    for tier in row.tiers:
        require_word(tier, TIERS, field="tiers")
    for stage in row.stages:
        require_word(stage, SCHOOL_STAGES, field="stages")
    for code in row.schools:
        found = known.payers.get(code)
        if found is None or found.kind != OrganisationKind.SCHOOL:
            raise FieldError(NotFound(what="school", key=code), field="schools")


def _require_subject(subject: str) -> None:
    """Raise `FieldError` for a subject under which nothing can be listed."""
    try:
        SUBJECTS.read(subject)
    except NotInVocabulary as error:
        error.facts["field"] = "subjects"
        raise FieldError(error, field="subjects") from None


def _refuse(value: int, *, field: str, expected: str, is_fen: bool = True) -> NoReturn:
    shown = plain_yuan(value) if is_fen else str(value)
    raise FieldError(InvalidInput(field=field, value=shown, expected=expected), field=field)


def _rule(row: ListedRow, payer: Organisation, known: _Known) -> FundingRuleRow:
    rule = known.rules[row.fiscal_year, row.source].get(payer.region_code)
    if rule is None:
        missing = NoRule(
            rule=f"{row.source} funding", region=payer.region_code, day=date(row.fiscal_year, 1, 1)
        )
        raise FieldError(missing, field="fund_yuan")
    return rule


def _key(payer_id: UUID, row: ListedRow) -> LineKey:
    return (payer_id, row.fiscal_year, row.source, _text(row.restriction))


def _text(restriction: Mapping[str, Any]) -> str:
    return repr(sorted((name, sorted(words)) for name, words in restriction.items()))


def _gather(unit: Unit, rows: Sequence[ListedRow], bureau_id: UUID) -> _Known:
    codes = {row.payer_code for row in rows} | {code for row in rows for code in row.schools}
    payers = {
        one.code: one
        for one in unit.session.scalars(_payers(unit).where(among(Organisation.code, codes)))
    }
    regions = {payer.region_code for payer in payers.values()}
    now = unit.clock.now()
    rules = {
        (year, source): funding_rules_in_force(
            unit, regions, source=source, day=date(year, 1, 1), known_at=now
        )
        for year, source in sorted({(row.fiscal_year, row.source) for row in rows})
        if FIRST_YEAR <= year <= LAST_YEAR
    }
    ids = [payer.id for payer in payers.values()]
    available, given = _of_lines(unit, ids, bureau_id)
    return _Known(
        payers=payers,
        rules=rules,
        proposed=_proposed(unit, ids),
        available=available,
        given=given,
    )


def _proposed(unit: Unit, payer_ids: Sequence[UUID]) -> dict[tuple[LineKey, str], _Given]:
    rows = unit.session.execute(
        select(
            ProposalLine,
            AllocationProposal.fiscal_year,
            AllocationProposal.source,
            AllocationProposal.number,
        )
        .join(AllocationProposal, AllocationProposal.id == ProposalLine.proposal_id)
        .where(
            among(ProposalLine.payer_id, payer_ids),
            AllocationProposal.kind == LISTED,
            AllocationProposal.state.in_(STANDING),
        )
    )
    found = {}
    for line, year, source, number in rows:
        key: LineKey = (line.payer_id, year, source, _text(line.restriction))
        fund_fen = line.computation.get("fund_fen")
        found[key, line.document] = _Given(line.amount_fen, fund_fen, number)
    return found


def _of_lines(
    unit: Unit, payer_ids: Sequence[UUID], bureau_id: UUID
) -> tuple[dict[LineKey, int], dict[LineKey, int]]:
    """Return what is available on each line, and what the bureau's budgets gave it, net."""
    lines = {
        line.id: (line.payer_id, line.fiscal_year, line.source, _text(line.restriction))
        for line in unit.session.scalars(
            select(FundingLine).where(among(FundingLine.payer_id, payer_ids))
        )
    }
    own = set(unit.session.scalars(select(Budget.id).where(Budget.bureau_id == bureau_id)))
    balances = line_balances(unit, list(lines))
    given = given_by_budgets(unit, list(lines))
    return (
        {key: balances[line_id].available_fen for line_id, key in lines.items()},
        {
            key: sum(fen for budget_id, fen in given.get(line_id, {}).items() if budget_id in own)
            for line_id, key in lines.items()
        },
    )
