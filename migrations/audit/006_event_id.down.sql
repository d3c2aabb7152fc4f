ALTER TABLE payment_audit_logs DROP COLUMN event_id;
ALTER TABLE admin_action_audit DROP COLUMN event_id;
ALTER TABLE audit_logs DROP COLUMN event_id;
