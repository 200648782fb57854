"""Who may sign against a vendor in a cell: the bureau that answers for all that was let in there.

Whoever lets a resource in answers for it (R10), for it and no more: a county that let one resource
in does not judge what a vendor sells elsewhere. Where bureaus of several regions let something of
the cell in, the nearest bureau above all of them signs, and those above it may; where none with a
reviewer lies above all, each that let something in. Where none did, the topmost bureau does.

What was withdrawn is let in no more once no agreement on it, or on a pack with it, runs: a vendor
chooses no judge by what it takes back while schools use it. Once a notice stands, who answers is
who answered when it was issued: what is let in, withdrawn or ends afterwards changes nothing. The
database keeps the same rule (`answers_for_standing`, 0051).
"""

from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select, text
from sqlalchemy.orm import InstrumentedAttribute

from catalog.models import Admission, Resource, Version
from catalog.states import AdmissionState
from kernel.errors import Refused
from kernel.unit import Unit
from settlement.ranking.models import Standing

Named = ColumnElement[UUID] | InstrumentedAttribute[UUID] | UUID
Cell = ColumnElement[str] | InstrumentedAttribute[str] | str
NEEDED = "a reviewer of the bureau that answers for all that was let in here"

ANSWERS: Final = text(
    """
WITH noticed AS (
    SELECT max(n.issued_at) AS at FROM standing s JOIN standing_notice n ON n.standing_id = s.id
    WHERE s.vendor_id = :vendor AND s.cell = :cell
        AND s.state IN ('probation', 'no_new_schools', 'exiting', 'left')
), let_in AS (
    SELECT DISTINCT o.region_code FROM noticed CROSS JOIN resource r
    JOIN version v ON v.resource_id = r.id
        AND v.stage || '/' || v.subject || '/' || v.type = :cell
    JOIN admission m ON m.version_id = v.id AND m.state = 'admitted'
    JOIN organisation o ON o.id = m.bureau_id
    WHERE r.vendor_id = :vendor AND (noticed.at IS NULL OR m.decided_at <= noticed.at)
        AND (v.state IN ('listed', 'suspended') OR EXISTS (
            SELECT FROM trail t WHERE t.subject_id = CAST(v.id AS text)
            AND t.subject_kind = 'version' AND t.act = 'version.withdrawn' AND t.at > noticed.at)
            OR EXISTS (
                SELECT FROM agreement a WHERE a.vendor_id = r.vendor_id
                AND (a.version_id = v.id OR EXISTS (
                    SELECT FROM pack_part part
                    WHERE part.pack_id = a.version_id AND part.version_id = v.id))
                AND a.opened_at <= COALESCE(noticed.at, :at)
                AND a.ends_on >=
                    CAST(COALESCE(noticed.at, :at) AT TIME ZONE 'Asia/Shanghai' AS date)))
), above AS (
    SELECT b.region_code FROM organisation b WHERE b.kind = 'bureau'
    AND EXISTS (
        SELECT FROM role_grant g WHERE g.organisation_id = b.id AND g.role = 'admission'
        AND g.granted_from <= :at AND (g.granted_until IS NULL OR g.granted_until > :at))
    AND NOT EXISTS (SELECT FROM let_in l WHERE NOT EXISTS (
        SELECT FROM region_closure c
        WHERE c.ancestor_code = b.region_code AND c.region_code = l.region_code))
)
SELECT CASE
    WHEN NOT EXISTS (SELECT FROM let_in) THEN NOT EXISTS (
        SELECT FROM region_closure c JOIN organisation higher
            ON higher.region_code = c.ancestor_code AND higher.kind = 'bureau'
        WHERE c.region_code = :region AND c.distance > 0)
    WHEN EXISTS (SELECT FROM above) THEN :region IN (SELECT region_code FROM above)
    ELSE :region IN (SELECT region_code FROM let_in)
END
"""
)


def let_in(vendor_id: Named, cell: Cell) -> Select[UUID]:
    """Select the bureaus that ever let something of a vendor's in, in a cell: who sees it."""
    return (
        select(Admission.bureau_id)
        .join(Version, Version.id == Admission.version_id)
        .join(Resource, Resource.id == Version.resource_id)
        .where(
            Resource.vendor_id == vendor_id,
            Version.stage + "/" + Version.subject + "/" + Version.type == cell,
            Admission.state == AdmissionState.ADMITTED,
        )
    )


def answers_for(unit: Unit, vendor_id: UUID, *, cell: str) -> bool:
    """Return whether the acting bureau answers for what was let in of a vendor's in a cell."""
    return bool(
        unit.session.scalar(
            ANSWERS,
            {
                "vendor": vendor_id,
                "cell": cell,
                "region": unit.actor.region_code,
                "at": unit.clock.now(),
            },
        )
    )


def require_answer_for(unit: Unit, standing: Standing, act: str) -> None:
    """Raise `Refused` unless the acting bureau answers for a standing."""
    if not answers_for(unit, standing.vendor_id, cell=standing.cell):
        raise Refused(act=act, needs=NEEDED, actor=unit.actor.name)
