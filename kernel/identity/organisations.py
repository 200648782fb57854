"""Organisations: bureaus, schools with their teaching points, vendors.

Decides what a code must look like and where an organisation belongs. Names and a school's facts may
change; the region and the parent can't, since funding lines and agreements hang on them.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import insert, select
from stdnum.cn import uscc

from kernel.actors import OrganisationKind, Role
from kernel.errors import AlreadyExists, InvalidInput, NotFound
from kernel.identity.models import Organisation, Region
from kernel.identity.recording import (
    FieldError,
    lock_recording,
    require_text,
    require_word,
)
from kernel.identity.stages import SCHOOL_STAGES
from kernel.identity.visibility import visible_organisations, visible_regions
from kernel.ids import new_id
from kernel.outcomes import ACCEPTED, DUPLICATE, RowOutcome, conflicting
from kernel.trail import record
from kernel.unit import Unit

SCHOOL_CODE = re.compile(r"\d{10}", re.ASCII)  # 学校标识码
TEACHER_CODE = re.compile(r"T-\d{1,18}", re.ASCII)
ORGANISATION_RECORDERS = (Role.OPERATOR,)


class Setting(StrEnum):
    """Where a school stands, as the statistics of education divide it."""

    URBAN = "urban"
    COUNTY_TOWN = "county_town"
    RURAL = "rural"


class VendorKind(StrEnum):
    FIRM = "firm"
    TEACHER = "teacher"


@dataclass(frozen=True, kw_only=True, slots=True)
class BureauRow:
    """The education bureau of a region."""

    region_code: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SchoolRow:
    """A school, or with `parent_code` (its school's code) a teaching point."""

    code: str
    name: str
    region_code: str
    parent_code: str = ""
    stages: tuple[str, ...] = ()
    setting: str = ""
    small_rural: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class VendorRow:
    """A firm by its 统一社会信用代码, or a teacher (`T-` and digits) with their school."""

    code: str
    name: str
    region_code: str
    vendor_kind: str = VendorKind.FIRM
    school_code: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Draft:
    """A row read: what is to stand in the table."""

    code: str
    name: str
    region_code: str
    parent_code: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluatorRow:
    """A third party that evaluates, by its 统一社会信用代码."""

    code: str
    name: str
    region_code: str


Row = TypeVar("Row", BureauRow, SchoolRow, VendorRow, EvaluatorRow)


def record_bureaus(
    unit: Unit, rows: Sequence[BureauRow], *, is_sample: bool = False
) -> list[RowOutcome]:
    """Record bureaus, one per region below the actor's; return each row's fate, in order."""
    unit.actor.require("record bureaus", *ORGANISATION_RECORDERS)
    lock_recording(unit)
    reach = _reach(unit, (row.region_code for row in rows))

    def read(row: BureauRow) -> _Draft:
        region_code = _require_region(row.region_code, reach)
        name = require_text(row.name, field="name")
        return _Draft(code=region_code, name=name, region_code=region_code)

    return _record(unit, OrganisationKind.BUREAU, rows, read=read, is_sample=is_sample)


def record_schools(
    unit: Unit, rows: Sequence[SchoolRow], *, is_sample: bool = False
) -> list[RowOutcome]:
    """Record schools and teaching points; a point's school may stand anywhere in the file."""
    unit.actor.require("record schools", *ORGANISATION_RECORDERS)
    lock_recording(unit)
    reach = _reach(unit, (row.region_code for row in rows))
    parents = {row.parent_code for row in rows if row.parent_code}
    schools = {row.code for row in rows if not row.parent_code}
    schools |= {
        school.code
        for school in unit.session.scalars(
            visible_organisations(unit, OrganisationKind.SCHOOL).where(
                Organisation.code.in_(parents), Organisation.parent_id.is_(None)
            )
        )
    }

    def read(row: SchoolRow) -> _Draft:
        if not SCHOOL_CODE.fullmatch(row.code):
            raise FieldError(
                InvalidInput(field="code", value=row.code, expected="10 digits"), field="code"
            )
        if row.parent_code and row.parent_code not in schools:
            raise FieldError(NotFound(what="school", key=row.parent_code), field="parent_code")
        for stage in row.stages:
            require_word(stage, SCHOOL_STAGES, field="stages")
        facts = {
            "stages": list(row.stages),
            "setting": row.setting and require_word(row.setting, SETTINGS, field="setting"),
            "small_rural": row.small_rural,
        }
        return _Draft(
            code=row.code,
            name=require_text(row.name, field="name"),
            region_code=_require_region(row.region_code, reach),
            parent_code=row.parent_code,
            facts=facts,
        )

    return _record(unit, OrganisationKind.SCHOOL, rows, read=read, is_sample=is_sample)


def record_vendors(
    unit: Unit, rows: Sequence[VendorRow], *, is_sample: bool = False
) -> list[RowOutcome]:
    """Record vendors; a teacher's school stands in the facts, by id and code (R30).

    A firm sells from wherever it is registered, so a bureau may record one of any known region.
    """
    unit.actor.require("record vendors", *ORGANISATION_RECORDERS)
    lock_recording(unit)
    codes = {row.region_code for row in rows}
    regions = set(unit.session.scalars(select(Region.code).where(Region.code.in_(codes))))
    schools = {
        school.code: school
        for school in unit.session.scalars(
            visible_organisations(unit, OrganisationKind.SCHOOL).where(
                Organisation.code.in_({row.school_code for row in rows if row.school_code})
            )
        )
    }

    def read(row: VendorRow) -> _Draft:
        require_word(row.vendor_kind, VENDOR_KINDS, field="vendor_kind")
        facts: dict[str, Any] = {"vendor_kind": row.vendor_kind}
        if row.vendor_kind == VendorKind.TEACHER:
            code = row.code.strip()
            if not TEACHER_CODE.fullmatch(code):
                raise FieldError(
                    InvalidInput(field="code", value=row.code, expected="T- and digits"),
                    field="code",
                )
            school = schools.get(row.school_code)
            if school is None:
                raise FieldError(NotFound(what="school", key=row.school_code), field="school_code")
            facts |= {"school_id": str(school.id), "school_code": school.code}
        else:
            code = _require_uscc(row.code)
        return _Draft(
            code=code,
            name=require_text(row.name, field="name"),
            region_code=_require_region(row.region_code, regions),
            facts=facts,
        )

    return _record(unit, OrganisationKind.VENDOR, rows, read=read, is_sample=is_sample)


def record_evaluators(
    unit: Unit, rows: Sequence[EvaluatorRow], *, is_sample: bool = False
) -> list[RowOutcome]:
    """Record third parties that evaluate; what they may do is an admission's matter."""
    unit.actor.require("record evaluators", *ORGANISATION_RECORDERS)
    lock_recording(unit)
    reach = _reach(unit, (row.region_code for row in rows))

    def read(row: EvaluatorRow) -> _Draft:
        return _Draft(
            code=_require_uscc(row.code),
            name=require_text(row.name, field="name"),
            region_code=_require_region(row.region_code, reach),
        )

    return _record(unit, OrganisationKind.EVALUATOR, rows, read=read, is_sample=is_sample)


SETTINGS = frozenset(Setting)
VENDOR_KINDS = frozenset(VendorKind)


def organisation_by_code(unit: Unit, kind: OrganisationKind, *, code: str) -> Organisation:
    """Return the organisation of this code; raise `NotFound`.

    Whoever the actor is: for services that decide themselves what may be done with it. Pages go
    through `visibility`.
    """
    found = organisations_by_code(unit, kind, [code]).get(code)
    if found is None:
        raise NotFound(what=kind.value, key=code)
    return found


def organisations_by_code(
    unit: Unit, kind: OrganisationKind, codes: Collection[str]
) -> dict[str, Organisation]:
    """Return the organisations of these codes by code, whoever the actor is."""
    found = unit.session.scalars(
        select(Organisation).where(Organisation.kind == kind, Organisation.code.in_(codes))
    )
    return {organisation.code: organisation for organisation in found}


def _reach(unit: Unit, codes: Iterable[str]) -> set[str]:
    return set(
        unit.session.scalars(
            visible_regions(unit).where(Region.code.in_(set(codes))).with_only_columns(Region.code)
        )
    )


def _require_region(code: str, known: set[str]) -> str:
    if code not in known:
        raise FieldError(NotFound(what="region", key=code), field="region_code")
    return code


def _require_uscc(code: str) -> str:
    compact = str(uscc.compact(code))
    if not uscc.is_valid(compact):
        raise FieldError(
            InvalidInput(
                field="code", value=code, expected="18 characters with the right check digit"
            ),
            field="code",
        )
    return compact


def _record(
    unit: Unit,
    kind: OrganisationKind,
    rows: Sequence[Row],
    *,
    read: Callable[[Row], _Draft],
    is_sample: bool,
) -> list[RowOutcome]:
    """Compare each row with what is known under its code; insert what is new, change what may."""
    drafts: list[_Draft | FieldError] = []
    for row in rows:
        try:
            drafts.append(read(row))
        except FieldError as error:
            drafts.append(error)
    good = [draft for draft in drafts if isinstance(draft, _Draft)]
    codes = {code for draft in good for code in (draft.code, draft.parent_code) if code}
    known = organisations_by_code(unit, kind, codes)
    code_of = {organisation.id: code for code, organisation in known.items()}
    recorded = {
        code: _Draft(
            code=code,
            name=organisation.name,
            region_code=organisation.region_code,
            parent_code=_parent_code(organisation, code_of),
            facts=organisation.facts,
        )
        for code, organisation in known.items()
    }
    changeable = set(
        unit.session.scalars(
            visible_organisations(unit, kind)
            .where(Organisation.code.in_(codes))
            .with_only_columns(Organisation.code)
        )
    )
    written: dict[str, _Draft] = {}
    outcomes: list[RowOutcome] = []
    for draft in drafts:
        if isinstance(draft, FieldError):
            outcomes.append(draft.outcome)
            continue
        before = written.get(draft.code) or recorded.get(draft.code)
        if before == draft:
            outcomes.append(DUPLICATE)
        elif before is not None and (
            _differs(draft, before)
            or draft.code in written  # two rows of one file: which of them is meant?
            or draft.code not in changeable
        ):
            taken = AlreadyExists(what=kind.value, key=draft.code)
            outcomes.append(conflicting(taken, field=_differs(draft, before) or "code"))
        else:
            written[draft.code] = draft
            outcomes.append(ACCEPTED)
    _write(unit, kind, written, known, is_sample=is_sample)
    return outcomes


def _parent_code(organisation: Organisation, code_of: dict[UUID, str]) -> str:
    if organisation.parent_id is None:
        return ""
    # A parent that no row names differs from whatever the rows say.
    return code_of.get(organisation.parent_id, str(organisation.parent_id))


def _differs(draft: _Draft, before: _Draft) -> str:
    """Return the field in which a row differs where it can't, empty if there is none."""
    fixed = ("region_code", "parent_code")
    return next((name for name in fixed if getattr(before, name) != getattr(draft, name)), "")


def _write(
    unit: Unit,
    kind: OrganisationKind,
    written: dict[str, _Draft],
    known: dict[str, Organisation],
    *,
    is_sample: bool,
) -> None:
    fresh = [draft for draft in written.values() if draft.code not in known]
    changed = [draft for draft in written.values() if draft.code in known]
    ids = {code: organisation.id for code, organisation in known.items()}
    ids |= {draft.code: new_id() for draft in fresh}
    if fresh:
        unit.session.execute(
            insert(Organisation),
            [
                {
                    "id": ids[draft.code],
                    "kind": kind,
                    "code": draft.code,
                    "name": draft.name,
                    "region_code": draft.region_code,
                    "parent_id": ids[draft.parent_code] if draft.parent_code else None,
                    "facts": draft.facts,
                    "is_sample": is_sample,
                }
                for draft in sorted(fresh, key=lambda draft: draft.parent_code != "")
            ],
        )
    for draft in changed:
        organisation = known[draft.code]
        record(
            unit,
            "organisation.changed",
            subject_kind=kind,
            subject_id=organisation.id,
            before={"name": organisation.name, "facts": organisation.facts},
            after={"name": draft.name, "facts": draft.facts},
        )
        organisation.name, organisation.facts = draft.name, draft.facts
    unit.session.flush()
