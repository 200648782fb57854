"""Use before the funds arrive: whether vendor and bureau agreed to it, and up to what (R25).

Off unless both say so. What they agreed is frozen for each year of an agreement that waits for its
money, when it is opened; what either of them takes back later stops launches from that day on and
touches nothing that was used. The caps are promised, like commitments, in the order of approval: so
neither a payer's nor the region's cap can be exceeded by use, whenever it comes in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import Select, func, insert, select

from kernel.actors import OrganisationKind, Role
from kernel.clock import shanghai_day
from kernel.errors import (
    EarlyUseTakenBack,
    EarlyUseUsedUp,
    InvalidInput,
    MarketError,
    Refused,
    YearNotFunded,
)
from kernel.identity.models import Organisation, RegionClosure
from kernel.identity.recording import among, lock_recording
from kernel.ids import new_id
from kernel.money import yuan
from kernel.trail import record
from kernel.unit import Unit
from settlement.early_use_models import (
    EarlyUseConsent,
    EarlyUseRule,
    Memorandum,
    MemorandumEntry,
)
from settlement.models import Agreement, CeilingEstimate, is_stated

IN_FORCE: Final = "in_force"
MAY_CONSENT: Final = (Role.VENDOR_MANAGER,)


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitingPart:
    """A year's part of an agreement that is being opened, which waits for its money."""

    agreement_id: UUID
    number: str
    payer_id: UUID
    vendor_id: UUID
    fiscal_year: int
    waiting_fen: int


def record_consent(unit: Unit, *, cap_fen: int, valid_from: date) -> bool:
    """Record what the acting vendor lets each agreement use before its money arrives.

    `cap_fen` 0 takes it back. Returns False if it is what holds from that day already. Raises
    `Refused` for anyone but a vendor's manager, `InvalidInput` for a day that is over.
    """
    act = "consent to use before the funds arrive"
    unit.actor.require(act, *MAY_CONSENT)
    vendor_id = unit.actor.organisation_id
    if unit.actor.organisation_kind is not OrganisationKind.VENDOR or vendor_id is None:
        raise Refused(act=act, needs=Role.VENDOR_MANAGER, actor=unit.actor.name)
    today = shanghai_day(unit.clock.now())
    if valid_from < today:
        raise InvalidInput(
            field="valid_from",
            value=valid_from.isoformat(),
            expected="{first} or later",
            limits={"first": today},
        )
    if cap_fen < 0:
        raise InvalidInput(field="cap_fen", value=yuan(cap_fen), expected="0 or more")
    lock_recording(unit)
    known = consents_on(unit, [vendor_id], day=valid_from).get(vendor_id)
    if (known.cap_fen if known else 0) == cap_fen:
        return False
    unit.session.add(
        EarlyUseConsent(
            id=new_id(),
            vendor_id=vendor_id,
            valid_from=valid_from,
            recorded_at=unit.clock.now(),
            recorded_by=unit.actor.name,
            cap_fen=cap_fen,
        )
    )
    record(
        unit,
        "early_use.consented" if cap_fen else "early_use.consent_taken_back",
        subject_kind="organisation",
        subject_id=vendor_id,
        cap_fen=cap_fen,
        valid_from=valid_from.isoformat(),
    )
    unit.session.flush()
    return True


def consents_on(
    unit: Unit, vendor_ids: Sequence[UUID], *, day: date
) -> dict[UUID, EarlyUseConsent]:
    """Return the consent that holds on a day, by vendor; who never gave one is left out."""
    rows = unit.session.scalars(
        select(EarlyUseConsent)
        .where(among(EarlyUseConsent.vendor_id, vendor_ids), EarlyUseConsent.valid_from <= day)
        .order_by(EarlyUseConsent.valid_from, EarlyUseConsent.recorded_at, EarlyUseConsent.id)
    )
    return {row.vendor_id: row for row in rows}


def consent_history(unit: Unit, vendor_id: UUID) -> Sequence[EarlyUseConsent]:
    """Return what a vendor consented to and took back, the latest day first."""
    return unit.session.scalars(
        select(EarlyUseConsent)
        .where(EarlyUseConsent.vendor_id == vendor_id)
        .order_by(
            EarlyUseConsent.valid_from.desc(),
            EarlyUseConsent.recorded_at.desc(),
            EarlyUseConsent.id.desc(),
        )
    ).all()


def rules_on(
    unit: Unit, payer_ids: Sequence[UUID], *, fiscal_year: int, day: date
) -> dict[UUID, EarlyUseRule]:
    """Return the rule on use of a fiscal year that holds on a day, by payer.

    The nearest region above the payer that has one decides; of its rules the latest.
    """
    rows = unit.session.execute(
        select(Organisation.id, EarlyUseRule)
        .join(RegionClosure, RegionClosure.region_code == Organisation.region_code)
        .join(EarlyUseRule, EarlyUseRule.region_code == RegionClosure.ancestor_code)
        .where(
            among(Organisation.id, payer_ids),
            EarlyUseRule.fiscal_year == fiscal_year,
            EarlyUseRule.valid_from <= day,
            EarlyUseRule.state == IN_FORCE,
        )
        .order_by(
            RegionClosure.distance.desc(),
            EarlyUseRule.valid_from,
            EarlyUseRule.decided_at,
            EarlyUseRule.id,
        )
    )
    return dict(rows.all())


def freeze_agreed(unit: Unit, parts: Sequence[WaitingPart]) -> None:
    """Freeze what vendor and bureau agree to today for parts that wait; in the order given.

    Nothing is written for a part that they don't agree on, or for which no cap has room.
    """
    if not parts:
        return
    today = shanghai_day(unit.clock.now())
    consents = consents_on(unit, [part.vendor_id for part in parts], day=today)
    consenting = [
        part for part in parts if part.vendor_id in consents and consents[part.vendor_id].cap_fen
    ]
    for year in sorted({part.fiscal_year for part in consenting}):
        of_year = [part for part in consenting if part.fiscal_year == year]
        payer_ids = [part.payer_id for part in of_year]
        lock_rules(unit, payer_ids, fiscal_year=year)
        rules = rules_on(unit, payer_ids, fiscal_year=year, day=today)
        for part in of_year:
            rule = rules.get(part.payer_id)
            if rule is None or not rule.total_cap_fen:
                continue
            _freeze(unit, part, rule, consents[part.vendor_id], today=today)


def lock_rules(unit: Unit, payer_ids: Sequence[UUID], *, fiscal_year: int) -> None:
    """Lock all rules on a year of the regions above payers, in id order, before one is chosen.

    So that two approvals don't promise the same room, nor one by a rule that another just replaced:
    what is about to be put into force is among them.
    """
    above = (
        select(RegionClosure.ancestor_code)
        .join(Organisation, Organisation.region_code == RegionClosure.region_code)
        .where(among(Organisation.id, payer_ids))
    )
    unit.session.execute(
        select(EarlyUseRule.id)
        .where(EarlyUseRule.fiscal_year == fiscal_year, EarlyUseRule.region_code.in_(above))
        .order_by(EarlyUseRule.id)
        .with_for_update()
    ).all()


def _freeze(
    unit: Unit,
    part: WaitingPart,
    rule: EarlyUseRule,
    consent: EarlyUseConsent,
    *,
    today: date,
) -> None:
    cap_fen = min(
        part.waiting_fen,
        consent.cap_fen,
        rule.payer_cap_fen - promised_fen(unit, part.fiscal_year, payer_id=part.payer_id),
        rule.total_cap_fen - promised_fen(unit, part.fiscal_year, region_code=rule.region_code),
    )
    if cap_fen <= 0:
        return
    unit.session.execute(
        insert(Memorandum).values(
            agreement_id=part.agreement_id,
            fiscal_year=part.fiscal_year,
            payer_id=part.payer_id,
            vendor_id=part.vendor_id,
            cap_fen=cap_fen,
            agreed_on=today,
            rule_id=rule.id,
            consent_id=consent.id,
        )
    )
    record(
        unit,
        "early_use.agreed",
        subject_kind="agreement",
        subject_id=part.agreement_id,
        number=part.number,
        fiscal_year=part.fiscal_year,
        cap_fen=cap_fen,
        rule=rule.number,
    )


def promised_fen(
    unit: Unit, fiscal_year: int, *, payer_id: UUID | None = None, region_code: str = ""
) -> int:
    """Return what memoranda of a year may come to: of a payer, or of all payers of a region.

    A cap is given back only by an agreement whose last day came to lie before the year.
    """
    wanted: Select[int | None] = (
        select(func.sum(Memorandum.cap_fen))
        .join_from(Memorandum, Agreement, Agreement.id == Memorandum.agreement_id)
        .where(
            Memorandum.fiscal_year == fiscal_year,
            Agreement.ends_on >= date(fiscal_year, 1, 1),
        )
    )
    if payer_id is not None:
        wanted = wanted.where(Memorandum.payer_id == payer_id)
    if region_code:
        wanted = (
            wanted.join(Organisation, Organisation.id == Memorandum.payer_id)
            .join(RegionClosure, RegionClosure.region_code == Organisation.region_code)
            .where(RegionClosure.ancestor_code == region_code)
        )
    return int(unit.session.scalar(wanted) or 0)


def why_stopped(unit: Unit, agreement: Agreement, *, day: date) -> MarketError | None:
    """Return why nothing may be launched of a year that waits for its money; None if it may.

    Both still have to agree on the day, and the memorandum needs room beside what runs. Look-ups
    by key, however much is used.
    """
    facts = {"number": agreement.number, "year": day.year}
    memorandum = unit.session.get(Memorandum, (agreement.id, day.year))
    if memorandum is None:
        return YearNotFunded(**facts)
    consent = consents_on(unit, [agreement.vendor_id], day=day).get(agreement.vendor_id)
    if consent is None or not consent.cap_fen:
        return EarlyUseTakenBack(by="vendor", **facts)
    rules = rules_on(unit, [agreement.payer_id], fiscal_year=day.year, day=day)
    rule = rules.get(agreement.payer_id)
    if rule is None or not rule.total_cap_fen:
        return EarlyUseTakenBack(by="bureau", **facts)
    used = standing_fen(unit, [memorandum])[agreement.id, day.year] + _running(
        unit, agreement, fiscal_year=day.year
    )
    if used >= memorandum.cap_fen:
        return EarlyUseUsedUp(cap_yuan=yuan(memorandum.cap_fen), **facts)
    return None


def standing_fen(unit: Unit, memoranda: Sequence[Memorandum]) -> Mapping[tuple[UUID, int], int]:
    """Return what stands in memoranda, by agreement and fiscal year."""
    found = {(one.agreement_id, one.fiscal_year): 0 for one in memoranda}
    for agreement_id, year, fen in unit.session.execute(
        select(
            MemorandumEntry.agreement_id,
            MemorandumEntry.fiscal_year,
            func.sum(MemorandumEntry.amount_fen),
        )
        .where(among(MemorandumEntry.agreement_id, [one.agreement_id for one in memoranda]))
        .group_by(MemorandumEntry.agreement_id, MemorandumEntry.fiscal_year)
    ):
        found[agreement_id, year] = int(fen)
    return found


def _running(unit: Unit, agreement: Agreement, *, fiscal_year: int) -> int:
    """Return what months that are not stated yet would bill, as last estimated."""
    running = unit.session.scalar(
        select(func.sum(CeilingEstimate.amount_fen)).where(
            CeilingEstimate.payer_id == agreement.payer_id,
            CeilingEstimate.agreement_id == agreement.id,
            CeilingEstimate.month.between(date(fiscal_year, 1, 1), date(fiscal_year, 12, 31)),
            ~is_stated(CeilingEstimate.payer_id, CeilingEstimate.month),
        )
    )
    return int(running or 0)
