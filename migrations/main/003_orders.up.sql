-- Orders are kept for seven years, so a user who has some can't be deleted.

CREATE TABLE orders (
    id integer GENERATED ALWAYS AS IDENTITY,
    invoice_id varchar(20) NOT NULL,
    user_id bigint NOT NULL,
    subtotal numeric(15, 2) NOT NULL,
    voucher_discount numeric(15, 2) NOT NULL DEFAULT 0,
    payment_fee numeric(15, 2) NOT NULL DEFAULT 0,
    total_bill numeric(15, 2) NOT NULL,
    payment_method varchar(20) NOT NULL,
    status varchar(10) NOT NULL DEFAULT 'pending',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT orders_pkey PRIMARY KEY (id),
    CONSTRAINT orders_invoice_id_key UNIQUE (invoice_id),
    CONSTRAINT orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE RESTRICT,
    CONSTRAINT orders_subtotal_check CHECK (subtotal >= 0 AND subtotal <> 'NaN'),
    CONSTRAINT orders_voucher_discount_check CHECK (voucher_discount BETWEEN 0 AND subtotal),
    CONSTRAINT orders_payment_fee_check CHECK (payment_fee >= 0 AND payment_fee <> 'NaN'),
    CONSTRAINT orders_total_bill_check CHECK (total_bill = subtotal - voucher_discount + payment_fee),
    CONSTRAINT orders_payment_method_check CHECK (payment_method::text IN ('qris', 'account_balance')),
    CONSTRAINT orders_status_check CHECK (status::text IN ('pending', 'paid', 'expired', 'cancelled'))
);

COMMENT ON TABLE orders IS 'Kept for seven years';
COMMENT ON COLUMN orders.invoice_id IS 'What customers and the payment gateway call the order';
COMMENT ON COLUMN orders.total_bill IS 'Rupiah: subtotal - voucher_discount + payment_fee';
COMMENT ON COLUMN orders.status IS 'pending becomes paid, expired or cancelled, and nothing after that';

CREATE UNIQUE INDEX orders_one_pending_per_user_idx ON orders (user_id) WHERE status = 'pending';
CREATE INDEX orders_user_id_idx ON orders (user_id);
CREATE INDEX orders_status_idx ON orders (status);
CREATE INDEX orders_created_at_idx ON orders (created_at DESC);
-- For the sweep that expires orders: it looks only for the oldest pending ones.
CREATE INDEX orders_pending_created_at_idx ON orders (created_at) WHERE status = 'pending';

CREATE TRIGGER orders_update_updated_at
    BEFORE UPDATE ON orders
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
