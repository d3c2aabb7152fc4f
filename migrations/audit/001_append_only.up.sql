-- What makes the audit tables append-only.

-- An empty search_path: whoever changes a row can't make this function find objects of their own.
CREATE FUNCTION reject_audit_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = ''
AS $$
BEGIN
    RAISE EXCEPTION '% is not allowed on %: audit rows are kept forever, as they were written', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation',
            HINT = 'Insert another row that corrects the record.',
            SCHEMA = TG_TABLE_SCHEMA,
            TABLE = TG_TABLE_NAME;
END;
$$;

COMMENT ON FUNCTION reject_audit_change() IS 'Trigger function: refuses UPDATE, DELETE and TRUNCATE';
