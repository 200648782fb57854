"""Steps of standings: who signs them, by what was seen since, and what a pack keeps running."""

from alembic import op

revision = "0029"
down_revision = "0026"
branch_labels = None
depends_on = None

# Beyond `standing_event_is_due` (R44), which fires first: a vendor has left once no pack with a
# part of the cell runs.
LAWFUL = """
CREATE FUNCTION standing_step_is_lawful() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    held standing%ROWTYPE;
    why text;
BEGIN
    SELECT * INTO held FROM standing WHERE id = NEW.standing_id;
    IF NEW.because = 'ended' THEN
        why := CASE WHEN EXISTS (
            SELECT FROM agreement a JOIN pack_part part ON part.pack_id = a.version_id
            JOIN version v ON v.id = part.version_id
            WHERE a.vendor_id = held.vendor_id AND a.state IN ('open', 'exhausted')
            AND v.stage || '/' || v.subject || '/' || v.type = held.cell
        ) THEN 'schools still finish their term' END;
    END IF;
    IF why IS NOT NULL THEN
        RAISE EXCEPTION 'standing %: % to % (%) is refused: %',
            NEW.standing_id, NEW.from_state, NEW.to_state, NEW.because, why
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER is_lawful BEFORE INSERT ON standing_event
    FOR EACH ROW EXECUTE FUNCTION standing_step_is_lawful();
"""


def upgrade() -> None:
    op.execute(LAWFUL)


def downgrade() -> None:
    op.execute("DROP TRIGGER is_lawful ON standing_event")
    op.execute("DROP FUNCTION standing_step_is_lawful")
