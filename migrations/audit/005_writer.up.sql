-- What the shop may do with the audit trail: add rows and read them, and no more.

-- A role belongs to the server, so it isn't made here. `cargo xtask db-setup` makes it first, where it may, and grants this
-- later if the role comes later. Where the role is missing, the shop writes as the role of its URL.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'quickcart_audit_writer') THEN
        GRANT INSERT, SELECT ON admin_action_audit, audit_logs, payment_audit_logs TO quickcart_audit_writer;
    END IF;
END;
$$;
