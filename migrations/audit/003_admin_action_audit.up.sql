-- One row for each admin command, failed ones too.

CREATE TABLE admin_action_audit (
    id bigint GENERATED ALWAYS AS IDENTITY,
    "timestamp" timestamptz NOT NULL DEFAULT now(),
    admin_id bigint NOT NULL,
    command varchar(50) NOT NULL,
    target_entity varchar(50),
    target_id varchar(50),
    parameters jsonb,
    result text NOT NULL,
    ip_address inet,
    CONSTRAINT admin_action_audit_pkey PRIMARY KEY (id)
);

COMMENT ON TABLE admin_action_audit IS 'Admin commands, failed ones too. Append-only: kept forever';
COMMENT ON COLUMN admin_action_audit.admin_id IS 'The Telegram user id';

CREATE INDEX admin_action_audit_timestamp_idx ON admin_action_audit ("timestamp" DESC);
CREATE INDEX admin_action_audit_admin_id_idx ON admin_action_audit (admin_id);
CREATE INDEX admin_action_audit_command_idx ON admin_action_audit (command);
CREATE INDEX admin_action_audit_target_entity_target_id_idx ON admin_action_audit (target_entity, target_id);

-- For each statement, not each row: an UPDATE that matches no row is refused as well.
CREATE TRIGGER admin_action_audit_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON admin_action_audit
    FOR EACH STATEMENT EXECUTE FUNCTION reject_audit_change();
