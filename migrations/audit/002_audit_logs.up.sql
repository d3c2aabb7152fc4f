-- What happens to users, balances, products, stock and vouchers.

CREATE TABLE audit_logs (
    id bigint GENERATED ALWAYS AS IDENTITY,
    "timestamp" timestamptz NOT NULL DEFAULT now(),
    actor_id bigint,
    actor_type varchar(20) NOT NULL,
    entity_type varchar(50) NOT NULL,
    entity_id varchar(50) NOT NULL,
    action varchar(50) NOT NULL,
    before_state jsonb,
    after_state jsonb,
    context jsonb,
    ip_address inet,
    CONSTRAINT audit_logs_pkey PRIMARY KEY (id),
    CONSTRAINT audit_logs_actor_type_check CHECK (actor_type::text IN ('user', 'admin', 'system')),
    CONSTRAINT audit_logs_actor_id_check CHECK (actor_id IS NOT NULL OR actor_type = 'system')
);

COMMENT ON TABLE audit_logs IS 'Changes of users, balances, products, stock and vouchers. Append-only: kept forever';
COMMENT ON COLUMN audit_logs.actor_id IS 'The Telegram user id; null only for the system';

CREATE INDEX audit_logs_timestamp_idx ON audit_logs ("timestamp" DESC);
CREATE INDEX audit_logs_entity_type_entity_id_idx ON audit_logs (entity_type, entity_id);
CREATE INDEX audit_logs_actor_id_idx ON audit_logs (actor_id);
CREATE INDEX audit_logs_action_idx ON audit_logs (action);

-- For each statement, not each row: an UPDATE that matches no row is refused as well.
CREATE TRIGGER audit_logs_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION reject_audit_change();
