-- Rows for the round trip of the migrations (`cargo xtask ci --only migrations`): one of each kind that the audit trail has.
-- They are written for the newest schema. No migration runs this file, and no database but a scratch database gets it.

INSERT INTO audit_logs
    (id, actor_id, actor_type, entity_type, entity_id, action, before_state, after_state, context, ip_address)
OVERRIDING SYSTEM VALUE VALUES
    (1, 1001, 'user', 'order', 'TRX20260101ABC123', 'placed', NULL, '{"status": "pending"}', NULL, NULL),
    (2, 1003, 'admin', 'user', '1004', 'banned', '{"is_banned": false}', '{"is_banned": true}', '{"why": "spam"}', '192.0.2.7'),
    (3, NULL, 'system', 'order', 'TRX20260103GHI789', 'expired', '{"status": "pending"}', '{"status": "expired"}', NULL, NULL);

INSERT INTO admin_action_audit (id, admin_id, command, target_entity, target_id, parameters, result, ip_address)
OVERRIDING SYSTEM VALUE VALUES
    (1, 1003, '/ban', 'user', '1004', '{"why": "spam"}', 'done', '2001:db8::7'),
    (2, 1003, '/price', NULL, NULL, NULL, 'failed: no product is named', NULL);

INSERT INTO payment_audit_logs
    (id, order_id, user_id, amount, payment_method, status, gateway_response, payment_metadata, event_id)
OVERRIDING SYSTEM VALUE VALUES
    (1, 'TRX20260101ABC123', 1001, 10380, 'qris', 'pending', NULL, '{"attempt": 1}', NULL),
    (2, 'TRX20260101ABC123', 1001, 10380, 'qris', 'paid', '{"amount": 10380, "status": "completed"}', NULL,
        '00000000-0000-0000-0000-00000000000a'),
    (3, 'TRX20260104JKL012', 1004, 100003, 'qris', 'failed', '{"error": "timeout"}', NULL, NULL);
