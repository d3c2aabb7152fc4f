DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'quickcart_audit_writer') THEN
        REVOKE INSERT, SELECT ON admin_action_audit, audit_logs, payment_audit_logs FROM quickcart_audit_writer;
    END IF;
END;
$$;
