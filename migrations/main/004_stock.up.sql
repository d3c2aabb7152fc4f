-- The units for sale, and which of them each order took.

CREATE TABLE product_stocks (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    product_id integer NOT NULL,
    content text NOT NULL,
    order_id integer,
    is_sold boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT product_stocks_pkey PRIMARY KEY (id),
    CONSTRAINT product_stocks_product_id_fkey FOREIGN KEY (product_id) REFERENCES products (id)
        ON UPDATE CASCADE ON DELETE RESTRICT,
    CONSTRAINT product_stocks_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE RESTRICT,
    -- Available: not sold, no order. Reserved: not sold, an order. Sold: sold, an order. There is no fourth state.
    CONSTRAINT product_stocks_state_check CHECK (NOT is_sold OR order_id IS NOT NULL)
);

COMMENT ON TABLE product_stocks IS 'One row for each unit that is or was for sale';
COMMENT ON COLUMN product_stocks.content IS 'The key that is sold: keep it out of logs';
COMMENT ON COLUMN product_stocks.order_id IS 'The order that took the unit; null again once released';

-- Reserving picks a product's available units; sold ones, in time most of the table, aren't in this index.
CREATE INDEX product_stocks_available_idx ON product_stocks (product_id) WHERE NOT is_sold AND order_id IS NULL;
CREATE INDEX product_stocks_order_id_idx ON product_stocks (order_id);

CREATE TRIGGER product_stocks_update_updated_at
    BEFORE UPDATE ON product_stocks
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE TABLE order_items (
    id integer GENERATED ALWAYS AS IDENTITY,
    order_id integer NOT NULL,
    product_id integer NOT NULL,
    stock_id uuid NOT NULL,
    price_per_unit numeric(15, 2) NOT NULL,
    CONSTRAINT order_items_pkey PRIMARY KEY (id),
    -- Not on stock_id alone: a unit released from an expired order may be sold again. This key also serves
    -- the lookup by order.
    CONSTRAINT order_items_order_id_stock_id_key UNIQUE (order_id, stock_id),
    CONSTRAINT order_items_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE RESTRICT,
    CONSTRAINT order_items_product_id_fkey FOREIGN KEY (product_id) REFERENCES products (id)
        ON UPDATE CASCADE ON DELETE RESTRICT,
    CONSTRAINT order_items_stock_id_fkey FOREIGN KEY (stock_id) REFERENCES product_stocks (id) ON DELETE RESTRICT,
    CONSTRAINT order_items_price_per_unit_check CHECK (price_per_unit >= 0 AND price_per_unit <> 'NaN')
);

COMMENT ON TABLE order_items IS 'One row for each unit of an order; there is no quantity';
COMMENT ON COLUMN order_items.price_per_unit IS 'Rupiah, as it was when the order was placed';

CREATE INDEX order_items_stock_id_idx ON order_items (stock_id);
