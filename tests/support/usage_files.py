"""Files of usage, how they are imported, and what became of their rows."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import func, select

from kernel.actors import Role, system_actor
from kernel.unit import Units
from market.imports.maps import NO_MAP, FieldMap
from market.imports.tally import Rejects, Tally
from market.imports.usage import Delivery, import_usage
from settlement.agreements import AgreementDraft, open_agreement
from settlement.metering.sources import admit_source
from tests.support.builders import (
    a_learner,
    a_listed_version,
    a_person,
    a_region_tree,
    a_resource,
    a_school,
    a_vendor,
    acting_as,
)
from tests.support.settlement_builders import FREE_TERMS

SYSTEM = system_actor("test")
HEADER = "event_id,time,school_code,learner,vendor_code,sku,session,quantity\n"
RowMaker: TypeAlias = Callable[..., str]


def a_maker_of_rows(units: Units) -> RowMaker:
    """Make a school that may use one resource; return a maker of rows for it."""
    with units(SYSTEM) as unit:
        bureau = a_region_tree(unit)
        school, vendor = a_school(unit), a_vendor(unit)
        resource = a_resource(unit, vendor, "A", unit_price="0")
        a_learner(unit, school, "L1")
        open_agreement(
            unit,
            AgreementDraft(
                number="N-1",
                payer_id=school.id,
                vendor_id=vendor.id,
                resource_id=resource,
                version_id=a_listed_version(unit, resource),
                terms=FREE_TERMS,
                ceiling_fen=0,
                starts_on=date(2026, 3, 1),
                ends_on=date(2026, 6, 30),
                school_ids=[school.id],
            ),
        )
        with acting_as(unit, a_person(unit, bureau, [Role.ADMISSION])):
            admit_source(unit, code="log", name="日志", trust="attested")
            admit_source(unit, code="player", name="播放器", trust="player")

    def make(
        event: object,
        *,
        time: str = "2026-03-02T08:30:00",
        learner: str = "L1",
        quantity: str = "1",
    ) -> str:
        return f"{event},{time},{school.code},{learner},{vendor.code},A,,{quantity}\n"

    return make


def import_file(
    units: Units,
    path: Path,
    *,
    rejects: Path | None = None,
    field_map: FieldMap = NO_MAP,
    dry_run: bool = False,
    source: str = "log",
    resumed: list[int] | None = None,
) -> Tally:
    with Rejects(rejects) as gathered:
        return import_usage(
            units,
            SYSTEM,
            Delivery(path=path, source_code=source, field_map=field_map, dry_run=dry_run),
            rejects=gathered,
            on_resume=(resumed if resumed is not None else []).append,
        )


def a_file(tmp_path: Path, text: str, name: str = "usage.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def count_of(units: Units, model: type) -> int:
    with units(SYSTEM) as unit:
        return unit.session.scalar(select(func.count()).select_from(model)) or 0


def adds_up(tally: Tally) -> bool:
    parts = tally.accepted + tally.duplicates + tally.conflicts + sum(tally.quarantined.values())
    return parts == tally.received
