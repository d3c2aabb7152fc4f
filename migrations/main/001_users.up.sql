-- Customers, resellers and admins, and the trigger function that keeps updated_at on this and later tables.

-- An empty search_path: whoever writes the row can't make this function find objects of their own.
CREATE FUNCTION update_updated_at_column() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = ''
AS $$
BEGIN
    NEW.updated_at := pg_catalog.now();
    RETURN NEW;
END;
$$;

COMMENT ON FUNCTION update_updated_at_column() IS 'Trigger function: sets updated_at to the time of the transaction';

-- In the checks here and in later files: 'NaN' sorts above every number, so >= 0 alone would let it into an amount
-- of money. A varchar compared as text is what PostgreSQL makes of it anyway; written so, the constraint reads the
-- same after a dump is loaded.
CREATE TABLE users (
    id bigint NOT NULL,
    name varchar(255) NOT NULL,
    username varchar(255),
    email varchar(255),
    whatsapp_number varchar(20),
    member_status varchar(10) NOT NULL DEFAULT 'customer',
    bank_id varchar(10) NOT NULL,
    account_balance numeric(15, 2) NOT NULL DEFAULT 0,
    is_banned boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_username_key UNIQUE (username),
    CONSTRAINT users_email_key UNIQUE (email),
    CONSTRAINT users_bank_id_key UNIQUE (bank_id),
    CONSTRAINT users_member_status_check CHECK (member_status::text IN ('customer', 'reseller', 'admin')),
    CONSTRAINT users_bank_id_check CHECK (bank_id ~ '^[0-9]{6}$'),
    CONSTRAINT users_account_balance_check CHECK (account_balance >= 0 AND account_balance <> 'NaN')
);

COMMENT ON TABLE users IS 'People who talk to the bot; anonymised on request, never deleted while they have orders';
COMMENT ON COLUMN users.id IS 'The Telegram user id: supplied, never generated';
COMMENT ON COLUMN users.bank_id IS 'Six digits';
COMMENT ON COLUMN users.account_balance IS 'Rupiah';

CREATE INDEX users_member_status_idx ON users (member_status);

CREATE TRIGGER users_update_updated_at
    BEFORE UPDATE ON users
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
