"""Disputes of the sample county: one that was answered and decided, and one that still waits.

Decides who objects to what on which day of the sample's year. Each act may be repeated: what is
done is left as it is.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ScalarSelect, select

from kernel.clock import Month
from kernel.identity.models import Organisation
from kernel.unit import Units
from market.demo.county import SCHOOLS, VENDORS
from market.demo.deliveries import MONTHS
from market.demo.rehearsal import SYSTEM, person
from settlement.dispute_models import Dispute
from settlement.dispute_rules import DisputeOutcome, DisputeReason
from settlement.disputes import answer_dispute, decide_dispute, dispute_line
from settlement.models import Agreement, StatementLine

RAISED_AFTER = timedelta(days=2, hours=10)
ANSWERED_AFTER = timedelta(days=6, hours=15)
DECIDED_AFTER = timedelta(days=9, hours=11)
BOOKED_AFTER = timedelta(days=9, hours=17)
"""Counted from the first moment after the month, like the days of `run`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quarrel:
    """A school's objection to its largest line of a vendor in a month.

    What is claimed and credited is in parts of a hundred of the line.
    """

    month: Month
    school: str
    vendor: str
    reason: DisputeReason
    claim: str
    evidence: str
    claimed_percent: int
    answer: str = ""
    offered_percent: int = 0
    credit_percent: int = 0
    note: str = ""


QUARRELS = (
    Quarrel(
        month=MONTHS[0],
        school="shiyan",
        vendor="zhisui",
        reason=DisputeReason.SERVICE_INTERRUPTED,
        claim="3 月 16 日至 18 日平台多次打不开，学生反复点击，次数虚高，应扣减三成。",
        evidence="3 月 17 日机房值班记录：五年级两个班整节课无法进入练习",
        claimed_percent=70,
        answer="经查，3 月 17 日上午服务中断约 70 分钟，其余时段正常，同意退减一成。",
        offered_percent=10,
        credit_percent=20,
        note="服务日志与学校值班记录互相印证，中断期间的使用不应计费，退减两成。",
    ),
    Quarrel(
        month=MONTHS[-1],
        school="linxi",
        vendor="zhisui",
        reason=DisputeReason.QUANTITY_WRONG,
        claim="期末两周已停课复习，系统仍记录大量使用，请核对。",
        evidence="6 月 22 日至 30 日期末安排表",
        claimed_percent=60,
    ),
)


def raise_dispute(units: Units, month: Month) -> None:
    """Have the schools object to what they object to in this month."""
    for quarrel in _of(month):
        line = _line(units, quarrel)
        if line.state == "stated":
            with units(person(units, f"{quarrel.school}-finance")) as unit:
                dispute_line(
                    unit,
                    line.id,
                    reason=quarrel.reason,
                    claim=quarrel.claim,
                    claimed_fen=_part(line, quarrel.claimed_percent),
                    evidence=[quarrel.evidence],
                )


def answer(units: Units, month: Month) -> None:
    """Have the vendors answer those that they answered."""
    for quarrel in _of(month):
        line, dispute = _line(units, quarrel), _dispute(units, quarrel)
        if quarrel.answer and dispute.answered_at is None:
            with units(person(units, quarrel.vendor)) as unit:
                answer_dispute(
                    unit,
                    dispute.id,
                    answer=quarrel.answer,
                    offered_fen=_part(line, quarrel.offered_percent),
                )


def decide(units: Units, month: Month) -> None:
    """Have the county's bureau decide those that it decided."""
    for quarrel in _of(month):
        line, dispute = _line(units, quarrel), _dispute(units, quarrel)
        if quarrel.note and dispute.outcome is None:
            with units(person(units, "qinghe-finance")) as unit:
                decide_dispute(
                    unit,
                    dispute.id,
                    outcome=DisputeOutcome.UPHELD,
                    credit_fen=_part(line, quarrel.credit_percent),
                    note=quarrel.note,
                )


def is_decided(month: Month) -> bool:
    """Return whether a dispute of this month ends while the sample runs."""
    return any(quarrel.note for quarrel in _of(month))


def _of(month: Month) -> list[Quarrel]:
    return [one for one in QUARRELS if one.month == month]


def _part(line: StatementLine, percent: int) -> int:
    return line.amount_fen * percent // 100


def _line(units: Units, quarrel: Quarrel) -> StatementLine:
    """Return the school's largest line of the vendor's resources in the month."""
    payer = next(one.code for one in SCHOOLS if one.slug == quarrel.school)
    vendor = next(one.code for one in VENDORS if one.slug == quarrel.vendor)
    with units(SYSTEM) as unit:
        return unit.session.scalars(
            select(StatementLine)
            .join(Agreement, Agreement.id == StatementLine.agreement_id)
            .where(
                StatementLine.month == quarrel.month,
                StatementLine.payer_id == _organisation(payer),
                StatementLine.vendor_id == _organisation(vendor),
            )
            .order_by(StatementLine.amount_fen.desc(), Agreement.number)
            .limit(1)
        ).one()


def _organisation(code: str) -> ScalarSelect[UUID]:
    return select(Organisation.id).where(Organisation.code == code).scalar_subquery()


def _dispute(units: Units, quarrel: Quarrel) -> Dispute:
    line = _line(units, quarrel)
    with units(SYSTEM) as unit:
        return unit.session.scalars(select(Dispute).where(Dispute.line_id == line.id)).one()
