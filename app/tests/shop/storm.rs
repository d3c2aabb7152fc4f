//! Many users at once: they order, pay, repeat payments, cancel and let orders expire, all on the same few products.
//!
//! The work is fixed, and so is what each user does. Only the order in which the server gets it differs from run to run.

use std::sync::{Arc, Mutex};

use quickcart::secret::Secret;
use quickcart::shop::orders::{
    NewOrder, Order, PlaceError, SettleError, VoucherError, cancel, expire_overdue, pay, pay_from_balance, place,
};
use quickcart::shop::quantity::Quantity;
use quickcart::shop::status::PaymentMethod;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::outbox::assert_facts;
use crate::{ask, run, with_databases};

const USERS: i64 = 32;

/// The orders that each user tries to place, unless STORM_ORDERS says another number.
const ORDERS: u64 = 24;

/// 32 users, each with a balance, and three products with so few units that buyers compete for the last ones.
const SEED: &str = "
    INSERT INTO users (id, name, bank_id, account_balance)
        SELECT id, 'User ' || id, lpad(id::text, 6, '0'), 10000000 FROM generate_series(1, 32) id;
    INSERT INTO products (id, name, customer_price) SELECT id, 'Key ' || id, 15000 FROM generate_series(1, 3) id;
    INSERT INTO vouchers (code, amount, created_by, expires_at)
        SELECT 'VOUCHER' || id, 5000, 1, now() + interval '1 day' FROM generate_series(0, 39) id;
    CREATE FUNCTION restock(units integer) RETURNS void LANGUAGE sql AS $$
        INSERT INTO product_stocks (product_id, content, created_at)
        SELECT 1 + unit % 3, 'content ' || unit, '2025-01-01'::timestamptz + random() * interval '1 day'
        FROM generate_series(1, units) unit $$;
    SELECT restock(120);";

/// What has to hold whatever happened, each as a query that counts the rows which break it.
const INVARIANTS: [(&str, &str); 8] = [
    (
        "no unit is sold twice",
        "SELECT count(*) FROM (SELECT stock_id FROM order_items i JOIN orders o ON o.id = i.order_id AND o.status = 'paid'
         GROUP BY stock_id HAVING count(*) > 1) twice",
    ),
    (
        "sold_count is the number of sold units",
        "SELECT count(*) FROM products p WHERE sold_count <>
         (SELECT count(*) FROM product_stocks s WHERE s.product_id = p.id AND s.is_sold)",
    ),
    (
        "an ended order holds no unit",
        "SELECT count(*) FROM product_stocks s JOIN orders o ON o.id = s.order_id
         WHERE o.status NOT IN ('pending', 'paid') OR s.is_sold <> (o.status = 'paid')",
    ),
    (
        "a pending or paid order has all its units",
        "SELECT count(*) FROM order_items i JOIN orders o ON o.id = i.order_id AND o.status IN ('pending', 'paid')
         LEFT JOIN product_stocks s ON s.id = i.stock_id AND s.order_id = o.id WHERE s.id IS NULL",
    ),
    (
        "an order has as many units as it was priced for",
        "SELECT count(*) FROM orders o WHERE subtotal <> 15000 * (SELECT count(*) FROM order_items i WHERE i.order_id = o.id)",
    ),
    (
        "a used voucher is in a paid order, and one that is held in a pending one",
        "SELECT count(*) FROM vouchers v LEFT JOIN orders o ON o.id = v.order_id
         WHERE (v.is_used AND o.status IS DISTINCT FROM 'paid') OR (NOT v.is_used AND v.order_id IS NOT NULL
         AND (o.status <> 'pending' OR o.voucher_discount <> v.amount))",
    ),
    (
        "nobody used a second voucher within the cooldown",
        "SELECT count(*) FROM vouchers a JOIN vouchers b ON a.used_by = b.used_by AND a.id <> b.id
         WHERE b.used_at - a.used_at BETWEEN interval '0' AND interval '300 s'",
    ),
    (
        "what left the balances was paid for",
        "SELECT count(*) FROM users u WHERE account_balance <> 10000000 - (SELECT coalesce(sum(total_bill), 0) FROM orders o
         WHERE o.user_id = u.id AND o.status = 'paid' AND o.payment_method = 'account_balance')",
    ),
];

/// Numbers that look random, and are the same in every run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// The newest order of each user, which the others see: a webhook may repeat for any of them.
type Newest = Arc<Mutex<Vec<Option<Order>>>>;

struct User {
    id: i64,
    connection: PgConnection,
    numbers: Numbers,
    newest: Newest,
}

impl User {
    /// Places an order, and does something with it or with that of another user. Returns whether the order was placed.
    async fn order(&mut self) -> bool {
        let code = Secret::new(format!("VOUCHER{}", self.numbers.below(40)));
        let quantity = u32::try_from(1 + self.numbers.below(4)).unwrap();
        let new = NewOrder {
            user_id: self.id,
            product_id: i32::try_from(1 + self.numbers.below(3)).unwrap(),
            quantity: Quantity::new(quantity).unwrap(),
            payment_method: match self.numbers.below(2) {
                0 => PaymentMethod::Qris,
                _ => PaymentMethod::AccountBalance,
            },
            voucher: (self.numbers.below(2) == 0).then_some(&code),
        };
        let placed = match place(&mut self.connection, new).await {
            Ok(order) => {
                self.newest.lock().unwrap()[usize::try_from(self.id).unwrap() - 1] = Some(order);
                true
            }
            Err(PlaceError::PendingOrder | PlaceError::NotEnough { .. }) => false,
            Err(PlaceError::Voucher(error)) => {
                assert_ne!(error, VoucherError::NoSuchVoucher);
                false
            }
            Err(error) => panic!("place: {error}"),
        };
        // More often than not, it is the user's own order.
        let whose = if self.numbers.below(3) > 0 { self.id } else { 1 + self.numbers.below(USERS as u64) as i64 };
        let order = self.newest.lock().unwrap()[usize::try_from(whose).unwrap() - 1].clone();
        if let Some(order) = order {
            self.settle(&order).await;
        }
        placed
    }

    async fn settle(&mut self, order: &Order) {
        match self.numbers.below(8) {
            0 => settled(cancel(&mut self.connection, &order.invoice_id).await),
            1 => {
                let overdue = format!(
                    "UPDATE orders SET created_at = now() - interval '11 min' WHERE status = 'pending' AND id = {}",
                    order.id
                );
                run(&mut self.connection, &overdue).await;
                expire_overdue(&mut self.connection).await.unwrap();
            }
            // The order stays pending, until somebody else's turn.
            2 => {}
            _ => {
                for _ in 0..2 {
                    settled(match order.payment_method {
                        PaymentMethod::Qris => {
                            pay(&mut self.connection, &order.invoice_id, order.total_bill, None).await
                        }
                        PaymentMethod::AccountBalance => {
                            pay_from_balance(&mut self.connection, &order.invoice_id).await
                        }
                    });
                }
            }
        }
    }
}

fn settled<T>(result: Result<T, SettleError>) {
    if let Err(error) = result {
        assert!(matches!(error, SettleError::Final(_)), "settle: {error}");
    }
}

/// Waits until the server has noticed that all other clients of the database are gone.
pub(crate) async fn until_alone(observer: &mut PgConnection) {
    let sessions = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND backend_type = 'client backend'";
    while ask(observer, sessions).await != "1" {}
}

#[test]
fn a_storm_of_users_ends_without_a_deadlock_and_every_rule_holds() {
    let orders = std::env::var("STORM_ORDERS").map_or(ORDERS, |orders| orders.parse().unwrap());
    with_databases(async |databases| {
        let mut observer = databases.main().await;
        run(&mut observer, SEED).await;
        let newest: Newest = Arc::new(Mutex::new(vec![None; USERS as usize]));
        let mut users = Vec::new();
        for id in 1..=USERS {
            let mut user = User {
                id,
                connection: databases.main().await,
                numbers: Numbers(id as u64),
                newest: Arc::clone(&newest),
            };
            users.push(tokio::spawn(async move {
                let mut placed = 0;
                for turn in 0..orders {
                    placed += u64::from(user.order().await);
                    // The stock is short at the end of each round, and not empty for good.
                    if turn % 4 == 3 {
                        run(&mut user.connection, "SELECT restock(6)").await;
                    }
                }
                user.connection.close().await.unwrap();
                placed
            }));
        }
        let mut placed = 0;
        for user in users {
            placed += user.await.unwrap();
        }
        for (rule, broken) in INVARIANTS {
            assert_eq!(ask(&mut observer, broken).await, "0", "{rule}");
        }
        assert_facts(&mut observer).await;
        // A step that was repeated after a deadlock would show here. The server counts it when the session has ended.
        until_alone(&mut observer).await;
        let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        assert_eq!(ask(&mut observer, deadlocks).await, "0");
        let paid = ask(&mut observer, "SELECT count(*) FROM orders WHERE status = 'paid'").await;
        let used = ask(&mut observer, "SELECT count(*) FROM vouchers WHERE is_used").await;
        println!("{placed} orders placed, {paid} of them paid, {used} vouchers used");
        assert!(placed > 0 && paid != "0" && used != "0", "{placed} placed, {paid} paid, {used} vouchers used");
    });
}
