-- Rows for the round trip of the migrations (`cargo xtask ci --only migrations`): one of each kind that the shop has.
-- They are written for the newest schema. No migration runs this file, and no database but a scratch database gets it.

INSERT INTO users (id, name, username, email, whatsapp_number, member_status, bank_id, account_balance, is_banned) VALUES
    (1001, 'Ani', 'ani', 'ani@example.com', '+6281200000001', 'customer', '100001', 25000.50, false),
    (1002, 'Budi', NULL, NULL, NULL, 'reseller', '100002', 0, false),
    (1003, 'Citra', 'citra', NULL, NULL, 'admin', '100003', 0, false),
    (1004, 'Dewi', 'dewi', NULL, NULL, 'customer', '100004', 0, true);

INSERT INTO products (id, name, description, category, customer_price, reseller_price, sold_count, is_active) VALUES
    (1, 'Licence for a year', 'One key for one device', 'Licences', 15000, 12500.75, 1, true),
    (2, 'Account', NULL, 'Uncategorized', 99000, NULL, 0, true),
    (3, 'No longer sold', NULL, 'Licences', 10000, NULL, 0, false);

INSERT INTO orders
    (id, invoice_id, user_id, subtotal, voucher_discount, payment_fee, total_bill, payment_method, status)
OVERRIDING SYSTEM VALUE VALUES
    (1, 'TRX20260101ABC123', 1001, 15000, 5000, 380, 10380, 'qris', 'paid'),
    (2, 'TRX20260102DEF456', 1001, 15000, 0, 0, 15000, 'account_balance', 'pending'),
    (3, 'TRX20260103GHI789', 1002, 12500.75, 0, 0, 12500.75, 'account_balance', 'expired'),
    (4, 'TRX20260104JKL012', 1004, 99000, 0, 1003, 100003, 'qris', 'cancelled');

-- Sold, reserved, released, and never ordered.
INSERT INTO product_stocks (id, product_id, content, order_id, is_sold) VALUES
    ('00000000-0000-0000-0000-000000000001', 1, 'AAAA-1111', 1, true),
    ('00000000-0000-0000-0000-000000000002', 1, 'BBBB-2222', 2, false),
    ('00000000-0000-0000-0000-000000000003', 1, 'CCCC-3333', NULL, false),
    ('00000000-0000-0000-0000-000000000004', 2, 'name: password', NULL, false);

INSERT INTO order_items (id, order_id, product_id, stock_id, price_per_unit) OVERRIDING SYSTEM VALUE VALUES
    (1, 1, 1, '00000000-0000-0000-0000-000000000001', 15000),
    (2, 2, 1, '00000000-0000-0000-0000-000000000002', 15000),
    (3, 3, 1, '00000000-0000-0000-0000-000000000003', 12500.75);

-- Used, kept by an order that isn't paid yet, and unused.
INSERT INTO vouchers (id, code, amount, created_by, is_used, used_by, used_at, order_id, expires_at)
OVERRIDING SYSTEM VALUE VALUES
    (1, 'WELCOME5', 5000, 1003, true, 1001, '2026-01-01 10:00:00+07', 1, '2036-01-01 00:00:00+07'),
    (2, 'AGAIN1', 1000, 1003, false, NULL, NULL, 2, '2036-01-01 00:00:00+07'),
    (3, 'LARGEST', 1000000, 1003, false, NULL, NULL, NULL, '2036-01-01 00:00:00+07');

INSERT INTO voucher_usage_cooldown (id, user_id, last_voucher_used, expires_at) OVERRIDING SYSTEM VALUE VALUES
    (1, 1001, '2026-01-01 10:00:00+07', '2026-01-01 10:05:00+07');

-- Delivered, waiting, and refused by the audit database.
INSERT INTO outbox.events
    (id, event_id, subject, destination, entry, occurred_at, delivered_at, refused_at, refusal)
OVERRIDING SYSTEM VALUE VALUES
    (1, '00000000-0000-0000-0000-00000000000a', 'TRX20260101ABC123', 'payment_audit_logs',
        '{"order_id": "TRX20260101ABC123", "user_id": 1001, "amount": "10380", "payment_method": "qris", "status": "paid"}',
        '2026-01-01 10:00:00+07', '2026-01-01 10:00:01+07', NULL, NULL),
    (2, '00000000-0000-0000-0000-00000000000b', 'TRX20260102DEF456', 'payment_audit_logs',
        '{"order_id": "TRX20260102DEF456", "user_id": 1001, "amount": "15000", "payment_method": "account_balance", "status": "pending"}',
        '2026-01-02 10:00:00+07', NULL, NULL, NULL),
    (3, '00000000-0000-0000-0000-00000000000c', '1004', 'audit_logs', '{"action": "ban"}',
        '2026-01-02 11:00:00+07', NULL, '2026-01-02 11:00:01+07', 'a column is missing');
