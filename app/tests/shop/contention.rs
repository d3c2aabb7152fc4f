//! Buyers who want the same units at the same time.

use quickcart::shop::orders::{Order, PlaceError, place};
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::task::JoinHandle;

use crate::{Databases, ask, new_order, run, seeded, stock, with_databases};

/// Lets another buyer order, and returns when that buyer waits for a lock.
pub(crate) async fn waiting_buyer(
    databases: &Databases,
    observer: &mut PgConnection,
    user_id: i64,
    units: u32,
) -> JoinHandle<Result<Order, PlaceError>> {
    let mut connection = databases.main().await;
    let process = ask(&mut connection, "pg_backend_pid()").await;
    let placing = tokio::spawn(async move { place(&mut connection, new_order(user_id, units)).await });
    until_it_waits(observer, &process, &placing).await;
    placing
}

/// Returns when the task waits for a lock. `process` is the server's process for the task's connection.
pub(crate) async fn until_it_waits<T>(observer: &mut PgConnection, process: &str, task: &JoinHandle<T>) {
    while ask(observer, &format!("cardinality(pg_blocking_pids({process})) > 0")).await != "true" {
        assert!(!task.is_finished(), "the second task didn't wait for the first");
    }
}

#[test]
fn of_two_buyers_who_want_the_last_unit_one_gets_it() {
    with_databases(async |databases| {
        let mut connection = seeded(databases).await;
        run(&mut connection, "DELETE FROM product_stocks WHERE content <> 'content A'").await;

        // The first buyer's transaction is rolled back, so the second buyer gets the unit.
        let mut first = databases.main().await;
        let mut transaction = first.begin().await.unwrap();
        place(&mut transaction, new_order(1, 1)).await.unwrap();
        let second = waiting_buyer(databases, &mut connection, 2, 1).await;
        transaction.rollback().await.unwrap();
        let order = second.await.unwrap().unwrap();
        assert_eq!(stock(&mut connection).await, (0, 1, 0));
        assert_eq!(ask(&mut connection, "SELECT user_id FROM orders").await, order.user_id.to_string());

        run(&mut connection, "UPDATE product_stocks SET order_id = NULL").await;
        let mut transaction = first.begin().await.unwrap();
        place(&mut transaction, new_order(3, 1)).await.unwrap();
        let second = waiting_buyer(databases, &mut connection, 4, 1).await;
        transaction.commit().await.unwrap();
        let error = second.await.unwrap().unwrap_err();
        assert!(matches!(error, PlaceError::NotEnough { available: 0 }), "{error}");
        assert_eq!(stock(&mut connection).await, (0, 1, 0));
        assert_eq!(ask(&mut connection, "SELECT array_agg(user_id ORDER BY user_id) FROM orders").await, "{2,3}");
    });
}

#[test]
fn eight_buyers_get_three_units_between_them() {
    with_databases(async |databases| {
        let mut connection = seeded(databases).await;
        let mut placing = Vec::new();
        for user in 1..=8 {
            let mut buyers = databases.main().await;
            placing.push(tokio::spawn(async move { place(&mut buyers, new_order(user, 1)).await }));
        }
        let mut orders = 0;
        for placing in placing {
            match placing.await.unwrap() {
                Ok(_) => orders += 1,
                Err(error) => assert!(matches!(error, PlaceError::NotEnough { available: 0 }), "{error}"),
            }
        }
        assert_eq!((orders, stock(&mut connection).await), (3, (0, 3, 0)));
        assert_eq!(ask(&mut connection, "SELECT count(DISTINCT stock_id) FROM order_items").await, "3");
    });
}

#[test]
fn one_user_who_orders_twice_at_once_has_one_order() {
    with_databases(async |databases| {
        let mut connection = seeded(databases).await;
        let mut first = databases.main().await;
        let mut transaction = first.begin().await.unwrap();
        place(&mut transaction, new_order(1, 1)).await.unwrap();
        let second = waiting_buyer(databases, &mut connection, 1, 1).await;
        transaction.commit().await.unwrap();
        let error = second.await.unwrap().unwrap_err();
        assert!(matches!(error, PlaceError::PendingOrder), "{error}");
        assert_eq!(stock(&mut connection).await, (2, 1, 0));
    });
}
