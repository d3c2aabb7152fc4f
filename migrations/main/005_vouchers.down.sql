DROP TABLE voucher_usage_cooldown;
DROP TABLE vouchers;
