"""The main job on the sample county: a term's months, each delivered, closed, confirmed and posted;
then what the schools select for the term after it, in which they open resources today.

Decides what happens on which day of the sample's year, not what it means: use comes through the
import, a month is closed by settlement, lines are confirmed by each school's finance person. It may
be stopped and repeated; what is done is not done again, and the outcome is the same.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import exists, func, or_, select

from kernel.clock import SHANGHAI, Month, next_month, show_month
from kernel.unit import Unit, Units
from market.confirming import confirm_for_payers
from market.demo import invoices, quarrels
from market.demo.articles import read_articles
from market.demo.county import YEAR
from market.demo.deliveries import MONTHS, Delivery, deliveries
from market.demo.desk import act_at_the_desk
from market.demo.early_use import agree
from market.demo.openings import open_in_class
from market.demo.opinions import say, use_in_class
from market.demo.payments import PAID_AFTER, paid_summary, pay_month
from market.demo.people import departure_rows
from market.demo.rehearsal import (
    BULK_STEP,
    SYSTEM,
    VIA,
    Progress,
    mark_done,
    no_progress,
    on_day,
    person,
    sign_what_is_due,
    steps_done,
    take_in,
    written,
)
from market.demo.selections import autumn_rows
from market.imports.maps import FieldMap, UsageSection
from market.imports.registry import MASTER_KINDS
from market.imports.tally import Rejects
from market.imports.usage import Delivery as UsageFile
from market.imports.usage import import_usage
from settlement.closing import settle
from settlement.metering.models import UsageBatch, UsageTally
from settlement.ranking.ranking import rank
from settlement.ranking.runs import last_run
from settlement.signals import publish
from settlement.summaries import period_summary

DELIVERED_AFTER = timedelta(hours=8)
CLOSED_AFTER = timedelta(days=1, hours=9)
CONFIRMED_AFTER = timedelta(days=3, hours=10)
POSTED_AFTER = timedelta(days=3, hours=17)
SAID_AFTER = timedelta(days=11, hours=16)
RANKED_AFTER = timedelta(days=12, hours=9)
"""Counted from the first moment after the month, in Asia/Shanghai."""
AUTUMN = "autumn"
AUTUMN_ASKED_AT = datetime(YEAR, 8, 28, 9, 0, tzinfo=SHANGHAI)
AUTUMN_SIGNED_AT = datetime(YEAR, 8, 31, 15, 30, tzinfo=SHANGHAI)


def run_demo(units: Units, *, progress: Progress = no_progress) -> dict[str, Any]:
    """Carry the sample county from its first use to its last fen; return the summary (JSON).

    The top level is the last month closed, `periods` are all of them in the order of time.
    `undated` counts the rows that belong to none: their time can't be read, or can't be true.
    """
    with units(SYSTEM) as unit:
        bought = BULK_STEP in steps_done(unit)
    arriving = [one for one in deliveries() if bought or not one.of_bulk]
    for number, month in enumerate(MONTHS):
        progress(show_month(month), number, len(MONTHS))
        open_in_class(units, month)
        use_in_class(units, month)
        _deliver(units, month, [one for one in arriving if one.month == month])
        _close(units, month)
    _select_for_autumn(units)
    act_at_the_desk(units)
    read_articles(units)
    with units(SYSTEM) as unit:
        publish(unit)
    progress("complete", len(MONTHS), len(MONTHS))
    with units(SYSTEM) as unit:
        periods = [period_summary(unit, month) for month in MONTHS]
        undated = _undated(unit)
    payments = paid_summary(units)
    return {**periods[-1], "periods": periods, "undated": undated, "payments": payments}


def _select_for_autumn(units: Units) -> None:
    """Have the schools request and sign for the next term, once; some use it before the funds."""
    with units(SYSTEM) as unit:
        if AUTUMN in steps_done(unit):
            return
    agree(units)
    take_in(on_day(units, AUTUMN_ASKED_AT), MASTER_KINDS["selections"], autumn_rows())
    sign_what_is_due(on_day(units, AUTUMN_SIGNED_AT))
    with units(SYSTEM) as unit:
        mark_done(unit, AUTUMN)


def _undated(unit: Unit) -> dict[str, Any]:
    """Return received = quarantined of the sample's rows that fall into none of its months."""
    rows = unit.session.execute(
        select(UsageTally.reason, func.sum(UsageTally.rows))
        .join(UsageBatch, UsageBatch.id == UsageTally.batch_id)
        .where(
            UsageBatch.sent_by == SYSTEM.name,
            or_(UsageTally.month.is_(None), UsageTally.month.not_in(MONTHS)),
            UsageTally.outcome == "quarantined",
        )
        .group_by(UsageTally.reason)
        .order_by(UsageTally.reason)
    )
    quarantined = {reason: int(count) for reason, count in rows}
    return {"received": sum(quarantined.values()), "quarantined": quarantined}


def _deliver(units: Units, month: Month, arriving: Sequence[Delivery]) -> None:
    """Bring who left in the month, and the use that arrives after its end."""
    then = _after(units, month, DELIVERED_AFTER)
    departures = departure_rows(month)
    if departures:
        take_in(then, MASTER_KINDS["roster"], departures)
    for delivery in arriving:
        if not _is_taken_in(then, delivery):
            _import(then, delivery)


def _is_taken_in(units: Units, delivery: Delivery) -> bool:
    """Return whether the whole delivery is in the books: a second import would count it twice."""
    with units(SYSTEM) as unit:
        return bool(
            unit.session.scalar(
                select(
                    exists().where(
                        UsageBatch.file_name == delivery.file_name,
                        UsageBatch.sent_by == SYSTEM.name,
                        UsageBatch.finished_at.is_not(None),
                    )
                )
            )
        )


def _import(units: Units, delivery: Delivery) -> None:
    section = UsageSection(pre_counted=delivery.pre_counted)
    with (
        written(delivery.rows, file_name=delivery.file_name) as path,
        Rejects(None) as rejects,
    ):
        file = UsageFile(path=path, source_code=delivery.source, field_map=FieldMap(usage=section))
        import_usage(units, SYSTEM, file, rejects=rejects)


def _close(units: Units, month: Month) -> None:
    """Close the month, have every payer confirm or object, and close what was confirmed.

    What a dispute decided is booked by one more close.
    """
    then = _after(units, month, CLOSED_AFTER)
    operator = person(then, "qinghe-operator")
    settle(then, operator, month)
    invoices.issue(_after(units, month, invoices.ISSUED_AFTER), month)
    quarrels.raise_dispute(_after(units, month, quarrels.RAISED_AFTER), month)
    confirm_for_payers(_after(units, month, CONFIRMED_AFTER), month, via=VIA)
    settle(_after(units, month, POSTED_AFTER), operator, month)
    quarrels.answer(_after(units, month, quarrels.ANSWERED_AFTER), month)
    quarrels.decide(_after(units, month, quarrels.DECIDED_AFTER), month)
    if quarrels.is_decided(month):
        settle(_after(units, month, quarrels.BOOKED_AFTER), operator, month)
        invoices.correct(_after(units, month, invoices.CORRECTED_AFTER), month)
    pay_month(_after(units, month, PAID_AFTER), month)
    say(_after(units, month, SAID_AFTER), month)
    _rank(_after(units, month, RANKED_AFTER), month)


def _rank(units: Units, month: Month) -> None:
    """Rank the month, as a reviewer of the bureau does; what was ranked stays as it is."""
    with units(person(units, "qinghe-admission")) as unit:
        if last_run(unit, month) is None:
            rank(unit, month)


def _after(units: Units, month: Month, delay: timedelta) -> Units:
    day: date = next_month(month)
    return on_day(units, datetime(day.year, day.month, day.day, tzinfo=SHANGHAI) + delay)
