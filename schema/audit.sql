-- Generated from the migrations by `cargo xtask db-verify --write`: do not edit, but write a migration.
-- It loads into an empty database with psql, where the roles exist that it names. What has no owner here belongs to the role
-- that loads it, and what has no privileges here has those of a new object. Security labels are not in it, and of
-- subscriptions only the names. `cargo xtask db-verify --deep` compares every catalog.

SET check_function_bodies = false;

-- function public.reject_audit_change()
CREATE OR REPLACE FUNCTION public.reject_audit_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
BEGIN
    RAISE EXCEPTION '% is not allowed on %: audit rows are kept forever, as they were written', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation',
            HINT = 'Insert another row that corrects the record.',
            SCHEMA = TG_TABLE_SCHEMA,
            TABLE = TG_TABLE_NAME;
END;
$function$;
COMMENT ON FUNCTION public.reject_audit_change() IS 'Trigger function: refuses UPDATE, DELETE and TRUNCATE';

-- table public.admin_action_audit
CREATE TABLE public.admin_action_audit (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    "timestamp" timestamp with time zone DEFAULT now() NOT NULL,
    admin_id bigint NOT NULL,
    command character varying(50) NOT NULL,
    target_entity character varying(50),
    target_id character varying(50),
    parameters jsonb,
    result text NOT NULL,
    ip_address inet,
    event_id uuid,
    CONSTRAINT admin_action_audit_pkey PRIMARY KEY (id),
    CONSTRAINT admin_action_audit_event_id_key UNIQUE (event_id)
);
COMMENT ON TABLE public.admin_action_audit IS 'Admin commands, failed ones too. Append-only: kept forever';
COMMENT ON COLUMN public.admin_action_audit.admin_id IS 'The Telegram user id';
COMMENT ON COLUMN public.admin_action_audit.event_id IS 'outbox.events.event_id of the main database';

-- index public.admin_action_audit_admin_id_idx
CREATE INDEX admin_action_audit_admin_id_idx ON public.admin_action_audit USING btree (admin_id);

-- index public.admin_action_audit_command_idx
CREATE INDEX admin_action_audit_command_idx ON public.admin_action_audit USING btree (command);

-- index public.admin_action_audit_target_entity_target_id_idx
CREATE INDEX admin_action_audit_target_entity_target_id_idx ON public.admin_action_audit USING btree (target_entity, target_id);

-- index public.admin_action_audit_timestamp_idx
CREATE INDEX admin_action_audit_timestamp_idx ON public.admin_action_audit USING btree ("timestamp" DESC);

-- trigger admin_action_audit_append_only on public.admin_action_audit
CREATE TRIGGER admin_action_audit_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.admin_action_audit FOR EACH STATEMENT EXECUTE FUNCTION public.reject_audit_change();

-- table public.audit_logs
CREATE TABLE public.audit_logs (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    "timestamp" timestamp with time zone DEFAULT now() NOT NULL,
    actor_id bigint,
    actor_type character varying(20) NOT NULL,
    entity_type character varying(50) NOT NULL,
    entity_id character varying(50) NOT NULL,
    action character varying(50) NOT NULL,
    before_state jsonb,
    after_state jsonb,
    context jsonb,
    ip_address inet,
    event_id uuid,
    CONSTRAINT audit_logs_pkey PRIMARY KEY (id),
    CONSTRAINT audit_logs_event_id_key UNIQUE (event_id),
    CONSTRAINT audit_logs_actor_id_check CHECK (((actor_id IS NOT NULL) OR ((actor_type)::text = 'system'::text))),
    CONSTRAINT audit_logs_actor_type_check CHECK (((actor_type)::text = ANY (ARRAY['user'::text, 'admin'::text, 'system'::text])))
);
COMMENT ON TABLE public.audit_logs IS 'Changes of users, balances, products, stock and vouchers. Append-only: kept forever';
COMMENT ON COLUMN public.audit_logs.actor_id IS 'The Telegram user id; null only for the system';
COMMENT ON COLUMN public.audit_logs.event_id IS 'outbox.events.event_id of the main database';

-- index public.audit_logs_action_idx
CREATE INDEX audit_logs_action_idx ON public.audit_logs USING btree (action);

-- index public.audit_logs_actor_id_idx
CREATE INDEX audit_logs_actor_id_idx ON public.audit_logs USING btree (actor_id);

-- index public.audit_logs_entity_type_entity_id_idx
CREATE INDEX audit_logs_entity_type_entity_id_idx ON public.audit_logs USING btree (entity_type, entity_id);

-- index public.audit_logs_timestamp_idx
CREATE INDEX audit_logs_timestamp_idx ON public.audit_logs USING btree ("timestamp" DESC);

-- trigger audit_logs_append_only on public.audit_logs
CREATE TRIGGER audit_logs_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_logs FOR EACH STATEMENT EXECUTE FUNCTION public.reject_audit_change();

-- table public.payment_audit_logs
CREATE TABLE public.payment_audit_logs (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    "timestamp" timestamp with time zone DEFAULT now() NOT NULL,
    order_id character varying(20) NOT NULL,
    user_id bigint NOT NULL,
    amount numeric(15,2) NOT NULL,
    payment_method character varying(20) NOT NULL,
    status character varying(20) NOT NULL,
    gateway_response jsonb,
    payment_metadata jsonb,
    event_id uuid,
    CONSTRAINT payment_audit_logs_pkey PRIMARY KEY (id),
    CONSTRAINT payment_audit_logs_event_id_key UNIQUE (event_id),
    CONSTRAINT payment_audit_logs_status_check CHECK (((status)::text = ANY (ARRAY['pending'::text, 'paid'::text, 'expired'::text, 'cancelled'::text, 'failed'::text])))
);
COMMENT ON TABLE public.payment_audit_logs IS 'Payment attempts and changes of status. Append-only: kept forever';
COMMENT ON COLUMN public.payment_audit_logs.order_id IS 'The invoice id (orders.invoice_id), not the key of orders';
COMMENT ON COLUMN public.payment_audit_logs.user_id IS 'The Telegram user id';
COMMENT ON COLUMN public.payment_audit_logs.amount IS 'Rupiah';
COMMENT ON COLUMN public.payment_audit_logs.gateway_response IS 'The gateway''s reply, unchanged';
COMMENT ON COLUMN public.payment_audit_logs.event_id IS 'outbox.events.event_id of the main database';

-- index public.payment_audit_logs_order_id_idx
CREATE INDEX payment_audit_logs_order_id_idx ON public.payment_audit_logs USING btree (order_id);

-- index public.payment_audit_logs_status_idx
CREATE INDEX payment_audit_logs_status_idx ON public.payment_audit_logs USING btree (status);

-- index public.payment_audit_logs_timestamp_idx
CREATE INDEX payment_audit_logs_timestamp_idx ON public.payment_audit_logs USING btree ("timestamp" DESC);

-- index public.payment_audit_logs_user_id_idx
CREATE INDEX payment_audit_logs_user_id_idx ON public.payment_audit_logs USING btree (user_id);

-- trigger payment_audit_logs_append_only on public.payment_audit_logs
CREATE TRIGGER payment_audit_logs_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.payment_audit_logs FOR EACH STATEMENT EXECUTE FUNCTION public.reject_audit_change();

-- privileges of table public.admin_action_audit
GRANT INSERT, SELECT ON TABLE public.admin_action_audit TO quickcart_audit_writer;

-- privileges of table public.audit_logs
GRANT INSERT, SELECT ON TABLE public.audit_logs TO quickcart_audit_writer;

-- privileges of table public.payment_audit_logs
GRANT INSERT, SELECT ON TABLE public.payment_audit_logs TO quickcart_audit_writer;
