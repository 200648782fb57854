"""Agreements: approved selections with frozen terms, a ceiling and the lines that pay.

Opening commits the ceiling (available → committed) in the same transaction; nothing is agreed that
is not covered. Of an agreement that crosses 1 January each fiscal year has its own ceiling, and a
later one's part may wait until that year's money is issued (R19), and what may be used of it before
is frozen with it (`early_use`). Who had to approve is procurement's matter; what becomes of an
agreement later is `agreement_changes`'.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import insert, select

from kernel.errors import BudgetExhausted
from kernel.identity.models import Organisation
from kernel.identity.recording import among
from kernel.ids import AgreementId, new_id
from kernel.money import yuan
from kernel.trail import record
from kernel.unit import Unit
from settlement.agreement_models import AgreementYear
from settlement.agreement_states import AgreementStanding
from settlement.early_use import WaitingPart, freeze_agreed
from settlement.funding_lines import line_balances
from settlement.ledger.posting import AccountKey, AccountKind, Entry, TransferDraft, post
from settlement.models import Agreement, AgreementDraw, AgreementSchool, FundingLine
from settlement.ranking.effects import require_open_to
from settlement.remaining import SCHOOL_CEILINGS


@dataclass(frozen=True, slots=True)
class Draw:
    """How much of an agreement's ceiling is committed on a line, in fen."""

    line_id: UUID
    ceiling_fen: int


@dataclass(frozen=True, slots=True)
class YearPart:
    """A fiscal year's ceiling, and what of it waits for that year's money, in fen."""

    fiscal_year: int
    ceiling_fen: int
    waiting_fen: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class AgreementDraft:
    """What an approval hands over: the business key, parties, frozen terms and funding plan.

    `terms`: {plan, unit_price, fee_rate, retention_rate, retention_months, resource_kind, title,
    sku, trial, stop_at_ceiling}, of a teacher's service work also {school_rate, author_school_id,
    author_school_code}; rates and prices are decimal strings. `draws` and what waits of `years`
    add up to `ceiling_fen`; `years` is empty unless it crosses 1 January. `school_ids` may use it;
    `school_ceilings` are their own, of all or of none (R24).
    """

    number: str
    payer_id: UUID
    vendor_id: UUID
    resource_id: UUID
    version_id: UUID
    terms: dict[str, Any]
    ceiling_fen: int
    starts_on: date
    ends_on: date
    draws: Sequence[Draw] = field(default_factory=tuple)
    school_ids: Sequence[UUID] = field(default_factory=tuple)
    years: Sequence[YearPart] = field(default_factory=tuple)
    school_ceilings: Mapping[UUID, int] = field(default_factory=dict)

    @property
    def frozen_terms(self) -> dict[str, Any]:
        """The terms, which also say whether schools have ceilings of their own."""
        return {**self.terms, SCHOOL_CEILINGS: True} if self.school_ceilings else self.terms


def terms_digest(terms: dict[str, Any]) -> bytes:
    """Return SHA-256 over the canonical JSON of the terms."""
    return hashlib.sha256(msgspec.json.encode(terms, order="deterministic")).digest()


def lock_agreements(unit: Unit, *, payer_ids: Sequence[UUID]) -> None:
    """Lock all agreements of these payers in id order, as everybody does who locks several.

    Before a statement is drafted, and after its periods: so that no ceiling is changed and no
    dispute, decision or answer settles the same fen between what it reads and what it marks.
    """
    unit.session.execute(
        select(Agreement.id)
        .where(among(Agreement.payer_id, payer_ids))
        .order_by(Agreement.id)
        .with_for_update(key_share=True)
    ).all()


def open_agreements(unit: Unit, drafts: Sequence[AgreementDraft]) -> list[AgreementId]:
    """Open agreements and commit their ceilings, all or none; return their ids in order.

    The lines are locked in id order before they are looked at, so that two approvals on one line
    can't both spend its last fen. Raises `BudgetExhausted` with `short_fen` for the first line
    that does not suffice, and `NoNewSchools` for a vendor whose standing lets these schools not
    begin or go on.
    """
    require_open_to(unit, [(draft.version_id, draft.school_ids) for draft in drafts])
    _lock_and_check(unit, drafts)
    ids = [AgreementId(new_id()) for _ in drafts]
    if not drafts:
        return ids
    unit.session.execute(
        insert(Agreement),
        [
            {
                "id": agreement_id,
                "number": draft.number,
                "payer_id": draft.payer_id,
                "vendor_id": draft.vendor_id,
                "resource_id": draft.resource_id,
                "version_id": draft.version_id,
                "terms": draft.frozen_terms,
                "terms_digest": terms_digest(draft.frozen_terms),
                "ceiling_fen": draft.ceiling_fen,
                "starts_on": draft.starts_on,
                "ends_on": draft.ends_on,
                "state": AgreementStanding.OPEN,
                "opened_at": unit.clock.now(),
            }
            for agreement_id, draft in zip(ids, drafts, strict=True)
        ],
    )
    schools = [
        {
            "agreement_id": agreement_id,
            "school_id": school_id,
            "ceiling_fen": draft.school_ceilings.get(school_id),
        }
        for agreement_id, draft in zip(ids, drafts, strict=True)
        for school_id in draft.school_ids
    ]
    draws = [
        {
            "agreement_id": agreement_id,
            "position": position,
            "line_id": draw.line_id,
            "ceiling_fen": draw.ceiling_fen,
        }
        for agreement_id, draft in zip(ids, drafts, strict=True)
        for position, draw in enumerate(draft.draws, start=1)
    ]
    years = [
        {
            "agreement_id": agreement_id,
            "fiscal_year": year.fiscal_year,
            "ceiling_fen": year.ceiling_fen,
            "waiting_fen": year.waiting_fen,
        }
        for agreement_id, draft in zip(ids, drafts, strict=True)
        for year in draft.years
    ]
    if schools:
        unit.session.execute(insert(AgreementSchool), schools)
    if years:
        unit.session.execute(insert(AgreementYear), years)
    if draws:
        unit.session.execute(insert(AgreementDraw), draws)
    freeze_agreed(
        unit,
        [
            WaitingPart(
                agreement_id=agreement_id,
                number=draft.number,
                payer_id=draft.payer_id,
                vendor_id=draft.vendor_id,
                fiscal_year=year.fiscal_year,
                waiting_fen=year.waiting_fen,
            )
            for agreement_id, draft in zip(ids, drafts, strict=True)
            for year in draft.years
            if year.waiting_fen
        ],
    )
    post(unit, [_commitment(draft) for draft in drafts])
    for agreement_id, draft in zip(ids, drafts, strict=True):
        record(
            unit,
            "agreement.opened",
            subject_kind="agreement",
            subject_id=agreement_id,
            number=draft.number,
            ceiling_fen=draft.ceiling_fen,
            terms=draft.frozen_terms,
        )
    return ids


def open_agreement(unit: Unit, draft: AgreementDraft) -> AgreementId:
    """Open one agreement; see `open_agreements`."""
    return open_agreements(unit, [draft])[0]


def _lock_and_check(unit: Unit, drafts: Sequence[AgreementDraft]) -> None:
    wanted: dict[UUID, int] = {}
    for draft in drafts:
        waiting_fen = sum(year.waiting_fen for year in draft.years)
        if sum(draw.ceiling_fen for draw in draft.draws) + waiting_fen != draft.ceiling_fen:
            raise ValueError(f"{draft.number}: draws do not add up to the ceiling")
        if draft.school_ceilings and set(draft.school_ceilings) != set(draft.school_ids):
            raise ValueError(f"{draft.number}: some schools have a ceiling of their own, some none")
        for draw in draft.draws:
            wanted[draw.line_id] = wanted.get(draw.line_id, 0) + draw.ceiling_fen
    require_available(unit, wanted)


def require_available(unit: Unit, wanted: Mapping[UUID, int]) -> None:
    """Lock lines in id order; raise `BudgetExhausted` for the first that lacks what is wanted."""
    if not wanted:
        return
    lines = unit.session.execute(
        select(FundingLine, Organisation.code)
        .join(Organisation, Organisation.id == FundingLine.payer_id)
        .where(among(FundingLine.id, list(wanted)))
        .order_by(FundingLine.id)
        .with_for_update(of=FundingLine)
    ).all()
    balances = line_balances(unit, list(wanted))
    for line, payer_code in lines:
        short = wanted[line.id] - balances[line.id].available_fen
        if short > 0:
            raise BudgetExhausted(
                line=f"{payer_code} {line.fiscal_year} {line.source}",
                line_id=str(line.id),
                year=line.fiscal_year,
                source=line.source,
                short_fen=short,
                short_yuan=yuan(short),
            )


def _commitment(draft: AgreementDraft) -> TransferDraft:
    return TransferDraft(
        key=f"commit:{draft.number}",
        memo=f"commitment of agreement {draft.number}",
        entries=[
            Entry(
                debit=AccountKey(draw.line_id, AccountKind.COMMITTED),
                credit=AccountKey(draw.line_id, AccountKind.AVAILABLE),
                amount_fen=draw.ceiling_fen,
            )
            for draw in draft.draws
        ],
    )
