-- The event of the shop's outbox that a row comes from. An event that is delivered twice makes one row.

-- A row that was recorded without an event has none.
ALTER TABLE audit_logs ADD COLUMN event_id uuid;
ALTER TABLE admin_action_audit ADD COLUMN event_id uuid;
ALTER TABLE payment_audit_logs ADD COLUMN event_id uuid;

COMMENT ON COLUMN audit_logs.event_id IS 'outbox.events.event_id of the main database';
COMMENT ON COLUMN admin_action_audit.event_id IS 'outbox.events.event_id of the main database';
COMMENT ON COLUMN payment_audit_logs.event_id IS 'outbox.events.event_id of the main database';

ALTER TABLE audit_logs ADD CONSTRAINT audit_logs_event_id_key UNIQUE (event_id);
ALTER TABLE admin_action_audit ADD CONSTRAINT admin_action_audit_event_id_key UNIQUE (event_id);
ALTER TABLE payment_audit_logs ADD CONSTRAINT payment_audit_logs_event_id_key UNIQUE (event_id);
