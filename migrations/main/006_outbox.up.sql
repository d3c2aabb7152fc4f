-- What the audit trail has to be told. An event is written in the transaction of what it reports, so there is neither one
-- without the other, and it is delivered to the audit database afterwards.

-- A schema of its own, off the search path: `\dt` shows the shop's tables and nothing else.
CREATE SCHEMA outbox;

CREATE TABLE outbox.events (
    id bigint GENERATED ALWAYS AS IDENTITY,
    event_id uuid NOT NULL DEFAULT gen_random_uuid(),
    subject varchar(50) NOT NULL,
    destination varchar(20) NOT NULL,
    entry jsonb NOT NULL,
    occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    delivered_at timestamptz,
    refused_at timestamptz,
    refusal text,
    CONSTRAINT events_pkey PRIMARY KEY (id),
    CONSTRAINT events_event_id_key UNIQUE (event_id),
    CONSTRAINT events_destination_check
        CHECK (destination::text IN ('admin_action_audit', 'audit_logs', 'payment_audit_logs')),
    CONSTRAINT events_entry_check CHECK (jsonb_typeof(entry) = 'object'),
    CONSTRAINT events_refusal_check CHECK ((refused_at IS NULL) = (refusal IS NULL))
);

COMMENT ON SCHEMA outbox IS 'Events on their way to the audit database';
COMMENT ON TABLE outbox.events IS 'One row for each row of the audit trail; removed 30 days after it was delivered';
COMMENT ON COLUMN outbox.events.event_id IS 'The event in the audit database, which takes it once. Not id: a database that is restored gives the same ids again';
COMMENT ON COLUMN outbox.events.subject IS 'What the event is about: events of one subject are delivered in the order of their ids';
COMMENT ON COLUMN outbox.events.destination IS 'The table of the audit database';
COMMENT ON COLUMN outbox.events.entry IS 'The columns of the row there';
COMMENT ON COLUMN outbox.events.occurred_at IS 'The timestamp of the row there';
COMMENT ON COLUMN outbox.events.refused_at IS 'When the audit database has last refused the row itself; it is tried again';

-- In time, nearly all rows are delivered ones.
CREATE INDEX events_undelivered_idx ON outbox.events (id) WHERE delivered_at IS NULL;
CREATE INDEX events_delivered_at_idx ON outbox.events (delivered_at) WHERE delivered_at IS NOT NULL;
