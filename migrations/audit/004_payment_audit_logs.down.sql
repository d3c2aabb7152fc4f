DROP TABLE payment_audit_logs;
