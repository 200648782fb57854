"""What the interface of selections takes in and answers; amounts in fen, days as ISO dates."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

import msgspec

from procurement.queries import SelectionView


class WantedItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One resource of a request; `later_fen`: the part of the ceiling for the second year."""

    vendor_code: str
    sku: str
    ceiling_fen: int
    later_fen: int | None = None
    trial: bool = False


class SelectionRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Several resources requested together for the same days and reason."""

    items: list[WantedItem]
    starts_on: date
    ends_on: date
    reason: str


class SignatureRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A decision at the position that is due; returning and refusing need a note."""

    decision: Literal["sign", "return", "refuse"]
    note: str = ""


class SelectionStep(msgspec.Struct, frozen=True, kw_only=True):
    """One signature, given or awaited."""

    position: int
    role: str
    organisation: str
    state: str
    due_on: date | None
    signed_at: datetime | None
    signed_by: str
    signed_for: str
    note: str


class SelectionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One selection with its signatures in order."""

    id: UUID
    school_code: str
    reference: str
    basket: str
    kind: str
    vendor_code: str
    sku: str
    title: str
    ceiling_fen: int
    later_fen: int
    starts_on: date
    ends_on: date
    reason: str
    requested_at: datetime
    state: str
    agreement: str
    steps: list[SelectionStep]


class SelectionPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of selections, the oldest first; `next` is the cursor of the following page."""

    items: list[SelectionAnswer]
    next: UUID | None


class Requested(msgspec.Struct, frozen=True, kw_only=True):
    """The selections that were requested, in the order of their items."""

    items: list[SelectionAnswer]


def answer_of(view: SelectionView) -> SelectionAnswer:
    """Return a selection as the interface answers it."""
    return SelectionAnswer(
        id=view.id,
        school_code=view.school_code,
        reference=view.reference,
        basket=view.basket,
        kind=view.kind,
        vendor_code=view.vendor_code,
        sku=view.sku,
        title=view.title,
        ceiling_fen=view.ceiling_fen,
        later_fen=view.later_fen,
        starts_on=view.starts_on,
        ends_on=view.ends_on,
        reason=view.reason,
        requested_at=view.requested_at,
        state=view.state,
        agreement=view.agreement_number,
        steps=[
            SelectionStep(
                position=step.position,
                role=step.role,
                organisation=step.organisation_name,
                state=step.state,
                due_on=step.due_on,
                signed_at=step.signed_at,
                signed_by=step.signed_by_name,
                signed_for=step.signed_for_name,
                note=step.note,
            )
            for step in view.steps
        ],
    )
