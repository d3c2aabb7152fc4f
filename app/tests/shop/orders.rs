//! The life of an order.

use quickcart::secret::Secret;
use quickcart::shop::invoice::InvoiceId;
use quickcart::shop::orders::{
    NewOrder, PlaceError, SettleError, Settled, cancel, expire_overdue, find, paid_units, pay, place,
};
use quickcart::shop::status::OrderStatus;
use quickcart_audit::DatabaseError;
use rust_decimal::Decimal;
use sqlx::Connection;

use crate::{ask, contents, new_order, run, seeded, stock, with_databases};

#[test]
fn an_order_is_placed_and_paid_and_a_repeated_payment_changes_nothing() {
    with_databases(async |databases| {
        let mut connection = seeded(databases).await;
        let order = place(&mut connection, new_order(1, 2)).await.unwrap();
        assert_eq!(
            [order.subtotal, order.voucher_discount, order.payment_fee, order.total_bill],
            [30_000, 0, 520, 30_520].map(Decimal::from)
        );
        assert_eq!((order.user_id, order.status), (1, OrderStatus::Pending));
        assert_eq!(order.invoice_id.as_str().parse(), Ok(order.invoice_id.clone()));
        assert_eq!(find(&mut connection, &order.invoice_id).await.unwrap().as_ref(), Some(&order));
        assert_eq!(stock(&mut connection).await, (1, 2, 0));
        let items = "SELECT string_agg(content || ' ' || price_per_unit, ', ' ORDER BY content)
                     FROM order_items i JOIN product_stocks s ON s.id = i.stock_id AND s.order_id = i.order_id";
        assert_eq!(ask(&mut connection, items).await, "content A 15000.00, content B 15000.00");

        // A payment of another amount is refused, and an unpaid order has no units to hand out.
        let placed = contents(&mut connection).await;
        for amount in [30_000, 30_521] {
            let error = pay(&mut connection, &order.invoice_id, amount.into(), None).await.unwrap_err();
            assert!(matches!(error, SettleError::Amount { total_bill } if total_bill == 30_520.into()), "{error}");
        }
        assert!(paid_units(&mut connection, &order).await.unwrap().is_empty());
        assert_eq!(contents(&mut connection).await, placed);

        let settled = pay(&mut connection, &order.invoice_id, 30_520.into(), None).await.unwrap();
        let Settled::Now(paid) = settled else { panic!("{settled:?}") };
        assert_eq!(paid.status, OrderStatus::Paid);
        assert_eq!(find(&mut connection, &order.invoice_id).await.unwrap().as_ref(), Some(&paid));
        assert_eq!(stock(&mut connection).await, (1, 0, 2));
        assert_eq!(ask(&mut connection, "SELECT sold_count FROM products WHERE id = 1").await, "2");
        let units = paid_units(&mut connection, &paid).await.unwrap();
        assert_eq!(units.iter().map(Secret::expose).collect::<Vec<_>>(), ["content A", "content B"]);
        assert_eq!(format!("{units:?}"), "[[redacted], [redacted]]");

        let after = contents(&mut connection).await;
        let again = pay(&mut connection, &order.invoice_id, 30_520.into(), None).await.unwrap();
        assert_eq!(again, Settled::Before(paid));
        let error = cancel(&mut connection, &order.invoice_id).await.unwrap_err();
        assert!(matches!(error, SettleError::Final(OrderStatus::Paid)), "{error}");
        assert_eq!(contents(&mut connection).await, after);

        let unknown: InvoiceId = "TRX20250101AAAAAA".parse().unwrap();
        let error = pay(&mut connection, &unknown, 30_520.into(), None).await.unwrap_err();
        assert!(matches!(error, SettleError::NoSuchOrder), "{error}");
    });
}

#[test]
fn a_second_pending_order_is_refused_until_the_first_is_cancelled() {
    with_databases(async |databases| {
        let mut connection = seeded(databases).await;
        let first = place(&mut connection, new_order(1, 2)).await.unwrap();
        let placed = contents(&mut connection).await;
        let error = place(&mut connection, new_order(1, 1)).await.unwrap_err();
        assert!(matches!(error, PlaceError::PendingOrder), "{error}");
        assert_eq!(contents(&mut connection).await, placed);

        let settled = cancel(&mut connection, &first.invoice_id).await.unwrap();
        let Settled::Now(cancelled) = settled else { panic!("{settled:?}") };
        assert_eq!(cancelled.status, OrderStatus::Cancelled);
        assert_eq!(stock(&mut connection).await, (3, 0, 0));
        let after = contents(&mut connection).await;
        assert_eq!(cancel(&mut connection, &first.invoice_id).await.unwrap(), Settled::Before(cancelled));
        let error = pay(&mut connection, &first.invoice_id, first.total_bill, None).await.unwrap_err();
        assert!(matches!(error, SettleError::Final(OrderStatus::Cancelled)), "{error}");
        assert_eq!(contents(&mut connection).await, after);

        // The next order takes the same units, and the items of the first order stay.
        let second = place(&mut connection, new_order(1, 3)).await.unwrap();
        pay(&mut connection, &second.invoice_id, second.total_bill, None).await.unwrap();
        assert_eq!(stock(&mut connection).await, (0, 0, 3));
        assert_eq!(ask(&mut connection, "SELECT count(*) FROM order_items").await, "5");
        assert_eq!(ask(&mut connection, "SELECT sold_count FROM products WHERE id = 1").await, "3");
    });
}

#[test]
fn an_order_that_is_not_paid_in_time_expires() {
    with_databases(async |databases| {
        let mut connection = seeded(databases).await;
        let mut orders = Vec::new();
        for user in 1..=3 {
            orders.push(place(&mut connection, new_order(user, 1)).await.unwrap());
        }
        assert_eq!(expire_overdue(&mut connection).await.unwrap(), []);

        // The third order is overdue as well, but another transaction is paying it.
        run(
            &mut connection,
            "UPDATE orders SET created_at = now() - CASE user_id WHEN 2 THEN interval '9 min 30 s' ELSE '10 min' END",
        )
        .await;
        let mut other = databases.main().await;
        let mut paying = other.begin().await.unwrap();
        let third = orders[2].invoice_id.clone();
        pay(&mut paying, &third, orders[2].total_bill, None).await.unwrap();
        // If the sweep waited for that transaction, it would wait forever.
        run(&mut connection, "SET lock_timeout = '20 s'").await;
        let expired = expire_overdue(&mut connection).await.unwrap();
        assert_eq!(expired.len(), 1, "{expired:?}");
        assert_eq!((&expired[0].invoice_id, expired[0].status), (&orders[0].invoice_id, OrderStatus::Expired));
        assert_eq!(stock(&mut connection).await, (1, 2, 0));

        paying.commit().await.unwrap();
        assert_eq!(stock(&mut connection).await, (1, 1, 1));
        let after = contents(&mut connection).await;
        assert_eq!(expire_overdue(&mut connection).await.unwrap(), []);
        for error in [
            pay(&mut connection, &orders[0].invoice_id, orders[0].total_bill, None).await.unwrap_err(),
            cancel(&mut connection, &orders[0].invoice_id).await.unwrap_err(),
        ] {
            assert!(matches!(error, SettleError::Final(OrderStatus::Expired)), "{error}");
        }
        assert_eq!(contents(&mut connection).await, after);
    });
}

#[test]
fn an_order_that_cannot_be_placed_is_refused_and_reserves_nothing() {
    with_databases(async |databases| {
        let mut connection = seeded(databases).await;
        run(&mut connection, "UPDATE users SET is_banned = true WHERE id = 2").await;
        let mut other = databases.main().await;
        run(&mut other, "SET lock_timeout = '20 s'").await;
        let before = contents(&mut other).await;
        let of = |product_id| NewOrder { product_id, ..new_order(1, 1) };
        for (new, expected) in [
            (new_order(9, 1), "this user isn't registered"),
            (new_order(2, 1), "this user is banned"),
            (of(9), "this product isn't for sale"),
            (of(2), "this product isn't for sale"),
            (of(3), "only 0 units are available"),
            (new_order(1, 4), "only 3 units are available"),
        ] {
            assert_eq!(place(&mut connection, new).await.unwrap_err().to_string(), expected);
            assert_eq!(contents(&mut other).await, before, "{expected}");
        }
        // The rows that the last refused order locked are free, although its connection has done nothing since.
        place(&mut other, new_order(3, 3)).await.unwrap();
        assert_eq!(stock(&mut other).await, (0, 3, 0));
    });
}

#[test]
fn an_error_of_the_database_does_not_quote_the_row() {
    with_databases(async |databases| {
        let mut connection = seeded(databases).await;
        let refused =
            sqlx::query("UPDATE product_stocks SET is_sold = true").execute(&mut connection).await.unwrap_err();
        assert!(format!("{refused:?}").contains("content"), "PostgreSQL itself quotes it: {refused:?}");
        let error = DatabaseError::from(refused);
        assert_eq!(error.constraint(), Some("product_stocks_state_check"));
        assert!(!format!("{error} {error:?} {error:#?}").contains("content"), "{error:?}");
    });
}
