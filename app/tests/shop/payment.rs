//! Balances and vouchers.

use quickcart::secret::Secret;
use quickcart::shop::orders::{
    NewOrder, PlaceError, SettleError, Settled, VoucherError, cancel, expire_overdue, pay, pay_from_balance, place,
};
use quickcart::shop::status::PaymentMethod;
use rust_decimal::Decimal;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::contention::until_it_waits;
use crate::{Databases, ask, contents, new_order, run, seeded, stock, with_databases};

const BALANCES: &str = "SELECT string_agg(trunc(account_balance)::text, ' ' ORDER BY id) FROM users WHERE id <= 2";

#[test]
fn an_order_is_paid_from_the_balance_once_and_only_if_that_is_enough() {
    with_databases(async |databases| {
        let mut connection = seeded(databases).await;
        run(&mut connection, "UPDATE users SET account_balance = 29999.99 WHERE id = 1").await;
        let new = NewOrder { payment_method: PaymentMethod::AccountBalance, ..new_order(1, 2) };
        let order = place(&mut connection, new).await.unwrap();
        assert_eq!([order.payment_fee, order.total_bill], [0, 30_000].map(Decimal::from));
        let placed = contents(&mut connection).await;
        let error = pay_from_balance(&mut connection, &order.invoice_id).await.unwrap_err();
        assert!(matches!(error, SettleError::Balance), "{error}");
        // The gateway can't pay this order.
        let error = pay(&mut connection, &order.invoice_id, order.total_bill, None).await.unwrap_err();
        assert!(matches!(error, SettleError::Method(PaymentMethod::AccountBalance)), "{error}");
        assert_eq!(contents(&mut connection).await, placed);

        run(&mut connection, "UPDATE users SET account_balance = 70000 WHERE id <= 2").await;
        let settled = pay_from_balance(&mut connection, &order.invoice_id).await.unwrap();
        let Settled::Now(paid) = settled else { panic!("{settled:?}") };
        assert_eq!(
            (stock(&mut connection).await, ask(&mut connection, BALANCES).await),
            ((1, 0, 2), "40000 70000".into())
        );
        let after = contents(&mut connection).await;
        assert_eq!(pay_from_balance(&mut connection, &order.invoice_id).await.unwrap(), Settled::Before(paid));
        assert_eq!(contents(&mut connection).await, after);

        let qris = place(&mut connection, new_order(1, 1)).await.unwrap();
        let error = pay_from_balance(&mut connection, &qris.invoice_id).await.unwrap_err();
        assert!(matches!(error, SettleError::Method(PaymentMethod::Qris)), "{error}");
    });
}

const VOUCHERS: &str = "
    INSERT INTO vouchers (code, amount, created_by, created_at, expires_at) VALUES
        ('TEN', 10000, 8, now() - interval '2 h', now() + interval '1 h'),
        ('MORE', 50000, 8, now() - interval '2 h', now() + interval '1 h'),
        ('OLD', 10000, 8, now() - interval '2 h', now() - interval '1 h')";

async fn with_vouchers(databases: &Databases) -> PgConnection {
    let mut connection = seeded(databases).await;
    run(&mut connection, VOUCHERS).await;
    connection
}

async fn refused(connection: &mut PgConnection, user_id: i64, code: &Secret) -> VoucherError {
    let new = NewOrder { voucher: Some(code), ..new_order(user_id, 1) };
    match place(connection, new).await {
        Err(PlaceError::Voucher(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_voucher_is_used_when_the_order_is_paid_and_not_before() {
    with_databases(async |databases| {
        let mut connection = with_vouchers(databases).await;
        let [ten, more, old, none] = ["TEN", "MORE", "OLD", "NONE"].map(|code| Secret::new(code.into()));
        let before = contents(&mut connection).await;
        assert_eq!(refused(&mut connection, 1, &none).await, VoucherError::NoSuchVoucher);
        assert_eq!(refused(&mut connection, 1, &old).await, VoucherError::Expired);
        assert_eq!(contents(&mut connection).await, before);

        let new = NewOrder { voucher: Some(&ten), ..new_order(1, 1) };
        assert!(!format!("{new:?}").contains("TEN"));
        let order = place(&mut connection, new).await.unwrap();
        assert_eq!(
            [order.subtotal, order.voucher_discount, order.payment_fee, order.total_bill],
            [15_000, 10_000, 345, 5_345].map(Decimal::from)
        );
        assert_eq!(refused(&mut connection, 2, &ten).await, VoucherError::Held);

        // An order that is cancelled or expires gives the voucher back, and starts no cooldown.
        cancel(&mut connection, &order.invoice_id).await.unwrap();
        let order = place(&mut connection, new).await.unwrap();
        run(&mut connection, "UPDATE orders SET created_at = now() - interval '11 min'").await;
        assert_eq!(expire_overdue(&mut connection).await.unwrap().len(), 1);
        assert!(matches!(
            pay(&mut connection, &order.invoice_id, 5_345.into(), None).await,
            Err(SettleError::Final(_))
        ));
        assert_eq!(
            ask(&mut connection, "SELECT count(*) FROM vouchers WHERE is_used OR order_id IS NOT NULL").await,
            "0"
        );

        // The order claimed the voucher in time, so a late payment still uses it.
        let order = place(&mut connection, new).await.unwrap();
        run(&mut connection, "UPDATE vouchers SET expires_at = now() - interval '1 s' WHERE code = 'TEN'").await;
        pay(&mut connection, &order.invoice_id, 5_345.into(), None).await.unwrap();
        let used = "SELECT string_agg(code || ' ' || used_by, ', ') FROM vouchers WHERE is_used";
        assert_eq!(ask(&mut connection, used).await, "TEN 1");
        let after = contents(&mut connection).await;
        pay(&mut connection, &order.invoice_id, 5_345.into(), None).await.unwrap();
        assert_eq!(refused(&mut connection, 2, &ten).await, VoucherError::Used);

        // The user has to wait for 300 seconds before the next voucher. Another user doesn't.
        let error = refused(&mut connection, 1, &more).await;
        assert_eq!(contents(&mut connection).await, after);
        let wait = "SELECT expires_at - last_voucher_used FROM voucher_usage_cooldown WHERE user_id = 1";
        assert!(matches!(error, VoucherError::Cooldown { .. }), "{error}");
        assert_eq!(ask(&mut connection, wait).await, "00:05:00");
        let other = place(&mut connection, NewOrder { voucher: Some(&more), ..new_order(2, 1) }).await.unwrap();
        // The discount is never more than the units cost.
        assert_eq!([other.voucher_discount, other.total_bill], [15_000, 310].map(Decimal::from));
        cancel(&mut connection, &other.invoice_id).await.unwrap();
        run(
            &mut connection,
            "UPDATE voucher_usage_cooldown SET last_voucher_used = now() - interval '301 s', expires_at = now() - interval '1 s'",
        )
        .await;
        let next = place(&mut connection, NewOrder { voucher: Some(&more), ..new_order(1, 1) }).await.unwrap();
        pay(&mut connection, &next.invoice_id, next.total_bill, None).await.unwrap();
        assert_eq!(ask(&mut connection, "SELECT expires_at > now() FROM voucher_usage_cooldown").await, "true");
    });
}

#[test]
fn of_two_users_who_use_one_voucher_at_once_one_gets_it() {
    with_databases(async |databases| {
        let mut connection = with_vouchers(databases).await;
        let ten = Secret::new("TEN".into());
        let mut first = databases.main().await;
        let mut transaction = first.begin().await.unwrap();
        place(&mut transaction, NewOrder { voucher: Some(&ten), ..new_order(1, 1) }).await.unwrap();
        let mut other = databases.main().await;
        let process = ask(&mut other, "pg_backend_pid()").await;
        let second = tokio::spawn(async move { refused(&mut other, 2, &Secret::new("TEN".into())).await });
        until_it_waits(&mut connection, &process, &second).await;
        transaction.commit().await.unwrap();
        assert_eq!(second.await.unwrap(), VoucherError::Held);
    });
}
