-- The catalogue.

CREATE TABLE products (
    id integer NOT NULL,
    name varchar(255) NOT NULL,
    description text,
    category varchar(255) NOT NULL DEFAULT 'Uncategorized',
    customer_price numeric(15, 2) NOT NULL,
    reseller_price numeric(15, 2),
    sold_count integer NOT NULL DEFAULT 0,
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT products_pkey PRIMARY KEY (id),
    CONSTRAINT products_customer_price_check CHECK (customer_price >= 0 AND customer_price <> 'NaN'),
    CONSTRAINT products_reseller_price_check CHECK (reseller_price >= 0 AND reseller_price <> 'NaN'),
    CONSTRAINT products_sold_count_check CHECK (sold_count >= 0)
);

COMMENT ON TABLE products IS 'What the shop offers; its units are in product_stocks';
COMMENT ON COLUMN products.id IS 'Chosen by the admin, who may change it: keys to it are ON UPDATE CASCADE';
COMMENT ON COLUMN products.customer_price IS 'Rupiah for a unit';
COMMENT ON COLUMN products.reseller_price IS 'Rupiah for a unit; null: resellers pay customer_price';

CREATE INDEX products_category_idx ON products (category);
CREATE INDEX products_is_active_idx ON products (is_active);
CREATE INDEX products_sold_count_idx ON products (sold_count DESC);

CREATE TRIGGER products_update_updated_at
    BEFORE UPDATE ON products
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
