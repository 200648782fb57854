"""The checks of the whole house: settlement's, and what was signed against who uses and pays.

Decides what procurement's own records say of an agreement: for whom a bulk purchase was signed and
with which ceilings, what was proposed and checked since, and whether the lines that pay may do so.
Everything else of an agreement is checked in `settlement.verify`.
"""

from collections.abc import Iterator
from itertools import groupby
from uuid import UUID

from sqlalchemy import func, select, text

from catalog.attachments.checking import check_files
from catalog.attachments.vault import open_vault
from catalog.models import Version
from kernel.actors import Actor
from kernel.identity.models import Organisation
from kernel.money import yuan
from kernel.unit import Unit, Units
from procurement.bulk_school_proposals import schools_wish
from procurement.bulk_users import users_of_agreements
from procurement.funding.plan import may_pay
from procurement.proposal_models import RecordProposal
from procurement.purses import purpose_of
from procurement.record_proposals import RecordKind, RecordState
from settlement.agreement_models import AgreementSchoolChange
from settlement.agreement_schools import SchoolWish
from settlement.line_names import line_title
from settlement.models import Agreement, AgreementDraw, AgreementSchool, FundingLine
from settlement.verify import recompute

# Of bulk purchases: the schools that were signed for and those that joined, with what changes made
# of their ceilings, against those that use the agreement. Others are used by the payer itself.
USERS_THAT_DIFFER = text(
    """
WITH bulk AS (
    SELECT id, agreement_id FROM selection WHERE kind = 'bulk' AND state = 'approved'
), parts AS (
    SELECT b.agreement_id, p.school_id, p.ceiling_fen, true AS lets_in
    FROM bulk b JOIN selection_school p ON p.selection_id = b.id
    UNION ALL
    SELECT c.agreement_id, c.school_id, c.ceiling_fen, c.kind = 'added'
    FROM bulk b JOIN agreement_school_change c ON c.agreement_id = b.agreement_id
), made AS (
    SELECT agreement_id, school_id, sum(ceiling_fen) AS ceiling_fen FROM parts
    GROUP BY agreement_id, school_id HAVING bool_or(lets_in)
), stored AS (
    SELECT g.agreement_id, g.school_id, g.ceiling_fen
    FROM bulk b JOIN agreement_school g ON g.agreement_id = b.agreement_id
)
SELECT a.number AS agreement, o.code AS school, s.school_id IS NOT NULL AS uses,
    m.school_id IS NOT NULL AS signed, COALESCE(s.ceiling_fen, 0) AS stored,
    COALESCE(m.ceiling_fen, 0) AS made
FROM made m FULL JOIN stored s
    ON s.agreement_id = m.agreement_id AND s.school_id = m.school_id
JOIN agreement a ON a.id = COALESCE(s.agreement_id, m.agreement_id)
JOIN organisation o ON o.id = COALESCE(s.school_id, m.school_id)
WHERE s.ceiling_fen IS DISTINCT FROM m.ceiling_fen
    OR (s.school_id IS NULL) <> (m.school_id IS NULL)
UNION ALL
SELECT a.number, o.code, true, false, COALESCE(g.ceiling_fen, 0), 0
FROM selection s JOIN agreement a ON a.id = s.agreement_id
JOIN agreement_school g ON g.agreement_id = a.id JOIN organisation o ON o.id = g.school_id
WHERE s.kind IN ('purchase', 'trial', 'renewal') AND s.state = 'approved'
    AND o.id <> a.payer_id AND o.parent_id IS DISTINCT FROM a.payer_id
ORDER BY agreement, school
"""
)

# By agreement and line that a year's end freed: schools (of a point its school) of which nobody
# used it before.
JOINED_AFTER_FREEING = text(
    """
WITH freed AS (
    SELECT f.agreement_id, e.line_id, min(e.ended_at) AS at
    FROM freed_commitment f JOIN line_end e ON e.id = f.end_id GROUP BY f.agreement_id, e.line_id
), users AS (
    SELECT f.agreement_id, f.line_id, COALESCE(p.code, o.code) AS code, f.at AS freed_at,
        (SELECT CASE (array_agg(c.kind ORDER BY c.number))[1] WHEN 'added' THEN min(c.at) END
         FROM agreement_school_change c WHERE c.agreement_id = g.agreement_id
         AND c.school_id = g.school_id AND c.kind <> 'ceiling') AS joined_at
    FROM freed f JOIN agreement_school g ON g.agreement_id = f.agreement_id
    JOIN organisation o ON o.id = g.school_id LEFT JOIN organisation p ON p.id = o.parent_id
)
SELECT agreement_id, line_id, code FROM users
GROUP BY agreement_id, line_id, code, freed_at
HAVING bool_and(COALESCE(joined_at > freed_at, false))
"""
)


def verify(units: Units, actor: Actor, *, files: bool = False) -> list[str]:
    """Run settlement's checks, these, and that attached files are there; see `recompute.verify`.

    `files`: read them, too, and compare their digests.
    """
    findings = recompute.verify(units, actor, also=CHECKS)
    findings.extend(check_files(units, actor, open_vault(units.settings), whole=files))
    return findings


def check_users(unit: Unit) -> Iterator[str]:
    """Compare who uses an agreement, up to what, with who was signed for or joined (R24)."""
    for row in unit.session.execute(USERS_THAT_DIFFER):
        if not row.signed:
            yield (
                f"agreement {row.agreement}: school {row.school} uses it, with a ceiling of "
                f"{yuan(row.stored)}, and nobody signed for it"
            )
        elif not row.uses:
            yield f"agreement {row.agreement}: school {row.school} was signed for, but is not in it"
        else:
            yield (
                f"agreement {row.agreement}: ceiling of school {row.school} is "
                f"{yuan(row.stored)}, what was signed and changed makes {yuan(int(row.made))}"
            )


def check_proposals(unit: Unit) -> Iterator[str]:
    """Compare changes of schools with the proposals that they name (R22, R24).

    Those of before two people were asked name none, which the table lets nobody do any more.
    """
    change = AgreementSchoolChange
    # The own ceiling after a change: what it is now, less what later ones made of it.
    upto = func.sum(change.ceiling_fen).over(
        partition_by=(change.agreement_id, change.school_id), order_by=change.number.desc()
    )
    rows = unit.session.execute(
        select(
            Agreement,
            Organisation.code,
            change,
            RecordProposal,
            AgreementSchool.ceiling_fen - (upto - change.ceiling_fen),
        )
        .join(Agreement, Agreement.id == change.agreement_id)
        .join(Organisation, Organisation.id == change.school_id)
        .join(
            AgreementSchool,
            (AgreementSchool.agreement_id == change.agreement_id)
            & (AgreementSchool.school_id == change.school_id),
        )
        .outerjoin(RecordProposal, RecordProposal.number == change.reference)
        .order_by(Agreement.number, change.reference, Organisation.code, change.number)
    ).all()
    proposed = [row for row in rows if row[2].kind != "declined" and row[2].reference]
    for (number, reference, code), group in groupby(
        proposed, key=lambda row: (row[0].number, row[2].reference, row[1])
    ):
        found = list(group)
        agreement, _, _, proposal, after_fen = found[-1]
        if proposal is None or not _was_checked(agreement, proposal):
            yield (
                f"agreement {number}: a change of school {code} names {reference}, which no second "
                "person checked for it"
            )
            continue
        days = [row[2].from_day for row in found if row[2].kind == "added"]
        made = SchoolWish(
            code=code, ceiling_fen=int(after_fen or 0), from_day=days[0] if days else None
        )
        if made not in schools_wish(proposal.content).schools:
            yield f"agreement {number}: school {code} was changed otherwise than {reference} says"


def _was_checked(agreement: Agreement, proposal: RecordProposal) -> bool:
    return (
        proposal.kind == RecordKind.BULK_SCHOOLS
        and proposal.state == RecordState.RECORDED
        and proposal.decided_by is not None
        and proposal.decided_by != proposal.made_by
        and proposal.bureau_id == agreement.payer_id
        and schools_wish(proposal.content).agreement_number == agreement.number
    )


def check_earmarks(unit: Unit) -> Iterator[str]:
    """Name money that may not pay for what its agreement is for, or for all who use it (R18).

    A line on which nothing is committed pays for nobody; one that a year's end freed paid for
    those who used it by then.
    """
    rows = unit.session.execute(
        select(Agreement, Organisation, Version, FundingLine)
        .join(AgreementDraw, AgreementDraw.agreement_id == Agreement.id)
        .join(FundingLine, FundingLine.id == AgreementDraw.line_id)
        .join(Organisation, Organisation.id == Agreement.payer_id)
        .join(Version, Version.id == Agreement.version_id)
        .where(FundingLine.restriction != {}, AgreementDraw.ceiling_fen > 0)
        .order_by(Agreement.number, AgreementDraw.position)
    ).all()
    users = users_of_agreements(unit, {agreement.id for agreement, *_ in rows})
    later = _joined_after_freeing(unit)
    for agreement, payer, version, line in rows:
        used_by = users.get(agreement.id, frozenset()) - later.get((agreement.id, line.id), set())
        if not may_pay(line.restriction, purpose_of(payer, version, users=used_by)):
            title = line_title(payer.code, line.fiscal_year, line.source, line.restriction)
            yield f"agreement {agreement.number}: {title} may not pay for it, or not for all users"


def _joined_after_freeing(unit: Unit) -> dict[tuple[UUID, UUID], set[str]]:
    """Return by (agreement, line) the schools that joined after the line's commitment was freed."""
    found: dict[tuple[UUID, UUID], set[str]] = {}
    for row in unit.session.execute(JOINED_AFTER_FREEING):
        found.setdefault((row.agreement_id, row.line_id), set()).add(row.code)
    return found


CHECKS: tuple[recompute.Check, ...] = (check_users, check_proposals, check_earmarks)
