"""What a version changes of what was admitted before it: content, licence, price (R14).

Reads whatever the versions say, so that new metadata are content without being named here. The
database compares: the desk's queue is ordered by it, however long it is.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Text, func, literal, or_, select
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.orm import InstrumentedAttribute, aliased

from catalog.admission_models import ProposedOffer
from catalog.attachments.models import Attachment
from catalog.criteria import Change
from catalog.models import Admission, Version
from catalog.states import AdmissionState
from kernel.identity.recording import among
from kernel.unit import Unit

APART: Final = frozenset({"id", "resource_id", "number", "state", "digest", "created_at"})
"""Columns that say nothing of what is offered."""
LICENCE: Final = "licence"


def changes_of(unit: Unit, versions: Sequence[Version]) -> dict[UUID, list[Change]]:
    """Return what each version changes of its resource's last admitted one; `first` if none was."""
    before = admitted_before()
    rows = unit.session.execute(
        select(Version.id, *change_columns(before))
        .outerjoin(before, literal(value=True))
        .where(among(Version.id, [version.id for version in versions]))
    )
    return {row.id: changes_in(row) for row in rows}


def admitted_before() -> type[Version]:
    """Return the resource's newest admitted version, whatever became of it since, to be joined."""
    earlier = aliased(Version)
    newest = (
        select(earlier)
        .join(Admission, Admission.version_id == earlier.id)
        .where(
            earlier.resource_id == Version.resource_id, Admission.state == AdmissionState.ADMITTED
        )
        .order_by(earlier.number.desc())
        .limit(1)
        .correlate(Version)
        .lateral("before")
    )
    return aliased(Version, newest)


def change_columns(before: type[Version]) -> list[ColumnElement[bool]]:
    """Return by its name whether each change is one of the version's, of `before` or none."""
    is_first = before.id.is_(None)
    priced = select(ProposedOffer.version_id).where(ProposedOffer.version_id == Version.id)
    conditions = {
        Change.FIRST: is_first,
        Change.CONTENT: ~is_first & _says_otherwise(before),
        Change.LICENCE: ~is_first
        & before.metadata_[LICENCE]
        .as_string()
        .is_distinct_from(Version.metadata_[LICENCE].as_string()),
        Change.PRICE: ~is_first & priced.exists(),
    }
    return [condition.label(change) for change, condition in conditions.items()]


def changes_in(row: Any) -> list[Change]:
    """Return the changes of a row with `change_columns`."""
    return [change for change in Change if row._mapping[change]]


def described(version: Version) -> dict[str, Any]:
    """Return all that a version says of what is offered, by name."""
    columns = {
        attribute.key: getattr(version, attribute.key)
        for attribute in Version.__mapper__.column_attrs
        if attribute.key not in APART
    }
    metadata: dict[str, Any] = columns.pop("metadata_")
    return metadata | columns


def _says_otherwise(before: type[Version]) -> ColumnElement[bool]:
    """Return whether anything but the licence differs: a column, a metadatum, a file."""
    names = [
        attribute.key
        for attribute in Version.__mapper__.column_attrs
        if attribute.key not in APART and attribute.key != Version.metadata_.key
    ]
    return or_(
        *(getattr(before, name).is_distinct_from(getattr(Version, name)) for name in names),
        _unlicensed(before.metadata_) != _unlicensed(Version.metadata_),
        _attached(before.id).is_distinct_from(_attached(Version.id)),
    )


def _unlicensed(metadata: InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """Return metadata without the licence; one that is null says as little as one that lacks."""
    rest = metadata.op("-", return_type=JSONB())(literal(LICENCE, Text))
    return func.jsonb_strip_nulls(rest)


def _attached(version_id: InstrumentedAttribute[UUID]) -> ColumnElement[Any]:
    """Return what is attached as one value: names, purposes and digests, by name."""
    one = func.jsonb_build_array(Attachment.name, Attachment.purpose, Attachment.digest)
    return (
        select(func.jsonb_agg(aggregate_order_by(one, Attachment.name)))
        .where(Attachment.version_id == version_id)
        .scalar_subquery()
    )
