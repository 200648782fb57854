"""What the interface of resources takes in: rows of a catalogue as JSON, each with its own fate.

The words and limits are those of the file import; what a row means is decided by `resources`.
"""

from decimal import Decimal
from typing import Annotated, Any

import msgspec

from catalog.kinds import Ownership
from catalog.resources import CatalogueRow
from kernel.i18n import translate_error
from kernel.outcomes import RowOutcome

MOST_ROWS = 1_000
Key = Annotated[str, msgspec.Meta(max_length=100)]
Long = Annotated[str, msgspec.Meta(max_length=2_000)]
Words = Annotated[list[Key], msgspec.Meta(max_length=100)]
Amount = Annotated[Decimal, msgspec.Meta(description="A decimal as text or number.")]


class ResourceRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One resource as its vendor describes it now, by the vendor's own `sku`."""

    vendor_code: Key
    sku: Key
    title: Long
    kind: Key
    tier: Key
    stage: Key = ""
    subject: Key = ""
    grade: Key = ""
    type: Key = ""
    language: Key = "zh-CN"
    licence: Long = ""
    author: Long = ""
    keywords: Words = msgspec.field(default_factory=list)
    conditions: Long = ""
    address: Long = ""
    launch_url: Long = ""
    ownership: Key = Ownership.PERSONAL.value
    school_share: Amount = Decimal(0)
    edition: Key = ""
    chapter: Long = ""
    bandwidth_mbps: Amount | None = None
    devices: Words = msgspec.field(default_factory=list)
    offline: Key = ""
    parts: Words = msgspec.field(default_factory=list)
    check_political: Long = ""
    check_guidance: Long = ""
    check_scientific: Long = ""
    check_safety: Long = ""
    check_suitability: Long = ""
    check_normative: Long = ""
    check_timeliness: Long = ""
    check_public_benefit: Long = ""
    commitment: Long = ""
    filing_number: Key = ""
    suits_stages: Words = msgspec.field(default_factory=list)
    suits_conditions: Long = ""

    def row(self) -> CatalogueRow:
        values: dict[str, Any] = msgspec.structs.asdict(self)
        values |= {"keywords": tuple(self.keywords), "devices": tuple(self.devices)}
        values |= {"parts": tuple(self.parts), "suits_stages": tuple(self.suits_stages)}
        return CatalogueRow(**values)


class RowAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One row's fate: accepted, duplicate, conflict or rejected, and what is wrong where."""

    vendor_code: str
    sku: str
    fate: str
    field: str
    code: str
    detail: str


class Intake(msgspec.Struct, frozen=True, kw_only=True):
    """What became of all rows, in their order: received = accepted + … + rejected."""

    received: int
    accepted: int
    rows: list[RowAnswer]


def answer_of_row(row: ResourceRow, outcome: RowOutcome, locale: str) -> RowAnswer:
    return RowAnswer(
        vendor_code=row.vendor_code,
        sku=row.sku,
        fate=outcome.fate.value,
        field=outcome.field,
        code=outcome.error.code if outcome.error else "",
        detail=translate_error(outcome.error, locale) if outcome.error else "",
    )
