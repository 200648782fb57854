DO $$
DECLARE found_trigger record;
BEGIN
    FOR found_trigger IN
        SELECT t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE NOT t.tgisinternal AND t.tgparentid = 0
          AND c.relnamespace = current_schema()::regnamespace
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %I', found_trigger.tgname, found_trigger.relname);
    END LOOP;
END $$;
DROP FUNCTION transfer_has_legs, legs_balance, account_moves_with_legs, trail_waits,
    period_moves_forward, refuse_other_changes, refuse_change;
