"""What was withdrawn counts as let in while schools finish their agreements on it."""

from alembic import op

revision = "0051"
down_revision = "0049"
branch_labels = None
depends_on = None

# As before (0033), but for `{agreed_on}`; as `settlement.ranking.jurisdiction` has it.
ANSWERS = """
CREATE OR REPLACE FUNCTION answers_for_standing(who uuid, standing_id uuid, at timestamptz)
RETURNS boolean LANGUAGE sql STABLE AS $$
    WITH noticed AS (
        SELECT max(n.issued_at) AS at FROM standing s
        JOIN standing_notice n ON n.standing_id = s.id
        WHERE s.id = $2 AND s.state IN ('probation', 'no_new_schools', 'exiting', 'left')
    ), let_in AS (
        SELECT DISTINCT o.region_code FROM noticed CROSS JOIN standing s
        JOIN resource r ON r.vendor_id = s.vendor_id
        JOIN version v ON v.resource_id = r.id
            AND v.stage || '/' || v.subject || '/' || v.type = s.cell
        JOIN admission m ON m.version_id = v.id AND m.state = 'admitted'
        JOIN organisation o ON o.id = m.bureau_id
        WHERE s.id = $2 AND (noticed.at IS NULL OR m.decided_at <= noticed.at)
            AND (v.state IN ('listed', 'suspended') OR EXISTS (
                SELECT FROM trail t WHERE t.subject_id = CAST(v.id AS text)
                AND t.subject_kind = 'version' AND t.act = 'version.withdrawn'
                AND t.at > noticed.at){agreed_on})
    ), reviewing AS (
        SELECT b.region_code, g.person_id FROM role_grant g
        JOIN organisation b ON b.id = g.organisation_id AND b.kind = 'bureau'
        WHERE g.role = 'admission' AND g.granted_from <= $3
            AND (g.granted_until IS NULL OR g.granted_until > $3)
    ), above AS (
        SELECT region_code, person_id FROM reviewing b
        WHERE NOT EXISTS (SELECT FROM let_in l WHERE NOT EXISTS (
            SELECT FROM region_closure c
            WHERE c.ancestor_code = b.region_code AND c.region_code = l.region_code))
    )
    SELECT CASE
        WHEN NOT EXISTS (SELECT FROM let_in) THEN EXISTS (
            SELECT FROM reviewing b WHERE b.person_id = $1 AND NOT EXISTS (
                SELECT FROM region_closure c JOIN organisation higher
                    ON higher.region_code = c.ancestor_code AND higher.kind = 'bureau'
                WHERE c.region_code = b.region_code AND c.distance > 0))
        WHEN EXISTS (SELECT FROM above) THEN EXISTS (SELECT FROM above WHERE person_id = $1)
        ELSE EXISTS (
            SELECT FROM reviewing b WHERE b.person_id = $1
            AND b.region_code IN (SELECT l.region_code FROM let_in l))
    END
$$;
"""
# Then: at the notice's moment, or now where none stands.
AGREED_ON = """ OR EXISTS (
                SELECT FROM agreement a WHERE a.vendor_id = r.vendor_id
                AND (a.version_id = v.id OR EXISTS (
                    SELECT FROM pack_part part
                    WHERE part.pack_id = a.version_id AND part.version_id = v.id))
                AND a.opened_at <= COALESCE(noticed.at, $3)
                AND a.ends_on >= (COALESCE(noticed.at, $3) AT TIME ZONE 'Asia/Shanghai')::date)"""


def upgrade() -> None:
    op.execute(ANSWERS.format(agreed_on=AGREED_ON))


def downgrade() -> None:
    op.execute(ANSWERS.format(agreed_on=""))
