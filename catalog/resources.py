"""The catalogue's content: resources by their vendor's sku, and their immutable versions (R4, R5).

Decides what makes a new version: another content. It is submitted at once; whether it is listed is
the matter of `admission`, what it costs of `offers`.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from sqlalchemy import insert, select

from catalog.attachments.attaching import carry_over
from catalog.conditions import HIGHEST_MBPS
from catalog.kinds import KINDS, OWNERSHIPS, TIERS, Ownership
from catalog.models import Resource, Version
from catalog.packs import bind_parts, pinned_rows, with_pinned_parts
from catalog.queries import ResourceKey, resources_by_key, vendors_served
from catalog.self_checks import SelfCheckColumns, keep_checks, require_whole_check
from catalog.states import VersionState
from catalog.vocabularies import VOCABULARIES
from catalog.web_addresses import is_web_address
from catalog.wording import require_sku, require_wording
from kernel.errors import AlreadyExists, InvalidInput, NotFound, NotInVocabulary
from kernel.identity.models import Organisation
from kernel.identity.recording import (
    FieldError,
    among,
    lock_recording,
    require_text,
    require_word,
)
from kernel.identity.stages import SCHOOL_STAGES, STAGES
from kernel.ids import new_id
from kernel.outcomes import ACCEPTED, DUPLICATE, RowOutcome, conflicting
from kernel.unit import Unit

COLUMNS = ("title", "kind", "tier", "stage", "subject", "grade", "type")
METADATA = ("language", "licence", "author", "keywords", "conditions", "address", "launch_url")
STATED = ("edition", "chapter", "bandwidth_mbps", "devices", "offline", "parts")
"""Metadata that stands in a version only where its vendor states it."""
DIGESTED = COLUMNS + METADATA + STATED
LATER = frozenset({"launch_url", *STATED})
"""Content that earlier versions could not have: empty, it is no part of the digest."""

DESCRIBED_BY = {name: VOCABULARIES[name] for name in VOCABULARIES if name != "device"} | {
    "devices": VOCABULARIES["device"]
}
"""The fields whose words are those of a vocabulary."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogueRow(SelfCheckColumns):
    """One resource as its vendor describes it now; all but the key is the version's content.

    Words of `catalog.vocabularies` may be typed as they are called elsewhere. `chapter`: where in
    the textbook, from the volume down with `/` between. `conditions`: what else a school needs.
    `school_share`: of what fee and retention leave, the part of the author's school (0 to 1); only
    for a teacher's service work (R40). `parts`: what a pack bundles (`catalog.packs`).
    """

    vendor_code: str
    sku: str
    title: str
    kind: str
    tier: str
    stage: str = ""
    subject: str = ""
    grade: str = ""
    type: str = ""
    language: str = "zh-CN"
    licence: str = ""
    author: str = ""
    keywords: tuple[str, ...] = ()
    conditions: str = ""
    address: str = ""
    launch_url: str = ""
    ownership: str = Ownership.PERSONAL
    school_share: Decimal = Decimal(0)
    edition: str = ""
    chapter: str = ""
    bandwidth_mbps: Decimal | None = None
    devices: tuple[str, ...] = ()
    offline: str = ""
    parts: tuple[str, ...] = ()


@dataclass(slots=True)
class _History:
    """What is known of one resource: its id, the number of its last version, all their digests."""

    resource_id: UUID
    last_number: int
    digests: set[bytes]


def record_catalogue(
    unit: Unit, rows: Sequence[CatalogueRow], *, is_sample: bool = False, as_draft: bool = False
) -> list[RowOutcome]:
    """Record resources and submit what is new of their content; return each row's fate, in order.

    Content that a version of the resource had already is a duplicate: what was returned or refused
    is not submitted again unchanged. `as_draft`: nothing is submitted yet, and the content may be
    that of an earlier version, of which something else is to change.
    """
    vendors = vendors_served(unit, {row.vendor_code for row in rows})
    lock_recording(unit)
    histories = _histories(unit, {(row.vendor_code, row.sku) for row in rows})
    resources: list[dict[str, Any]] = []
    versions: list[dict[str, Any]] = []
    submitted: dict[ResourceKey, bytes] = {}
    checked: list[tuple[UUID, SelfCheckColumns]] = []
    parts = pinned_rows(unit, rows)
    outcomes: list[RowOutcome] = []
    for typed in rows:
        vendor = vendors.get(typed.vendor_code)
        key = (typed.vendor_code, typed.sku)
        history = histories.get(key)
        as_typed = content_digest(typed)
        if vendor is not None and history and as_typed in history.digests and not as_draft:
            outcomes.append(DUPLICATE)  # of before the vocabularies, too
            continue
        try:
            if vendor is None:
                missing = NotFound(what="vendor", key=typed.vendor_code)
                raise FieldError(missing, field="vendor_code")
            row = with_pinned_parts(described(typed), parts)
            _check(row, vendor)
            require_whole_check(unit, row, launch_url=row.launch_url)
        except FieldError as error:
            outcomes.append(_refused(unit, typed, vendor, first=error))
            continue
        if history is None:
            history = histories[key] = _History(new_id(), 0, set())
            resources.append(
                {
                    "id": history.resource_id,
                    "vendor_id": vendor.id,
                    "sku": row.sku,
                    "is_sample": is_sample,
                }
            )
        digest = as_typed if row == typed else content_digest(row)
        if digest in history.digests and not as_draft:
            outcomes.append(DUPLICATE)
        elif key in submitted:  # two contents in one file: which of them is meant?
            taken = AlreadyExists(what="resource", key=f"{row.vendor_code} {row.sku}")
            outcomes.append(conflicting(taken, field="sku"))
        else:
            submitted[key] = digest
            history.digests.add(digest)
            versions.append(
                {
                    "id": new_id(),
                    "resource_id": history.resource_id,
                    "number": history.last_number + 1,
                    "state": VersionState.DRAFT if as_draft else VersionState.SUBMITTED,
                    "created_at": unit.clock.now(),
                    **_content(row, digest, vendor=vendor),
                }
            )
            if row.carries_self_check and not as_draft:
                checked.append((versions[-1]["id"], row))
            outcomes.append(ACCEPTED)
    for table, values in ((Resource, resources), (Version, versions)):
        if values:
            unit.session.execute(insert(table), values)
    keep_checks(unit, checked)
    carry_over(unit, [one["id"] for one in versions if one["number"] > 1])
    packs = [one["id"] for one in versions if "parts" in one["metadata_"]]
    if packs:
        bind_parts(unit, packs)
    return outcomes


def described(row: CatalogueRow) -> CatalogueRow:
    """Return the row in the words of the vocabularies; raise `FieldError` for one that is none."""
    words, unknown = _in_our_words(row)
    if unknown:
        raise unknown[0]
    mbps = row.bandwidth_mbps
    if mbps is not None and not 0 < mbps <= HIGHEST_MBPS:
        expected = f"an amount above 0, at most {HIGHEST_MBPS}"
        error = InvalidInput(field="bandwidth_mbps", value=mbps, expected=expected)
        raise FieldError(error, field="bandwidth_mbps")
    levels = [level.strip() for level in row.chapter.replace("／", "/").split("/")]
    return replace(
        row,
        **words,
        bandwidth_mbps=mbps,
        chapter="/".join(level for level in levels if level),
    )


def _in_our_words(row: CatalogueRow) -> tuple[dict[str, Any], list[FieldError]]:
    """Return by field how its words are called here, and the errors of those that are unknown."""
    words: dict[str, Any] = {}
    unknown = []
    for name, vocabulary in DESCRIBED_BY.items():
        given = getattr(row, name)
        try:
            if isinstance(given, tuple):
                words[name] = tuple(dict.fromkeys(vocabulary.read(one) for one in given))
            else:
                words[name] = vocabulary.read(given)
        except NotInVocabulary as error:
            error.facts["field"] = name
            unknown.append(FieldError(error, field=name))
    return words, unknown


def _refused(
    unit: Unit, row: CatalogueRow, vendor: Organisation | None, *, first: FieldError
) -> RowOutcome:
    """Return the fate of a row that is not right, with what else is wrong: it is mended at once."""
    found = _in_our_words(row)[1]
    checks: list[Callable[[], None]] = [
        partial(require_whole_check, unit, row, launch_url=row.launch_url)
    ]
    if vendor is not None:
        checks.append(partial(_check, row, vendor))
    for check in checks:
        try:
            check()
        except FieldError as error:
            found.append(error)
    others = tuple((one.field, one.error) for one in found if one.field != first.field)
    return replace(first.outcome, others=others)


def content_digest(row: CatalogueRow) -> bytes:
    """Return SHA-256 over the canonical JSON of what a version says, without its key."""
    content = {
        name: value for name in DIGESTED if (value := getattr(row, name)) or name not in LATER
    }
    if row.bandwidth_mbps is not None:
        content["bandwidth_mbps"] = plain(row.bandwidth_mbps)
    if row.ownership == Ownership.SERVICE_WORK:  # what is personal keeps the digest it always had
        content |= _service(row)
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).digest()


def _check(row: CatalogueRow, vendor: Organisation) -> None:
    if row.launch_url and not _may_be_launched(row.launch_url):
        expected = "an address that begins with https:// (http:// on this machine only)"
        error = InvalidInput(field="launch_url", value=row.launch_url, expected=expected)
        raise FieldError(error, field="launch_url")
    if row.address and not is_web_address(row.address):
        expected = "an address that begins with https:// or http://"
        wrong = InvalidInput(field="address", value=row.address, expected=expected)
        raise FieldError(wrong, field="address")
    require_text(row.sku, field="sku")
    require_sku(row.sku)
    require_text(row.title, field="title")
    require_wording(row)
    require_word(row.kind, KINDS, field="kind")
    require_word(row.tier, TIERS, field="tier")
    require_word(row.stage, STAGES, field="stage")
    for stage in row.suits_stages:
        require_word(stage, SCHOOL_STAGES, field="suits_stages")
    require_word(row.ownership, OWNERSHIPS, field="ownership")
    if row.ownership == Ownership.SERVICE_WORK:
        if "school_code" not in vendor.facts:
            expected = "personal: only a teacher's work can be a school's, too"
            raise FieldError(
                InvalidInput(field="ownership", value=row.ownership, expected=expected),
                field="ownership",
            )
        expected, most = "a share between 0 and 1", Decimal(1)
    else:
        expected, most = "0: the work is personal", Decimal(0)
    if not 0 <= row.school_share <= most:
        raise FieldError(
            InvalidInput(field="school_share", value=row.school_share, expected=expected),
            field="school_share",
        )


def plain(amount: Decimal) -> str:
    """Return a decimal as text in which equal amounts are equal: 4.0 and 4 are `4`."""
    return f"{amount.normalize():f}"


def _service(row: CatalogueRow) -> dict[str, str]:
    return {"ownership": row.ownership, "school_share": f"{row.school_share:.4f}"}


def _may_be_launched(address: str) -> bool:
    """Whether a ticket may go there: over https, or to a vendor's trial on the same machine."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or not address.isascii() or not address.isprintable() or " " in address:
        return False
    bare = parts.username is None and parts.password is None and not parts.fragment
    here = parts.scheme == "http" and host in LOOPBACK
    return bare and (parts.scheme == "https" or here)


def _histories(unit: Unit, keys: set[ResourceKey]) -> dict[ResourceKey, _History]:
    found = resources_by_key(unit, keys)
    by_id = {resource.id: _History(resource.id, 0, set()) for resource in found.values()}
    for resource_id, number, digest in unit.session.execute(
        select(Version.resource_id, Version.number, Version.digest).where(
            among(Version.resource_id, by_id)
        )
    ):
        history = by_id[resource_id]
        history.last_number = max(history.last_number, number)
        history.digests.add(digest)
    return {key: by_id[resource.id] for key, resource in found.items()}


def version_content(unit: Unit, row: CatalogueRow, *, vendor: Organisation) -> dict[str, Any]:
    """Return what a row says as a version's columns; raise `FieldError` for what is not right."""
    row = with_pinned_parts(described(row), pinned_rows(unit, [row]))
    _check(row, vendor)
    return _content(row, content_digest(row), vendor=vendor)


def _content(row: CatalogueRow, digest: bytes, *, vendor: Organisation) -> dict[str, Any]:
    metadata = {name: getattr(row, name) for name in METADATA}
    metadata |= {name: value for name in STATED if (value := getattr(row, name))}
    if row.bandwidth_mbps is not None:
        metadata["bandwidth_mbps"] = plain(row.bandwidth_mbps)
    if row.ownership == Ownership.SERVICE_WORK:
        # The school of now: who changes the school later leaves their work there.
        metadata |= _service(row) | {
            "author_school_id": vendor.facts["school_id"],
            "author_school_code": vendor.facts["school_code"],
        }
    return {
        "metadata_": metadata,
        "digest": digest,
        **{name: getattr(row, name) for name in COLUMNS},
    }
