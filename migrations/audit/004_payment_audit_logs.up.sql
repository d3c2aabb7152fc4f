-- One row for each payment attempt and change of status, with the gateway's own words.

CREATE TABLE payment_audit_logs (
    id bigint GENERATED ALWAYS AS IDENTITY,
    "timestamp" timestamptz NOT NULL DEFAULT now(),
    order_id varchar(20) NOT NULL,
    user_id bigint NOT NULL,
    amount numeric(15, 2) NOT NULL,
    payment_method varchar(20) NOT NULL,
    status varchar(20) NOT NULL,
    gateway_response jsonb,
    payment_metadata jsonb,
    CONSTRAINT payment_audit_logs_pkey PRIMARY KEY (id),
    CONSTRAINT payment_audit_logs_status_check
        CHECK (status::text IN ('pending', 'paid', 'expired', 'cancelled', 'failed'))
);

COMMENT ON TABLE payment_audit_logs IS 'Payment attempts and changes of status. Append-only: kept forever';
COMMENT ON COLUMN payment_audit_logs.order_id IS 'The invoice id (orders.invoice_id), not the key of orders';
COMMENT ON COLUMN payment_audit_logs.user_id IS 'The Telegram user id';
COMMENT ON COLUMN payment_audit_logs.amount IS 'Rupiah';
COMMENT ON COLUMN payment_audit_logs.gateway_response IS 'The gateway''s reply, unchanged';

CREATE INDEX payment_audit_logs_timestamp_idx ON payment_audit_logs ("timestamp" DESC);
CREATE INDEX payment_audit_logs_order_id_idx ON payment_audit_logs (order_id);
CREATE INDEX payment_audit_logs_user_id_idx ON payment_audit_logs (user_id);
CREATE INDEX payment_audit_logs_status_idx ON payment_audit_logs (status);

-- For each statement, not each row: an UPDATE that matches no row is refused as well.
CREATE TRIGGER payment_audit_logs_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON payment_audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION reject_audit_change();
