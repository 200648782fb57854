"""The checks of the whole house: settlement's, and what was signed against who uses and pays.

Decides what procurement's own records say of an agreement: for whom a bulk purchase was signed and
with which ceilings. Everything else of an agreement is checked in `settlement.verify`.
"""

from collections.abc import Iterator

from sqlalchemy import text

from kernel.actors import Actor
from kernel.money import yuan
from kernel.unit import Unit, Units
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


def verify(units: Units, actor: Actor) -> list[str]:
    """Run settlement's checks and these; see `settlement.verify.recompute.verify`."""
    return recompute.verify(units, actor, also=CHECKS)


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


CHECKS: tuple[recompute.Check, ...] = (check_users,)
