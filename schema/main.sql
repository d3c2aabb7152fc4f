-- Generated from the migrations by `cargo xtask db-verify --write`: do not edit, but write a migration.
-- It loads into an empty database with psql. Owners, privileges and security labels are not in it, and of subscriptions only
-- the names. `cargo xtask db-verify --deep` compares every catalog.

SET check_function_bodies = false;

-- schema outbox
CREATE SCHEMA outbox;
COMMENT ON SCHEMA outbox IS 'Events on their way to the audit database';

-- function public.update_updated_at_column()
CREATE OR REPLACE FUNCTION public.update_updated_at_column()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO ''
AS $function$
BEGIN
    NEW.updated_at := pg_catalog.now();
    RETURN NEW;
END;
$function$;
COMMENT ON FUNCTION public.update_updated_at_column() IS 'Trigger function: sets updated_at to the time of the transaction';

-- table outbox.events
CREATE TABLE outbox.events (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    event_id uuid DEFAULT gen_random_uuid() NOT NULL,
    subject character varying(50) NOT NULL,
    destination character varying(20) NOT NULL,
    entry jsonb NOT NULL,
    occurred_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    delivered_at timestamp with time zone,
    refused_at timestamp with time zone,
    refusal text,
    CONSTRAINT events_pkey PRIMARY KEY (id),
    CONSTRAINT events_event_id_key UNIQUE (event_id),
    CONSTRAINT events_destination_check CHECK (((destination)::text = ANY (ARRAY['admin_action_audit'::text, 'audit_logs'::text, 'payment_audit_logs'::text]))),
    CONSTRAINT events_entry_check CHECK ((jsonb_typeof(entry) = 'object'::text)),
    CONSTRAINT events_refusal_check CHECK (((refused_at IS NULL) = (refusal IS NULL)))
);
COMMENT ON TABLE outbox.events IS 'One row for each row of the audit trail; removed 30 days after it was delivered';
COMMENT ON COLUMN outbox.events.event_id IS 'The event in the audit database, which takes it once. Not id: a database that is restored gives the same ids again';
COMMENT ON COLUMN outbox.events.subject IS 'What the event is about: events of one subject are delivered in the order of their ids';
COMMENT ON COLUMN outbox.events.destination IS 'The table of the audit database';
COMMENT ON COLUMN outbox.events.entry IS 'The columns of the row there';
COMMENT ON COLUMN outbox.events.occurred_at IS 'The timestamp of the row there';
COMMENT ON COLUMN outbox.events.refused_at IS 'When the audit database has last refused the row itself; it is tried again';

-- index outbox.events_delivered_at_idx
CREATE INDEX events_delivered_at_idx ON outbox.events USING btree (delivered_at) WHERE (delivered_at IS NOT NULL);

-- index outbox.events_undelivered_idx
CREATE INDEX events_undelivered_idx ON outbox.events USING btree (id) WHERE (delivered_at IS NULL);

-- table public.order_items
CREATE TABLE public.order_items (
    id integer GENERATED ALWAYS AS IDENTITY NOT NULL,
    order_id integer NOT NULL,
    product_id integer NOT NULL,
    stock_id uuid NOT NULL,
    price_per_unit numeric(15,2) NOT NULL,
    CONSTRAINT order_items_pkey PRIMARY KEY (id),
    CONSTRAINT order_items_order_id_stock_id_key UNIQUE (order_id, stock_id),
    CONSTRAINT order_items_price_per_unit_check CHECK (((price_per_unit >= (0)::numeric) AND (price_per_unit <> 'NaN'::numeric)))
);
COMMENT ON TABLE public.order_items IS 'One row for each unit of an order; there is no quantity';
COMMENT ON COLUMN public.order_items.price_per_unit IS 'Rupiah, as it was when the order was placed';

-- index public.order_items_stock_id_idx
CREATE INDEX order_items_stock_id_idx ON public.order_items USING btree (stock_id);

-- table public.orders
CREATE TABLE public.orders (
    id integer GENERATED ALWAYS AS IDENTITY NOT NULL,
    invoice_id character varying(20) NOT NULL,
    user_id bigint NOT NULL,
    subtotal numeric(15,2) NOT NULL,
    voucher_discount numeric(15,2) DEFAULT 0 NOT NULL,
    payment_fee numeric(15,2) DEFAULT 0 NOT NULL,
    total_bill numeric(15,2) NOT NULL,
    payment_method character varying(20) NOT NULL,
    status character varying(10) DEFAULT 'pending'::character varying NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT orders_pkey PRIMARY KEY (id),
    CONSTRAINT orders_invoice_id_key UNIQUE (invoice_id),
    CONSTRAINT orders_payment_fee_check CHECK (((payment_fee >= (0)::numeric) AND (payment_fee <> 'NaN'::numeric))),
    CONSTRAINT orders_payment_method_check CHECK (((payment_method)::text = ANY (ARRAY['qris'::text, 'account_balance'::text]))),
    CONSTRAINT orders_status_check CHECK (((status)::text = ANY (ARRAY['pending'::text, 'paid'::text, 'expired'::text, 'cancelled'::text]))),
    CONSTRAINT orders_subtotal_check CHECK (((subtotal >= (0)::numeric) AND (subtotal <> 'NaN'::numeric))),
    CONSTRAINT orders_total_bill_check CHECK ((total_bill = ((subtotal - voucher_discount) + payment_fee))),
    CONSTRAINT orders_voucher_discount_check CHECK (((voucher_discount >= (0)::numeric) AND (voucher_discount <= subtotal)))
);
COMMENT ON TABLE public.orders IS 'Kept for seven years';
COMMENT ON COLUMN public.orders.invoice_id IS 'What customers and the payment gateway call the order';
COMMENT ON COLUMN public.orders.total_bill IS 'Rupiah: subtotal - voucher_discount + payment_fee';
COMMENT ON COLUMN public.orders.status IS 'pending becomes paid, expired or cancelled, and nothing after that';

-- index public.orders_created_at_idx
CREATE INDEX orders_created_at_idx ON public.orders USING btree (created_at DESC);

-- index public.orders_one_pending_per_user_idx
CREATE UNIQUE INDEX orders_one_pending_per_user_idx ON public.orders USING btree (user_id) WHERE ((status)::text = 'pending'::text);

-- index public.orders_pending_created_at_idx
CREATE INDEX orders_pending_created_at_idx ON public.orders USING btree (created_at) WHERE ((status)::text = 'pending'::text);

-- index public.orders_status_idx
CREATE INDEX orders_status_idx ON public.orders USING btree (status);

-- index public.orders_user_id_idx
CREATE INDEX orders_user_id_idx ON public.orders USING btree (user_id);

-- trigger orders_update_updated_at on public.orders
CREATE TRIGGER orders_update_updated_at BEFORE UPDATE ON public.orders FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();

-- table public.product_stocks
CREATE TABLE public.product_stocks (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    product_id integer NOT NULL,
    content text NOT NULL,
    order_id integer,
    is_sold boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT product_stocks_pkey PRIMARY KEY (id),
    CONSTRAINT product_stocks_state_check CHECK (((NOT is_sold) OR (order_id IS NOT NULL)))
);
COMMENT ON TABLE public.product_stocks IS 'One row for each unit that is or was for sale';
COMMENT ON COLUMN public.product_stocks.content IS 'The key that is sold: keep it out of logs';
COMMENT ON COLUMN public.product_stocks.order_id IS 'The order that took the unit; null again once released';

-- index public.product_stocks_available_idx
CREATE INDEX product_stocks_available_idx ON public.product_stocks USING btree (product_id) WHERE ((NOT is_sold) AND (order_id IS NULL));

-- index public.product_stocks_order_id_idx
CREATE INDEX product_stocks_order_id_idx ON public.product_stocks USING btree (order_id);

-- trigger product_stocks_update_updated_at on public.product_stocks
CREATE TRIGGER product_stocks_update_updated_at BEFORE UPDATE ON public.product_stocks FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();

-- table public.products
CREATE TABLE public.products (
    id integer NOT NULL,
    name character varying(255) NOT NULL,
    description text,
    category character varying(255) DEFAULT 'Uncategorized'::character varying NOT NULL,
    customer_price numeric(15,2) NOT NULL,
    reseller_price numeric(15,2),
    sold_count integer DEFAULT 0 NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT products_pkey PRIMARY KEY (id),
    CONSTRAINT products_customer_price_check CHECK (((customer_price >= (0)::numeric) AND (customer_price <> 'NaN'::numeric))),
    CONSTRAINT products_reseller_price_check CHECK (((reseller_price >= (0)::numeric) AND (reseller_price <> 'NaN'::numeric))),
    CONSTRAINT products_sold_count_check CHECK ((sold_count >= 0))
);
COMMENT ON TABLE public.products IS 'What the shop offers; its units are in product_stocks';
COMMENT ON COLUMN public.products.id IS 'Chosen by the admin, who may change it: keys to it are ON UPDATE CASCADE';
COMMENT ON COLUMN public.products.customer_price IS 'Rupiah for a unit';
COMMENT ON COLUMN public.products.reseller_price IS 'Rupiah for a unit; null: resellers pay customer_price';

-- index public.products_category_idx
CREATE INDEX products_category_idx ON public.products USING btree (category);

-- index public.products_is_active_idx
CREATE INDEX products_is_active_idx ON public.products USING btree (is_active);

-- index public.products_sold_count_idx
CREATE INDEX products_sold_count_idx ON public.products USING btree (sold_count DESC);

-- trigger products_update_updated_at on public.products
CREATE TRIGGER products_update_updated_at BEFORE UPDATE ON public.products FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();

-- table public.users
CREATE TABLE public.users (
    id bigint NOT NULL,
    name character varying(255) NOT NULL,
    username character varying(255),
    email character varying(255),
    whatsapp_number character varying(20),
    member_status character varying(10) DEFAULT 'customer'::character varying NOT NULL,
    bank_id character varying(10) NOT NULL,
    account_balance numeric(15,2) DEFAULT 0 NOT NULL,
    is_banned boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_bank_id_key UNIQUE (bank_id),
    CONSTRAINT users_email_key UNIQUE (email),
    CONSTRAINT users_username_key UNIQUE (username),
    CONSTRAINT users_account_balance_check CHECK (((account_balance >= (0)::numeric) AND (account_balance <> 'NaN'::numeric))),
    CONSTRAINT users_bank_id_check CHECK (((bank_id)::text ~ '^[0-9]{6}$'::text)),
    CONSTRAINT users_member_status_check CHECK (((member_status)::text = ANY (ARRAY['customer'::text, 'reseller'::text, 'admin'::text])))
);
COMMENT ON TABLE public.users IS 'People who talk to the bot; anonymised on request, never deleted while they have orders';
COMMENT ON COLUMN public.users.id IS 'The Telegram user id: supplied, never generated';
COMMENT ON COLUMN public.users.bank_id IS 'Six digits';
COMMENT ON COLUMN public.users.account_balance IS 'Rupiah';

-- index public.users_member_status_idx
CREATE INDEX users_member_status_idx ON public.users USING btree (member_status);

-- trigger users_update_updated_at on public.users
CREATE TRIGGER users_update_updated_at BEFORE UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();

-- table public.voucher_usage_cooldown
CREATE TABLE public.voucher_usage_cooldown (
    id integer GENERATED ALWAYS AS IDENTITY NOT NULL,
    user_id bigint NOT NULL,
    last_voucher_used timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT voucher_usage_cooldown_pkey PRIMARY KEY (id),
    CONSTRAINT voucher_usage_cooldown_user_id_key UNIQUE (user_id),
    CONSTRAINT voucher_usage_cooldown_expires_at_check CHECK ((expires_at > last_voucher_used))
);
COMMENT ON TABLE public.voucher_usage_cooldown IS 'Until when a user has to wait before the next voucher';

-- index public.voucher_usage_cooldown_expires_at_idx
CREATE INDEX voucher_usage_cooldown_expires_at_idx ON public.voucher_usage_cooldown USING btree (expires_at);

-- table public.vouchers
CREATE TABLE public.vouchers (
    id integer GENERATED ALWAYS AS IDENTITY NOT NULL,
    code character varying(20) NOT NULL,
    amount numeric(15,2) NOT NULL,
    created_by bigint NOT NULL,
    is_used boolean DEFAULT false NOT NULL,
    used_by bigint,
    used_at timestamp with time zone,
    order_id integer,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT vouchers_pkey PRIMARY KEY (id),
    CONSTRAINT vouchers_code_key UNIQUE (code),
    CONSTRAINT vouchers_amount_check CHECK (((amount >= (1000)::numeric) AND (amount <= (1000000)::numeric))),
    CONSTRAINT vouchers_expires_at_check CHECK ((expires_at > created_at)),
    CONSTRAINT vouchers_used_at_check CHECK ((is_used = (used_at IS NOT NULL))),
    CONSTRAINT vouchers_used_by_check CHECK ((is_used = (used_by IS NOT NULL)))
);
COMMENT ON TABLE public.vouchers IS 'Discounts that are used once, at most one for an order';
COMMENT ON COLUMN public.vouchers.amount IS 'Rupiah';
COMMENT ON COLUMN public.vouchers.created_by IS 'The admin who made the voucher';

-- index public.vouchers_expires_at_idx
CREATE INDEX vouchers_expires_at_idx ON public.vouchers USING btree (expires_at);

-- index public.vouchers_is_used_idx
CREATE INDEX vouchers_is_used_idx ON public.vouchers USING btree (is_used);

-- index public.vouchers_one_per_order_idx
CREATE UNIQUE INDEX vouchers_one_per_order_idx ON public.vouchers USING btree (order_id) WHERE (order_id IS NOT NULL);

-- index public.vouchers_used_by_idx
CREATE INDEX vouchers_used_by_idx ON public.vouchers USING btree (used_by);

-- foreign key order_items_order_id_fkey on public.order_items
ALTER TABLE public.order_items ADD CONSTRAINT order_items_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(id) ON DELETE RESTRICT;

-- foreign key order_items_product_id_fkey on public.order_items
ALTER TABLE public.order_items ADD CONSTRAINT order_items_product_id_fkey FOREIGN KEY (product_id) REFERENCES public.products(id) ON UPDATE CASCADE ON DELETE RESTRICT;

-- foreign key order_items_stock_id_fkey on public.order_items
ALTER TABLE public.order_items ADD CONSTRAINT order_items_stock_id_fkey FOREIGN KEY (stock_id) REFERENCES public.product_stocks(id) ON DELETE RESTRICT;

-- foreign key orders_user_id_fkey on public.orders
ALTER TABLE public.orders ADD CONSTRAINT orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE RESTRICT;

-- foreign key product_stocks_order_id_fkey on public.product_stocks
ALTER TABLE public.product_stocks ADD CONSTRAINT product_stocks_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(id) ON DELETE RESTRICT;

-- foreign key product_stocks_product_id_fkey on public.product_stocks
ALTER TABLE public.product_stocks ADD CONSTRAINT product_stocks_product_id_fkey FOREIGN KEY (product_id) REFERENCES public.products(id) ON UPDATE CASCADE ON DELETE RESTRICT;

-- foreign key voucher_usage_cooldown_user_id_fkey on public.voucher_usage_cooldown
ALTER TABLE public.voucher_usage_cooldown ADD CONSTRAINT voucher_usage_cooldown_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

-- foreign key vouchers_created_by_fkey on public.vouchers
ALTER TABLE public.vouchers ADD CONSTRAINT vouchers_created_by_fkey FOREIGN KEY (created_by) REFERENCES public.users(id) ON DELETE RESTRICT;

-- foreign key vouchers_order_id_fkey on public.vouchers
ALTER TABLE public.vouchers ADD CONSTRAINT vouchers_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders(id) ON DELETE RESTRICT;

-- foreign key vouchers_used_by_fkey on public.vouchers
ALTER TABLE public.vouchers ADD CONSTRAINT vouchers_used_by_fkey FOREIGN KEY (used_by) REFERENCES public.users(id) ON DELETE RESTRICT;
