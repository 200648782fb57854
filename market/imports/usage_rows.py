"""One row of a usage file, read: a `UsageRow` for the ingest, with an error where it can't be read.

Decides only whether a row can be read. A row that can't is not dropped: it goes on with the reason
in `error`, to be quarantined and counted (R32). The person number ends here: what goes on is its
keyed hash (R29). A row that can't be read may have it in any cell, so that what goes into the books
of such a row is little: the reason, the field, of some fields the text, if it can't be one, and the
time where that can be read, which tells the month that the row is counted in.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from kernel.clock import parse_moment
from kernel.errors import InvalidDate, InvalidInput, MarketError, MissingValue, UnmappedValue
from kernel.identity.secret import installation_key, person_hash
from kernel.settings import Settings
from market.imports.fields import KEY_CHARACTERS, key, whole_number
from market.imports.kinds import Column
from market.imports.reading import Record
from market.imports.translation import CellError, Translation, row_identity
from settlement.metering.ingest import UsageRow
from settlement.metering.remedies import mending

REMEMBERED = 100_000
LARGEST_QUANTITY = 1_000_000_000
SHOWN_FIELDS = frozenset({"time", "quantity", "school_code", "vendor_code", "sku"})
"""Fields whose wrong text is put on record; the others may name a person."""
SEPARATORS = re.compile(r"[\s\-._/·]")
PERSON_NUMBER = re.compile(r"[0-9]{14,17}[0-9Xx]")
"""15 to 18 characters, as identity cards and learners' numbers have."""


def quantity(cell: str) -> int:
    found = whole_number(cell)
    if not 0 < found <= LARGEST_QUANTITY:
        raise InvalidInput(
            field="quantity", value=cell, expected=f"a whole number from 1 to {LARGEST_QUANTITY}"
        )
    return found


USAGE_COLUMNS = (
    Column("event_id", "e-000001", key),
    Column("time", "2026-03-02T08:30:00+08:00", parse_moment),
    Column("school_code", "3399010001", key, blank=""),
    Column("learner", "S202600001", key),
    Column("vendor_code", "91330000ABCD00000X", key),
    Column("sku", "MATH-7A-01", key),
    Column("session", "", key, blank=""),
    Column("quantity", "1", quantity, blank=1),
)
_EVENT_ID, _TIME, _SCHOOL, _LEARNER, _VENDOR, _SKU, _SESSION, _QUANTITY = USAGE_COLUMNS


class ReadRow(msgspec.Struct, frozen=True, gc=False):
    """A row for the ingest; `error` says in words why it can't be read, `field` where."""

    row: UsageRow
    error: MarketError | None = None
    field: str = ""


@dataclass(slots=True)
class RowReader:
    """Reads rows of one file; remembers the hashes of learners and the times it has seen."""

    settings: Settings
    translation: Translation
    all_columns: bool
    _key: bytes = field(init=False)
    _hashes: dict[str, bytes] = field(default_factory=dict)
    _times: dict[str, datetime] = field(default_factory=dict)
    _codes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._key = installation_key(self.settings)

    def read(self, record: Record) -> ReadRow:
        """Return the row of `record`, whatever is wrong with it."""
        identity = row_identity(record.values, self._key) if self.all_columns else ""
        if record.error is not None:
            return self._unreadable(
                record, identity, record.error, field=record.field, code="unreadable-row"
            )
        try:
            plain = self.translation.plain
            texts = record.values if plain else self.translation.translate(record.values)
        except CellError as wrong:
            return self._unreadable(
                record, identity, wrong.error, field=wrong.field, code=_reason(wrong)
            )
        try:
            return ReadRow(self._sound(texts, identity) or self._row(texts, identity))
        except CellError as wrong:
            known = identity or ("" if wrong.field == "event_id" else texts.get("event_id", ""))
            return self._unreadable(
                record, known, wrong.error, field=wrong.field, code=_reason(wrong)
            )

    def _sound(self, texts: dict[str, str], identity: str) -> UsageRow | None:
        """Return what `_row` does of a row that is right, in a third of the time; else None.

        What is wrong with a row is found cell by cell there.
        """
        given = texts.get
        event_id = identity or given("event_id", "").strip()
        if not 0 < len(event_id) <= KEY_CHARACTERS:
            return None
        codes, learner = self._codes, given("learner", "")
        school, vendor = given("school_code", ""), given("vendor_code", "")
        sku, session = given("sku", ""), given("session", "")
        try:
            return UsageRow(
                event_id=event_id,
                occurred_at=parse_moment(given("time", "")),
                learner_hash=self._hashes.get(learner) or self._hash(learner),
                school_code=codes[school] if school in codes else self._code(school, _SCHOOL),
                vendor_code=codes[vendor] if vendor in codes else self._code(vendor, _VENDOR),
                sku=codes[sku] if sku in codes else self._code(sku, _SKU),
                session=_SESSION.value(session) if session else "",
                quantity=1 if given("quantity", "1") == "1" else _QUANTITY.value(texts["quantity"]),
            )
        except (CellError, InvalidDate):
            return None

    def _code(self, text: str, column: Column) -> str:
        found: str = column.value(text)
        if found:  # an empty one may stand in some columns only
            if len(self._codes) >= REMEMBERED:
                self._codes.clear()
            self._codes[text] = found
        return found

    def _row(self, texts: dict[str, str], identity: str) -> UsageRow:
        return UsageRow(
            event_id=identity or _EVENT_ID.value(texts.get("event_id", "")),
            occurred_at=self._time(texts.get("time", "")),
            learner_hash=self._hash(texts.get("learner", "")),
            school_code=_SCHOOL.value(texts.get("school_code", "")),
            vendor_code=_VENDOR.value(texts.get("vendor_code", "")),
            sku=_SKU.value(texts.get("sku", "")),
            session=_SESSION.value(texts.get("session", "")),
            quantity=_QUANTITY.value(texts.get("quantity", "")),
        )

    def _unreadable(
        self, record: Record, event_id: str, error: MarketError, *, field: str, code: str
    ) -> ReadRow:
        row = UsageRow(
            event_id=event_id.strip()[:KEY_CHARACTERS],
            occurred_at=self._time_if_readable(record),
            learner_hash=b"",
            vendor_code="",
            sku="",
            error=code,
            detail=_detail(error, field=field, code=code),
        )
        return ReadRow(row, error, field)

    def _time_if_readable(self, record: Record) -> datetime | None:
        try:
            return self._time(self.translation.translate_one(_TIME.name, record.values))
        except CellError:
            return None

    def _time(self, text: str) -> datetime:
        found = self._times.get(text)
        if found is None:
            if len(self._times) >= REMEMBERED:
                self._times.clear()
            found = self._times[text] = _TIME.value(text)
        return found

    def _hash(self, text: str) -> bytes:
        found = self._hashes.get(text)
        if found is None:
            if len(self._hashes) >= REMEMBERED:
                self._hashes.clear()
            found = self._hashes[text] = person_hash(self.settings, _LEARNER.value(text))
        return found


def _reason(wrong: CellError) -> str:
    """Return the reason under which a row is quarantined, such as `unreadable-time`."""
    match wrong.error:
        case MissingValue():
            verb = "missing"
        case UnmappedValue():
            verb = "unmapped"
        case _:
            verb = "unreadable"
    return f"{verb}-{wrong.field.replace('_', '-')}"


def _detail(error: MarketError, *, field: str, code: str) -> str:
    """Return what is put on record of an error, which is no person number and holds none.

    It is the field with its text, in no language: what is wrong with it is the reason.
    """
    if code == "unreadable-row":  # any cell may be meant, and the field's name is the file's
        return "" if may_be_person_number(field) else field
    shown = field in SHOWN_FIELDS and not any(
        may_be_person_number(str(fact)) for fact in error.facts.values()
    )
    text = str(error.facts.get("value", error.facts.get("text", ""))) if shown else ""
    return f"{field} “{text}”" if text else field


def judged_field(row: UsageRow, code: str) -> tuple[str, str]:
    """Return the field over which a row that could be read was not taken, and what it says.

    Nothing is returned of a field that may name a person.
    """
    field = mending(code).field
    text = {
        "school_code": row.school_code,
        "vendor_code": row.vendor_code,
        "sku": f"{row.vendor_code} {row.sku}",
        "quantity": str(row.quantity),
        "time": row.occurred_at.isoformat() if row.occurred_at else "",
    }.get(field, "")
    return field, "" if may_be_person_number(text) else text


def may_be_person_number(text: str) -> bool:
    """Return whether a person number may stand in `text`, however it was typed."""
    return bool(PERSON_NUMBER.search(SEPARATORS.sub("", unicodedata.normalize("NFKC", text))))
