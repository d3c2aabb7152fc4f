//! Tests of the shop's core and of the audit trail on a real PostgreSQL.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod contention;
mod cut;
#[path = "../databases/mod.rs"]
mod databases;
mod locks;
mod orders;
mod outbox;
mod payment;
mod storm;
mod trail;
mod users;

use quickcart::TABLES;
use quickcart::shop::orders::NewOrder;
use quickcart::shop::quantity::Quantity;
use quickcart::shop::status::PaymentMethod;
use quickcart_audit::ActsAs;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use xtask::test_databases::{TestDatabases, TestServer};

/// The migrated databases of one test.
struct Databases(TestDatabases);

impl Databases {
    /// Another connection to the main database.
    async fn main(&self) -> PgConnection {
        self.0.connect("main").await.unwrap()
    }

    /// Connects to the audit database as the owner of its tables.
    async fn owner(&self) -> PgConnection {
        self.0.connect("audit").await.unwrap()
    }

    /// Connects to the audit database as the shop does.
    async fn audit(&self) -> PgConnection {
        let (connection, acts_as) = self.trail(|login| login).await;
        assert_eq!(acts_as, ActsAs::Writer);
        connection
    }

    /// Connects to the audit database as the shop does, with another login.
    async fn trail(&self, login: impl FnOnce(PgConnectOptions) -> PgConnectOptions) -> (PgConnection, ActsAs) {
        quickcart_audit::connect(&login(self.0.options("audit"))).await.unwrap()
    }
}

/// Runs the test on its own databases. Without PostgreSQL it isn't run.
fn with_databases(test: impl AsyncFnOnce(&Databases)) {
    wait_for(async {
        let Some(databases) = databases::or_skip(TestDatabases::new().await) else { return };
        test(&Databases(databases)).await;
    });
}

/// Runs the test on a server of its own, where it may make roles. Without PostgreSQL it isn't run.
fn with_server(test: impl AsyncFnOnce(&TestServer, &Databases)) {
    wait_for(async {
        let Some(server) = databases::or_skip(TestServer::start().await) else { return };
        let databases = Databases(server.databases().await.unwrap());
        test(&server, &databases).await;
    });
}

fn wait_for(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

/// Users 1 to 8 are customers. Product 1 costs 15,000 and has the units A, B and C, of which A is the oldest. Product 2
/// is no longer for sale. Product 3 has no unit.
const SEED: &str = "
    INSERT INTO users (id, name, bank_id) SELECT id, 'User ' || id, lpad(id::text, 6, '0') FROM generate_series(1, 8) id;
    INSERT INTO products (id, name, customer_price, reseller_price, is_active) VALUES
        (1, 'Key', 15000, 12000, true), (2, 'Old', 1000, NULL, false), (3, 'Rare', 99000, NULL, true);
    INSERT INTO product_stocks (product_id, content, created_at) VALUES
        (1, 'content C', '2025-01-03'), (1, 'content A', '2025-01-01'), (1, 'content B', '2025-01-02'),
        (2, 'content D', '2025-01-01');";

async fn seeded(databases: &Databases) -> PgConnection {
    let mut connection = databases.main().await;
    run(&mut connection, SEED).await;
    connection
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
}

/// Returns the one value that `sql` asks for, as text.
async fn ask(connection: &mut PgConnection, sql: &str) -> String {
    sqlx::query_scalar(AssertSqlSafe(format!("SELECT ({sql})::text"))).fetch_one(connection).await.unwrap()
}

/// Returns all rows of the main database, so that a test can see that nothing was changed.
async fn contents(connection: &mut PgConnection) -> Vec<Value> {
    let mut tables = Vec::new();
    for table in TABLES {
        let sql = format!("SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY t.id), '[]') FROM {table} t");
        tables.push(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *connection).await.unwrap());
    }
    tables
}

/// Returns how many units of product 1 are available, reserved and sold.
async fn stock(connection: &mut PgConnection) -> (i64, i64, i64) {
    sqlx::query_as(
        "SELECT count(*) FILTER (WHERE order_id IS NULL), count(*) FILTER (WHERE order_id IS NOT NULL AND NOT is_sold),
                count(*) FILTER (WHERE is_sold) FROM product_stocks WHERE product_id = 1",
    )
    .fetch_one(connection)
    .await
    .unwrap()
}

fn new_order(user_id: i64, units: u32) -> NewOrder<'static> {
    NewOrder {
        user_id,
        product_id: 1,
        quantity: Quantity::new(units).unwrap(),
        payment_method: PaymentMethod::Qris,
        voucher: None,
    }
}
