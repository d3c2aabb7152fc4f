-- Vouchers, and the pause between two of them.

CREATE TABLE vouchers (
    id integer GENERATED ALWAYS AS IDENTITY,
    code varchar(20) NOT NULL,
    amount numeric(15, 2) NOT NULL,
    created_by bigint NOT NULL,
    is_used boolean NOT NULL DEFAULT false,
    used_by bigint,
    used_at timestamptz,
    order_id integer,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT vouchers_pkey PRIMARY KEY (id),
    CONSTRAINT vouchers_code_key UNIQUE (code),
    CONSTRAINT vouchers_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id) ON DELETE RESTRICT,
    CONSTRAINT vouchers_used_by_fkey FOREIGN KEY (used_by) REFERENCES users (id) ON DELETE RESTRICT,
    CONSTRAINT vouchers_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE RESTRICT,
    CONSTRAINT vouchers_amount_check CHECK (amount BETWEEN 1000 AND 1000000),
    CONSTRAINT vouchers_used_at_check CHECK (is_used = (used_at IS NOT NULL)),
    -- Used by nobody, or by somebody while unused: neither makes sense. An order may be set on an unused
    -- voucher: a payment that fails doesn't consume it.
    CONSTRAINT vouchers_used_by_check CHECK (is_used = (used_by IS NOT NULL)),
    CONSTRAINT vouchers_expires_at_check CHECK (expires_at > created_at)
);

COMMENT ON TABLE vouchers IS 'Discounts that are used once, at most one for an order';
COMMENT ON COLUMN vouchers.amount IS 'Rupiah';
COMMENT ON COLUMN vouchers.created_by IS 'The admin who made the voucher';

CREATE UNIQUE INDEX vouchers_one_per_order_idx ON vouchers (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX vouchers_used_by_idx ON vouchers (used_by);
CREATE INDEX vouchers_is_used_idx ON vouchers (is_used);
CREATE INDEX vouchers_expires_at_idx ON vouchers (expires_at);

CREATE TABLE voucher_usage_cooldown (
    id integer GENERATED ALWAYS AS IDENTITY,
    user_id bigint NOT NULL,
    last_voucher_used timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT voucher_usage_cooldown_pkey PRIMARY KEY (id),
    CONSTRAINT voucher_usage_cooldown_user_id_key UNIQUE (user_id),
    -- The one key that cascades: the row says nothing that outlives its user.
    CONSTRAINT voucher_usage_cooldown_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT voucher_usage_cooldown_expires_at_check CHECK (expires_at > last_voucher_used)
);

COMMENT ON TABLE voucher_usage_cooldown IS 'Until when a user has to wait before the next voucher';

CREATE INDEX voucher_usage_cooldown_expires_at_idx ON voucher_usage_cooldown (expires_at);
