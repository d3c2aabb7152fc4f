//! Tests of the migrations on a real PostgreSQL: every rule refuses what it should, under its own name.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod databases;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use databases::{as_superuser, or_skip};
use sqlx::postgres::{PgConnection, PgDatabaseError};
use sqlx::{AssertSqlSafe, Connection};
use xtask::test_databases::{TestDatabases, TestServer};

/// Runs the test on its own databases. Without PostgreSQL it isn't run.
fn with_databases(test: impl AsyncFnOnce(&TestDatabases)) {
    wait_for(async {
        let Some(databases) = or_skip(TestDatabases::new().await) else { return };
        test(&databases).await;
    });
}

fn wait_for(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

async fn connect(databases: &TestDatabases, name: &str) -> PgConnection {
    databases.connect(name).await.unwrap()
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
}

/// Returns the files of `migrations/<name>` that end in `suffix`, in order.
fn migrations(name: &str, suffix: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(name);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.to_str().unwrap().ends_with(suffix));
    files.sort();
    assert!(!files.is_empty(), "no {suffix} files in migrations/{name}");
    files
}

/// Runs `sql` in a transaction that is rolled back. Returns the name of the rule that refused it, or else the error's
/// message, or `None` if nothing refused it.
async fn refused_by(connection: &mut PgConnection, sql: &str) -> Option<String> {
    let mut transaction = connection.begin().await.unwrap();
    let result = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction).await;
    transaction.rollback().await.unwrap();
    let error = result.err()?;
    let error = error.as_database_error().unwrap().downcast_ref::<PgDatabaseError>();
    Some(error.constraint().unwrap_or(error.message()).to_owned())
}

/// User 1 has the paid order 1 of one unit of product 1, and no pending order. User 2 has nothing.
const SEED: &str = "
    INSERT INTO users (id, name, username, email, bank_id) VALUES
        (1, 'One', 'one', 'one@example.com', '000001'), (2, 'Two', NULL, NULL, '000002');
    INSERT INTO products (id, name, customer_price) VALUES (1, 'Key', 15000);
    INSERT INTO orders (invoice_id, user_id, subtotal, total_bill, payment_method, status)
        VALUES ('TRX20250101AAAAAA', 1, 15000, 15000, 'qris', 'paid');
    INSERT INTO product_stocks (id, product_id, content, order_id, is_sold)
        VALUES ('00000000-0000-0000-0000-000000000001', 1, 'sold key', 1, true);
    INSERT INTO order_items (order_id, product_id, stock_id, price_per_unit)
        VALUES (1, 1, '00000000-0000-0000-0000-000000000001', 15000);
    INSERT INTO vouchers (code, amount, created_by, is_used, used_by, used_at, order_id, expires_at)
        VALUES ('USED', 1000, 2, true, 1, now(), 1, now() + interval '1 day');
    INSERT INTO voucher_usage_cooldown (user_id, last_voucher_used, expires_at)
        VALUES (1, now(), now() + interval '300 seconds');";

fn order(columns: &str, values: &str) -> String {
    format!(
        "INSERT INTO orders (invoice_id, user_id, payment_method, {columns}) VALUES ('TRX-NEW', 1, 'qris', {values})"
    )
}

fn voucher(columns: &str, values: &str) -> String {
    format!(
        "INSERT INTO vouchers (code, created_by, expires_at, {columns}) VALUES ('NEW', 2, now() + interval '1 h', {values})"
    )
}

#[test]
fn every_rule_of_the_main_database_refuses_under_its_own_name() {
    with_databases(async |databases| {
        let mut connection = connect(databases, "main").await;
        run(&mut connection, SEED).await;
        let stock = "'00000000-0000-0000-0000-000000000001'";
        let cases = [
            ("INSERT INTO users (id, name, bank_id) VALUES (1, 'x', '000003')".to_owned(), "users_pkey"),
            ("UPDATE users SET username = 'one' WHERE id = 2".to_owned(), "users_username_key"),
            ("UPDATE users SET email = 'one@example.com' WHERE id = 2".to_owned(), "users_email_key"),
            ("UPDATE users SET bank_id = '000001' WHERE id = 2".to_owned(), "users_bank_id_key"),
            ("UPDATE users SET bank_id = '12345'".to_owned(), "users_bank_id_check"),
            ("UPDATE users SET bank_id = '1234567'".to_owned(), "users_bank_id_check"),
            ("UPDATE users SET bank_id = '12345x'".to_owned(), "users_bank_id_check"),
            ("UPDATE users SET bank_id = E'123456\\n'".to_owned(), "users_bank_id_check"),
            ("UPDATE users SET member_status = 'vip'".to_owned(), "users_member_status_check"),
            ("UPDATE users SET account_balance = -0.01".to_owned(), "users_account_balance_check"),
            ("UPDATE users SET account_balance = 'NaN'".to_owned(), "users_account_balance_check"),
            ("DELETE FROM users WHERE id = 1".to_owned(), "orders_user_id_fkey"),
            ("INSERT INTO products (id, name, customer_price) VALUES (1, 'x', 1)".to_owned(), "products_pkey"),
            ("UPDATE products SET customer_price = -1".to_owned(), "products_customer_price_check"),
            ("UPDATE products SET reseller_price = -1".to_owned(), "products_reseller_price_check"),
            ("UPDATE products SET sold_count = -1".to_owned(), "products_sold_count_check"),
            ("DELETE FROM products".to_owned(), "product_stocks_product_id_fkey"),
            (order("subtotal, total_bill, status", "1, 1, 'refunded'"), "orders_status_check"),
            (order("subtotal, total_bill", "1, 1.01"), "orders_total_bill_check"),
            (order("subtotal, voucher_discount, total_bill", "1, 2, -1"), "orders_voucher_discount_check"),
            (order("subtotal, voucher_discount, total_bill", "1, -1, 2"), "orders_voucher_discount_check"),
            (order("subtotal, payment_fee, total_bill", "2, -1, 1"), "orders_payment_fee_check"),
            (order("subtotal, total_bill", "'NaN', 'NaN'"), "orders_subtotal_check"),
            (order("subtotal, total_bill", "1, 1").replace("qris", "cash"), "orders_payment_method_check"),
            (order("subtotal, total_bill", "1, 1").replace("TRX-NEW", "TRX20250101AAAAAA"), "orders_invoice_id_key"),
            (order("subtotal, total_bill", "1, 1").replace(" 1, 'qris'", " 9, 'qris'"), "orders_user_id_fkey"),
            (
                format!("{}; {}", order("subtotal, total_bill", "1, 1"), order("subtotal, total_bill", "1, 1").replace("NEW", "2")),
                "orders_one_pending_per_user_idx",
            ),
            ("UPDATE product_stocks SET order_id = NULL".to_owned(), "product_stocks_state_check"),
            ("UPDATE product_stocks SET product_id = 9".to_owned(), "product_stocks_product_id_fkey"),
            ("UPDATE product_stocks SET order_id = 9".to_owned(), "product_stocks_order_id_fkey"),
            (format!("INSERT INTO product_stocks (id, product_id, content) VALUES ({stock}, 1, 'x')"), "product_stocks_pkey"),
            ("UPDATE order_items SET price_per_unit = -1".to_owned(), "order_items_price_per_unit_check"),
            ("UPDATE order_items SET order_id = 9".to_owned(), "order_items_order_id_fkey"),
            ("UPDATE order_items SET product_id = 9".to_owned(), "order_items_product_id_fkey"),
            ("UPDATE order_items SET stock_id = gen_random_uuid()".to_owned(), "order_items_stock_id_fkey"),
            ("DELETE FROM product_stocks".to_owned(), "order_items_stock_id_fkey"),
            (
                format!("INSERT INTO order_items (order_id, product_id, stock_id, price_per_unit) VALUES (1, 1, {stock}, 1)"),
                "order_items_order_id_stock_id_key",
            ),
            ("DELETE FROM vouchers; DELETE FROM order_items; UPDATE product_stocks SET is_sold = false; DELETE FROM orders".to_owned(),
                "product_stocks_order_id_fkey"),
            ("DELETE FROM order_items; DELETE FROM product_stocks; DELETE FROM orders".to_owned(), "vouchers_order_id_fkey"),
            (voucher("amount", "999.99"), "vouchers_amount_check"),
            (voucher("amount", "1000000.01"), "vouchers_amount_check"),
            (voucher("amount", "'NaN'"), "vouchers_amount_check"),
            (voucher("amount", "1000").replace("NEW", "USED"), "vouchers_code_key"),
            (voucher("amount, order_id", "1000, 1"), "vouchers_one_per_order_idx"),
            (voucher("amount, order_id", "1000, 9"), "vouchers_order_id_fkey"),
            (voucher("amount, is_used, used_by", "1000, true, 1"), "vouchers_used_at_check"),
            (voucher("amount, used_at", "1000, now()"), "vouchers_used_at_check"),
            (voucher("amount, is_used, used_at", "1000, true, now()"), "vouchers_used_by_check"),
            (voucher("amount, used_by", "1000, 1"), "vouchers_used_by_check"),
            (voucher("amount, is_used, used_at, used_by", "1000, true, now(), 9"), "vouchers_used_by_fkey"),
            (voucher("amount", "1000").replace("'NEW', 2", "'NEW', 9"), "vouchers_created_by_fkey"),
            (voucher("amount, created_at", "1000, now() + interval '1 h'"), "vouchers_expires_at_check"),
            ("DELETE FROM users WHERE id = 2".to_owned(), "vouchers_created_by_fkey"),
            (
                "INSERT INTO voucher_usage_cooldown (user_id, last_voucher_used, expires_at) SELECT user_id, last_voucher_used, \
                 expires_at FROM voucher_usage_cooldown".to_owned(),
                "voucher_usage_cooldown_user_id_key",
            ),
            ("UPDATE voucher_usage_cooldown SET user_id = 9".to_owned(), "voucher_usage_cooldown_user_id_fkey"),
            ("UPDATE voucher_usage_cooldown SET expires_at = last_voucher_used".to_owned(), "voucher_usage_cooldown_expires_at_check"),
        ];
        let mut tried = BTreeSet::new();
        for (sql, constraint) in &cases {
            assert_eq!(refused_by(&mut connection, sql).await.as_deref(), Some(*constraint), "{sql}");
            tried.insert((*constraint).to_owned());
        }

        // Every rule was tried, except generated keys, which can be violated only on purpose.
        let rules: Vec<String> = sqlx::query_scalar(
            "SELECT c.relname::text FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
             WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace
               AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attidentity <> '' AND a.attnum = i.indkey[0])
             UNION SELECT conname::text FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f')",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let untried: Vec<_> = rules.iter().filter(|rule| !tried.contains(*rule)).collect();
        assert!(untried.is_empty(), "{untried:?}");
    });
}

#[test]
fn the_main_database_allows_what_it_must_allow() {
    with_databases(async |databases| {
        let mut connection = connect(databases, "main").await;
        run(&mut connection, SEED).await;
        for sql in [
            order("subtotal, voucher_discount, payment_fee, total_bill", "15000, 5000, 380, 10380"),
            order("subtotal, voucher_discount, total_bill", "1000, 1000, 0"),
            // A user may have one pending order, and any number of other orders.
            format!("{}; {}", order("subtotal, total_bill", "1, 1"), order("subtotal, total_bill, status", "1, 1, 'expired'").replace("NEW", "2")),
            // A unit that one order released can be sold in another order.
            format!(
                "UPDATE product_stocks SET order_id = NULL, is_sold = false; {}; UPDATE product_stocks SET order_id = 2;
                 INSERT INTO order_items (order_id, product_id, stock_id, price_per_unit)
                 SELECT o.id, 1, s.id, 1 FROM orders o, product_stocks s WHERE o.invoice_id = 'TRX-NEW'",
                // The key is generated. Here it is set to 2, whatever ran before.
                order("subtotal, total_bill, id", "1, 1, 2").replace(") VALUES", ") OVERRIDING SYSTEM VALUE VALUES"),
            ),
            voucher("amount", "1000"),
            voucher("amount", "1000000"),
            // A product can be renumbered. The rows that refer to it follow.
            "UPDATE products SET id = 7; SELECT 1 / count(*) FROM product_stocks WHERE product_id = 7;
             SELECT 1 / count(*) FROM order_items WHERE product_id = 7".to_owned(),
            // The cooldown is deleted with its user.
            "INSERT INTO users (id, name, bank_id) VALUES (3, 'x', '000003');
             INSERT INTO voucher_usage_cooldown (user_id, last_voucher_used, expires_at) VALUES (3, now(), now() + interval '1 s');
             DELETE FROM users WHERE id = 3".to_owned(),
            "UPDATE users SET member_status = 'reseller', bank_id = '99999' || id, account_balance = 9999999999999.99".to_owned(),
        ] {
            assert_eq!(refused_by(&mut connection, &sql).await, None, "{sql}");
        }

        for table in ["users", "products", "orders", "product_stocks"] {
            let sql = format!("UPDATE {table} SET updated_at = '2000-01-01', created_at = '2000-01-01'");
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            let kept: bool =
                sqlx::query_scalar(AssertSqlSafe(format!("SELECT bool_and(updated_at > created_at) FROM {table}")))
                    .fetch_one(&mut connection)
                    .await
                    .unwrap();
            assert!(kept, "{table}");
        }
    });
}

#[test]
fn the_audit_database_takes_rows_and_nothing_else() {
    wait_for(async {
        let Some(server) = or_skip(TestServer::start().await) else { return };
        // Without the role that the shop writes as, nothing is granted, and the shop goes on without it.
        as_superuser(&server, "postgres", "DROP ROLE quickcart_audit_writer").await;
        let databases = &server.databases().await.unwrap();
        let log = |actor: &str| {
            format!(
                "INSERT INTO audit_logs (actor_id, actor_type, entity_type, entity_id, action) VALUES ({actor}, 'user', '1', 'ban')"
            )
        };
        let payment = |status: &str| {
            format!(
                "INSERT INTO payment_audit_logs (order_id, user_id, amount, payment_method, status)
                 VALUES ('TRX20250101AAAAAA', 1, 15000, 'qris', '{status}')"
            )
        };
        let command = "INSERT INTO admin_action_audit (admin_id, command, result) VALUES (1, 'ban', 'ok')".to_owned();
        let mut connection = connect(databases, "audit").await;
        run(&mut connection, &format!("{}; {}; {command}", log("1, 'admin'"), payment("paid"))).await;

        assert_eq!(refused_by(&mut connection, &log("NULL, 'system'")).await, None);
        for (sql, constraint) in [
            (log("NULL, 'user'"), "audit_logs_actor_id_check"),
            (log("NULL, 'admin'"), "audit_logs_actor_id_check"),
            (log("1, 'robot'"), "audit_logs_actor_type_check"),
            (payment("refunded"), "payment_audit_logs_status_check"),
        ] {
            assert_eq!(refused_by(&mut connection, &sql).await.as_deref(), Some(constraint), "{sql}");
        }

        let (mut shop, acts_as) = quickcart_audit::connect(&databases.options("audit")).await.unwrap();
        assert_eq!(acts_as, quickcart_audit::ActsAs::LoginWithoutWriter);
        assert_eq!(refused_by(&mut shop, &log("1, 'user'")).await, None);

        // The rules hold for a superuser as well, and also if no row would be touched.
        let name: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&mut connection).await.unwrap();
        for url in [databases.url("audit"), &server.superuser_url(&name).unwrap()] {
            let mut connection = PgConnection::connect(url).await.unwrap();
            for (table, column) in
                [("audit_logs", "action"), ("admin_action_audit", "result"), ("payment_audit_logs", "status")]
            {
                for (operation, sql) in [
                    ("UPDATE", format!("UPDATE {table} SET {column} = {column}")),
                    ("UPDATE", format!("UPDATE {table} SET {column} = {column} WHERE false")),
                    ("DELETE", format!("DELETE FROM {table}")),
                    ("DELETE", format!("DELETE FROM {table} WHERE false")),
                    ("TRUNCATE", format!("TRUNCATE {table}")),
                ] {
                    let message = refused_by(&mut connection, &sql).await.unwrap_or_default();
                    assert!(
                        message.starts_with(&format!("{operation} is not allowed on {table}: ")),
                        "{sql}: {message}"
                    );
                }
                let comment: String = sqlx::query_scalar("SELECT obj_description($1::regclass, 'pg_class')")
                    .bind(table)
                    .fetch_one(&mut connection)
                    .await
                    .unwrap();
                assert!(comment.contains("kept forever"), "{table}: {comment}");
            }
        }
    });
}

/// Returns everything that the migrations made, by kind and name.
async fn objects(connection: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT 'relation ' || relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
         UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
         UNION ALL SELECT 'type ' || typname FROM pg_type WHERE typnamespace = 'public'::regnamespace
         UNION ALL SELECT 'constraint ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
         UNION ALL SELECT 'trigger ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
         ORDER BY 1",
    )
    .fetch_all(connection)
    .await
    .unwrap()
}

#[test]
fn the_down_files_reverse_the_up_files_one_by_one() {
    with_databases(async |databases| {
        for name in ["main", "audit"] {
            let (ups, downs) = (migrations(name, ".up.sql"), migrations(name, ".down.sql"));
            assert_eq!(ups.len(), downs.len());
            let mut connection = connect(databases, name).await;
            let mut before = vec![objects(&mut connection).await];
            for down in downs.iter().rev() {
                run(&mut connection, &fs::read_to_string(down).unwrap()).await;
                before.push(objects(&mut connection).await);
            }
            assert_eq!(before.pop().unwrap(), Vec::<String>::new());
            for up in ups {
                run(&mut connection, &fs::read_to_string(&up).unwrap()).await;
                assert_eq!(objects(&mut connection).await, before.pop().unwrap(), "{}", up.display());
            }
        }
    });
}
