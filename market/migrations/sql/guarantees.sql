-- Guarantees that code alone must not be trusted with. Each function says which rule it keeps.

-- Append-only: what is recorded is corrected by a later row, never changed or removed.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'trail', 'trail_link', 'transfer', 'leg', 'offer', 'quota', 'funding_rule', 'census',
        'allocation', 'agreement_draw', 'agreement_school', 'statement', 'statement_breakdown',
        'statement_draw', 'usage_identity', 'usage_event'
    ] LOOP
        EXECUTE format('CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON %I
                        FOR EACH ROW EXECUTE FUNCTION refuse_change()', name);
        EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['account', 'agreement', 'statement_line', 'version', 'period'] LOOP
        EXECUTE format('CREATE TRIGGER refuse_delete BEFORE DELETE ON %I
                        FOR EACH ROW EXECUTE FUNCTION refuse_change()', name);
        EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
    END LOOP;
END $$;

-- Only the named columns may change; TG_ARGV lists them.
CREATE FUNCTION refuse_other_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) - TG_ARGV <> to_jsonb(OLD) - TG_ARGV THEN
        RAISE EXCEPTION '% %: only % may change', TG_TABLE_NAME, OLD.id, array_to_string(TG_ARGV, ', ')
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER frozen_terms BEFORE UPDATE ON agreement
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes('state');
CREATE TRIGGER frozen_amounts BEFORE UPDATE ON statement_line
    FOR EACH ROW EXECUTE FUNCTION refuse_other_changes('state', 'confirmed_at', 'confirmed_by');
CREATE TRIGGER frozen_content BEFORE UPDATE ON version
    FOR EACH ROW WHEN (OLD.state <> 'draft')
    EXECUTE FUNCTION refuse_other_changes('state');

-- A period only moves forward, and what was sealed stays sealed where it was.
CREATE FUNCTION period_moves_forward() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    states CONSTANT text[] := ARRAY['open', 'sealing', 'sealed', 'stated', 'posted', 'closed'];
BEGIN
    IF array_position(states, NEW.state) < array_position(states, OLD.state)
       OR (OLD.sealed_sequence IS NOT NULL AND NEW.sealed_sequence IS DISTINCT FROM OLD.sealed_sequence)
       OR (OLD.fingerprint IS NOT NULL AND NEW.fingerprint IS DISTINCT FROM OLD.fingerprint)
       OR NEW.payer_id <> OLD.payer_id OR NEW.month <> OLD.month THEN
        RAISE EXCEPTION 'period % of %: % to % is refused', OLD.month, OLD.payer_id, OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER moves_forward BEFORE UPDATE ON period
    FOR EACH ROW EXECUTE FUNCTION period_moves_forward();

-- The trail: rows wait for the sequencer, which chains them after their commit.
CREATE FUNCTION trail_waits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO trail_pending (trail_id) SELECT id FROM added;
    RETURN NULL;
END $$;
CREATE TRIGGER waits AFTER INSERT ON trail REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION trail_waits();

-- An account's balance moves only with its legs: from within their trigger, never by hand.
CREATE FUNCTION account_moves_with_legs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.balance <> 0 THEN
            RAISE EXCEPTION 'account %: opens at zero', NEW.id USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF pg_trigger_depth() < 2 OR to_jsonb(NEW) - 'balance' <> to_jsonb(OLD) - 'balance' THEN
        RAISE EXCEPTION 'account %: only legs move its balance', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER moves_with_legs BEFORE INSERT OR UPDATE ON account
    FOR EACH ROW EXECUTE FUNCTION account_moves_with_legs();

-- One statement's legs: known accounts and transfers, whole transfers, balanced per book and unit;
-- then one summed change per account with a minimum, locked in id order. A statement trigger over
-- the transition table, since a check per leg on a shared account grows with the square of the legs.
CREATE FUNCTION legs_balance() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found_row record;
BEGIN
    SELECT l.transfer_id AS id INTO found_row FROM added l
        LEFT JOIN account a ON a.id = l.account_id
        LEFT JOIN transfer t ON t.id = l.transfer_id
        WHERE a.id IS NULL OR t.id IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'transfer %: unknown account or transfer', found_row.id
            USING ERRCODE = 'foreign_key_violation';
    END IF;

    SELECT n.transfer_id AS id INTO found_row
        FROM (SELECT transfer_id, count(*) AS legs FROM added GROUP BY transfer_id) n
        JOIN LATERAL (SELECT count(*) AS legs FROM leg WHERE leg.transfer_id = n.transfer_id) stored
            ON stored.legs <> n.legs
        LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'transfer %: legs can''t be added to a recorded transfer', found_row.id
            USING ERRCODE = 'restrict_violation';
    END IF;

    SELECT l.transfer_id AS id INTO found_row FROM added l JOIN account a ON a.id = l.account_id
        GROUP BY l.transfer_id, a.book, a.unit
        HAVING sum(CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END) <> 0
        LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'transfer %: debits and credits differ', found_row.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'transfer_balances';
    END IF;

    WITH change AS (
        SELECT l.account_id,
               sum(CASE l.side WHEN 'D' THEN l.amount_fen ELSE -l.amount_fen END) AS fen
        FROM added l GROUP BY l.account_id
    ), locked AS MATERIALIZED (
        SELECT a.id FROM account a JOIN change c ON c.account_id = a.id
        WHERE a.minimum IS NOT NULL ORDER BY a.id FOR UPDATE OF a
    )
    UPDATE account a SET balance = a.balance + c.fen
        FROM change c JOIN locked k ON k.id = c.account_id
        WHERE a.id = c.account_id AND c.fen <> 0;
    RETURN NULL;
END $$;
CREATE TRIGGER balance AFTER INSERT ON leg REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION legs_balance();

-- A transfer without legs balances trivially and says nothing: refused at the commit.
CREATE FUNCTION transfer_has_legs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM leg WHERE transfer_id = NEW.id) THEN
        RAISE EXCEPTION 'transfer %: has no legs', NEW.key
            USING ERRCODE = 'check_violation', CONSTRAINT = 'transfer_has_legs';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER has_legs AFTER INSERT ON transfer
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION transfer_has_legs();
