//! How many orders the shop takes in a second, and how that grows with the number of users who order at once.
//!
//!     cargo bench --package quickcart
//!
//! An order is placed for one unit and paid, in two transactions. With one product, all users want the same units. The
//! server is a private one in memory that never waits for a disk, so the numbers show what the users make each other
//! wait. They aren't those of a server with a disk.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Instant;

use quickcart::shop::orders::{NewOrder, pay, place};
use quickcart::shop::quantity::Quantity;
use quickcart::shop::status::PaymentMethod;
use sqlx::AssertSqlSafe;
use xtask::test_databases::{TestDatabases, TestServer};

const USERS: [i32; 6] = [1, 2, 4, 8, 16, 32];

/// The orders of one measurement, by all users together.
const ORDERS: i32 = 640;

fn main() {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(measure());
}

async fn measure() {
    let server = TestServer::start().await.unwrap();
    println!("users  one product     a product each");
    let mut alone = [0.0; 2];
    for users in USERS {
        let mut line = format!("{users:>5}");
        for (column, products) in [1, users].into_iter().enumerate() {
            let rate = orders_per_second(&server.databases().await.unwrap(), users, products).await;
            if users == 1 {
                alone[column] = rate;
            }
            line += &format!("  {rate:>5.0}/s  {:>4.1}×", rate / alone[column]);
        }
        println!("{line}");
    }
}

async fn orders_per_second(databases: &TestDatabases, users: i32, products: i32) -> f64 {
    let seed = format!(
        "INSERT INTO users (id, name, bank_id) SELECT id, 'User', lpad(id::text, 6, '0') FROM generate_series(1, {users}) id;
         INSERT INTO products (id, name, customer_price) SELECT id, 'Key', 15000 FROM generate_series(0, {products} - 1) id;
         INSERT INTO product_stocks (product_id, content)
             SELECT n % {products}, 'content' FROM generate_series(1, 2 * {ORDERS}) n;
         ANALYZE;"
    );
    let mut connection = databases.connect("main").await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(seed)).execute(&mut connection).await.unwrap();
    let mut connections = Vec::new();
    for _ in 0..users {
        connections.push(databases.connect("main").await.unwrap());
    }
    let started = Instant::now();
    let tasks: Vec<_> = connections
        .into_iter()
        .zip(1..)
        .map(|(mut connection, user)| {
            tokio::spawn(async move {
                let new = NewOrder {
                    user_id: i64::from(user),
                    product_id: user % products,
                    quantity: Quantity::new(1).unwrap(),
                    payment_method: PaymentMethod::Qris,
                    voucher: None,
                };
                for _ in 0..ORDERS / users {
                    let order = place(&mut connection, new).await.unwrap();
                    pay(&mut connection, &order.invoice_id, order.total_bill, None).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    f64::from(ORDERS) / started.elapsed().as_secs_f64()
}
