//! What a step waits for, what it keeps from others meanwhile, and when it is repeated.

use quickcart::secret::Secret;
use quickcart::shop::ATTEMPTS;
use quickcart::shop::orders::{
    NewOrder, Order, PlaceError, SettleError, Settled, VoucherError, cancel, expire_overdue, pay, place,
};
use quickcart_audit::DatabaseError;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::contention::{until_it_waits, waiting_buyer};
use crate::storm::until_alone;
use crate::{Databases, ask, contents, new_order, run, seeded, stock, with_databases};

/// A connection on which a step fails if it has to wait.
async fn impatient(databases: &Databases) -> PgConnection {
    let mut connection = databases.main().await;
    run(&mut connection, "SET lock_timeout = '1 ms'").await;
    connection
}

#[test]
fn a_buyer_does_not_wait_for_units_that_others_are_reserving_if_there_are_more() {
    with_databases(async |databases| {
        let mut connection = seeded(databases).await;
        let mut first = databases.main().await;
        let mut reserving = first.begin().await.unwrap();
        place(&mut reserving, new_order(1, 1)).await.unwrap();
        let mut second = impatient(databases).await;
        place(&mut second, new_order(2, 1)).await.unwrap();
        // Nor if there are too few in any case.
        let error = place(&mut second, new_order(3, 3)).await.unwrap_err();
        assert!(matches!(error, PlaceError::NotEnough { available: 2 }), "{error}");
        reserving.commit().await.unwrap();
        assert_eq!(stock(&mut connection).await, (1, 2, 0));
    });
}

#[test]
fn a_buyer_who_waits_for_units_keeps_none_from_others() {
    with_databases(async |databases| {
        let mut connection = seeded(databases).await;
        let mut first = databases.main().await;
        let mut reserving = first.begin().await.unwrap();
        let order = place(&mut reserving, new_order(1, 1)).await.unwrap();
        let second = waiting_buyer(databases, &mut connection, 2, 3).await;
        // The two units that nobody reserves are free for others, who can also pay for them.
        let mut third = impatient(databases).await;
        let other = place(&mut third, new_order(3, 1)).await.unwrap();
        pay(&mut third, &other.invoice_id, other.total_bill, None).await.unwrap();
        reserving.commit().await.unwrap();
        let error = second.await.unwrap().unwrap_err();
        assert!(matches!(error, PlaceError::NotEnough { available: 1 }), "{error}");
        cancel(&mut third, &order.invoice_id).await.unwrap();
        assert_eq!(stock(&mut connection).await, (2, 0, 1));
    });
}

#[test]
fn a_second_order_sees_the_cooldown_that_begins_while_it_waits_for_the_payment_of_the_first() {
    with_databases(async |databases| {
        let mut connection = seeded(databases).await;
        run(
            &mut connection,
            "INSERT INTO vouchers (code, amount, created_by, expires_at)
             SELECT code, 10000, 8, now() + interval '1 h' FROM unnest('{ONE,TWO}'::text[]) code",
        )
        .await;
        let [one, two] = ["ONE", "TWO"].map(|code| Secret::new(code.into()));
        let order = place(&mut connection, NewOrder { voucher: Some(&one), ..new_order(1, 1) }).await.unwrap();
        let mut first = databases.main().await;
        let mut paying = first.begin().await.unwrap();
        pay(&mut paying, &order.invoice_id, order.total_bill, None).await.unwrap();
        let mut second = databases.main().await;
        let process = ask(&mut second, "pg_backend_pid()").await;
        let placing =
            tokio::spawn(async move { place(&mut second, NewOrder { voucher: Some(&two), ..new_order(1, 1) }).await });
        until_it_waits(&mut connection, &process, &placing).await;
        paying.commit().await.unwrap();
        let error = placing.await.unwrap().unwrap_err();
        assert!(matches!(error, PlaceError::Voucher(VoucherError::Cooldown { .. })), "{error}");
        assert_eq!(ask(&mut connection, "SELECT count(*) FROM vouchers WHERE order_id IS NOT NULL").await, "1");
    });
}

#[test]
fn an_admin_gives_a_product_another_number_while_it_is_sold() {
    with_databases(async |databases| {
        let mut connection = seeded(databases).await;
        let renumber = async |product: i32, to: i32| {
            let mut admin = databases.main().await;
            let process = ask(&mut admin, "pg_backend_pid()").await;
            let sql = format!("UPDATE products SET id = {to} WHERE id = {product}");
            (process, tokio::spawn(async move { run(&mut admin, &sql).await }))
        };
        let mut first = databases.main().await;
        let mut reserving = first.begin().await.unwrap();
        let order = place(&mut reserving, new_order(1, 1)).await.unwrap();
        let (process, renumbering) = renumber(1, 9).await;
        until_it_waits(&mut connection, &process, &renumbering).await;
        reserving.commit().await.unwrap();
        renumbering.await.unwrap();
        let mut paying = first.begin().await.unwrap();
        pay(&mut paying, &order.invoice_id, order.total_bill, None).await.unwrap();
        let (process, renumbering) = renumber(9, 1).await;
        until_it_waits(&mut connection, &process, &renumbering).await;
        paying.commit().await.unwrap();
        renumbering.await.unwrap();
        assert_eq!(ask(&mut connection, "SELECT sold_count FROM products WHERE id = 1").await, "1");

        // A buyer who comes in the middle finds the product gone, and not a shortage of its units.
        let mut renumbering = first.begin().await.unwrap();
        run(&mut renumbering, "UPDATE products SET id = 9 WHERE id = 1").await;
        let second = waiting_buyer(databases, &mut connection, 2, 1).await;
        renumbering.commit().await.unwrap();
        let error = second.await.unwrap().unwrap_err();
        assert!(matches!(error, PlaceError::NoSuchProduct), "{error}");
    });
}

/// A new number for a product changes the product first, and then its units. A payment in the middle of that keeps no unit.
#[test]
fn a_payment_locks_the_product_before_its_units() {
    with_databases(async |databases| {
        let mut connection = seeded(databases).await;
        let order = place(&mut connection, new_order(1, 1)).await.unwrap();
        let mut holder = databases.main().await;
        let mut holding = holder.begin().await.unwrap();
        run(&mut holding, "SELECT FROM product_stocks WHERE content = 'content C' FOR UPDATE").await;
        let (mut admin, mut payer) = (databases.main().await, databases.main().await);
        let processes = [ask(&mut admin, "pg_backend_pid()").await, ask(&mut payer, "pg_backend_pid()").await];
        let renumbering = tokio::spawn(async move { run(&mut admin, "UPDATE products SET id = 9 WHERE id = 1").await });
        until_it_waits(&mut connection, &processes[0], &renumbering).await;
        let paying = tokio::spawn(async move {
            pay(&mut payer, &order.invoice_id, order.total_bill, None).await.unwrap();
        });
        until_it_waits(&mut connection, &processes[1], &paying).await;
        holding.commit().await.unwrap();
        renumbering.await.unwrap();
        paying.await.unwrap();
        drop(holder);
        until_alone(&mut connection).await;
        let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        assert_eq!(ask(&mut connection, deadlocks).await, "0");
        assert_eq!(ask(&mut connection, "SELECT sold_count FROM products WHERE id = 9").await, "1");
    });
}

/// From the next statement on, `failures` changes of orders end as if PostgreSQL had chosen their transaction to end a
/// deadlock. A sequence isn't rolled back, so it counts the attempts.
async fn fail(connection: &mut PgConnection, code: &str, failures: usize) {
    let sql = format!(
        "CREATE SEQUENCE IF NOT EXISTS attempts; SELECT setval('attempts', 1, false);
         CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('attempts') <= {failures} THEN RAISE 'lost' USING ERRCODE = '{code}'; END IF;
             RETURN NEW;
         END $$;
         CREATE OR REPLACE TRIGGER fail BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION fail()"
    );
    run(connection, &sql).await;
}

async fn attempts(connection: &mut PgConnection) -> usize {
    ask(connection, "SELECT last_value FROM attempts").await.parse().unwrap()
}

#[test]
fn a_transaction_that_is_ended_for_the_sake_of_others_is_repeated() {
    with_databases(async |databases| {
        let mut connection = seeded(databases).await;
        for (code, user) in [("40P01", 1), ("40001", 2)] {
            fail(&mut connection, code, 2).await;
            let order = place(&mut connection, new_order(user, 1)).await.unwrap();
            assert_eq!(attempts(&mut connection).await, 3);
            fail(&mut connection, code, 2).await;
            let settled = pay(&mut connection, &order.invoice_id, order.total_bill, None).await.unwrap();
            assert!(matches!(settled, Settled::Now(_)), "{settled:?}");
            assert_eq!(attempts(&mut connection).await, 3);
        }
        assert_eq!(stock(&mut connection).await, (1, 0, 2));
        assert_eq!(ask(&mut connection, "SELECT sold_count FROM products WHERE id = 1").await, "2");
        assert_eq!(ask(&mut connection, "SELECT count(*) FROM order_items").await, "2");
    });
}

#[test]
fn a_transaction_that_fails_every_time_is_given_up_and_has_changed_nothing() {
    with_databases(async |databases| {
        let mut connection = seeded(databases).await;
        let Order { invoice_id, total_bill, .. } = place(&mut connection, new_order(1, 1)).await.unwrap();
        run(&mut connection, "UPDATE orders SET created_at = now() - interval '11 min'").await;
        let before = contents(&mut connection).await;
        let code = |error: &DatabaseError| error.code().unwrap().into_owned();
        // Another error isn't worth a second attempt.
        for (expected, tried) in [("40P01", ATTEMPTS), ("23514", 1)] {
            let settle = |error: SettleError| match error {
                SettleError::Database(error) => code(&error),
                error => panic!("{error}"),
            };
            let mut seen = Vec::new();
            for step in 0..4 {
                fail(&mut connection, expected, 100).await;
                seen.push(match step {
                    0 => match place(&mut connection, new_order(2, 1)).await.unwrap_err() {
                        PlaceError::Database(error) => code(&error),
                        error => panic!("{error}"),
                    },
                    1 => settle(pay(&mut connection, &invoice_id, total_bill, None).await.unwrap_err()),
                    2 => settle(cancel(&mut connection, &invoice_id).await.unwrap_err()),
                    _ => code(&expire_overdue(&mut connection).await.unwrap_err()),
                });
                assert_eq!(attempts(&mut connection).await, tried, "step {step}");
            }
            assert_eq!(seen, [expected; 4]);
            assert_eq!(contents(&mut connection).await, before);
        }
    });
}
