//! The outbox: what happens in the shop arrives in the audit database, once and in order.

use std::time::Duration;

use quickcart::outbox::{self, Delivery, DeliveryError, NewEvent, deliver, deliver_within};
use quickcart::shop::orders::{NewOrder, SettleError, Settled, cancel, pay, pay_from_balance, place};
use quickcart::shop::status::{OrderStatus, PaymentMethod};
use quickcart::shop::users::{NewUser, register};
use quickcart_audit::{Actor, AuditLog, Entity, EntityType, PaymentLog, PaymentStatus};
use serde_json::json;
use sqlx::AssertSqlSafe;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::{Databases, ask, new_order, run, seeded, with_databases};

/// What the events have to say, each as a query that counts what breaks it. Payments that were refused don't count.
pub(crate) const FACTS: [(&str, &str); 4] = [
    (
        "each order has an event for each status that it has had, in this order",
        "SELECT count(*) FROM orders LEFT JOIN (
             SELECT subject, array_agg(entry ->> 'status' ORDER BY id) AS statuses FROM outbox.events
             WHERE destination = 'payment_audit_logs' AND entry ->> 'status' <> 'failed' GROUP BY subject
         ) AS events ON subject = invoice_id
         WHERE statuses IS DISTINCT FROM CASE status WHEN 'pending' THEN '{pending}' ELSE ARRAY['pending', status::text] END",
    ),
    (
        "no event is about an order that was rolled back",
        "SELECT count(*) FROM outbox.events WHERE subject LIKE 'TRX%' AND subject NOT IN (SELECT invoice_id FROM orders)",
    ),
    (
        "each sold unit and each used voucher has one event",
        "SELECT abs((SELECT count(*) FROM product_stocks WHERE is_sold) + (SELECT count(*) FROM vouchers WHERE is_used)
         - (SELECT count(DISTINCT entry ->> 'entity_id') FROM outbox.events WHERE entry ->> 'action' IN ('sell', 'use')))
         + (SELECT count(*) - count(DISTINCT entry ->> 'entity_id') FROM outbox.events WHERE entry ->> 'action' IN ('sell', 'use'))",
    ),
    (
        "each payment from a balance has one event",
        "SELECT abs((SELECT count(*) FROM orders WHERE status = 'paid' AND payment_method = 'account_balance')
         - (SELECT count(*) FROM outbox.events WHERE entry ->> 'action' = 'pay'))",
    ),
];

pub(crate) async fn assert_facts(main: &mut PgConnection) {
    for (fact, broken) in FACTS {
        assert_eq!(ask(main, broken).await, "0", "{fact}");
    }
}

/// The rows of both databases that belong together, in the order of each subject.
pub(crate) async fn assert_arrived(main: &mut PgConnection, audit: &mut PgConnection) {
    assert_eq!(ask(main, "SELECT count(*) FROM outbox.events WHERE delivered_at IS NULL").await, "0");
    for (table, subject) in [("payment_audit_logs", "order_id"), ("audit_logs", "context ->> 'order'")] {
        let of = |subject: &str, time: &str, from: &str| {
            format!(
                "SELECT coalesce(json_agg(json_build_array({subject}, event_id, extract(epoch FROM {time})) ORDER BY {subject}, id), '[]') FROM {from}"
            )
        };
        let sent = of("subject", "occurred_at", &format!("outbox.events WHERE destination = '{table}'"));
        assert_eq!(ask(audit, &of(subject, "\"timestamp\"", table)).await, ask(main, &sent).await, "{table}");
    }
}

pub(crate) const MORE: &str = "
    INSERT INTO users (id, name, bank_id, account_balance)
        SELECT id, 'User', lpad(id::text, 6, '0'), 100000 FROM generate_series(1001, 2000) id;
    INSERT INTO product_stocks (product_id, content) SELECT 1, 'content' FROM generate_series(1, 2000)";

/// Six orders of which each has two or more events: two of them are paid from the balance, two are cancelled.
pub(crate) async fn with_events(databases: &Databases) -> PgConnection {
    let mut main = seeded(databases).await;
    run(&mut main, MORE).await;
    for user in 1001..=1006 {
        let payment_method = if user <= 1002 { PaymentMethod::AccountBalance } else { PaymentMethod::Qris };
        let order = place(&mut main, NewOrder { payment_method, ..new_order(user, 2) }).await.unwrap();
        match user {
            1001 | 1002 => pay_from_balance(&mut main, &order.invoice_id).await.unwrap(),
            1003 | 1004 => pay(&mut main, &order.invoice_id, order.total_bill, None).await.unwrap(),
            _ => cancel(&mut main, &order.invoice_id).await.unwrap(),
        };
    }
    main
}

pub(crate) fn delivered(delivered: usize) -> Delivery {
    Delivery { delivered, ..Delivery::default() }
}

#[test]
fn of_two_deliveries_one_is_at_work_while_orders_are_placed() {
    with_databases(async |databases| {
        let mut main = with_events(databases).await;
        drop(databases.audit().await);
        let mut deliveries = Vec::new();
        for _ in 0..2 {
            let (mut connection, (mut audit, _)) = (databases.main().await, databases.trail(|login| login).await);
            deliveries.push(tokio::spawn(async move {
                let mut sum = 0;
                for _ in 0..40 {
                    sum += deliver(&mut connection, &mut audit, 2).await.unwrap().delivered;
                }
                sum
            }));
        }
        for user in 1007..1020 {
            let order = place(&mut main, new_order(user, 1)).await.unwrap();
            cancel(&mut main, &order.invoice_id).await.unwrap();
        }
        let mut sum = 0;
        for delivery in deliveries {
            sum += delivery.await.unwrap();
        }
        let (mut audit, _) = databases.trail(|login| login).await;
        sum += deliver(&mut main, &mut audit, 100).await.unwrap().delivered;
        assert_arrived(&mut main, &mut audit).await;
        // Nothing was delivered by both.
        assert_eq!(ask(&mut main, "SELECT count(*) FROM outbox.events").await, sum.to_string());

        let mut other = databases.main().await;
        let mut working = other.begin().await.unwrap();
        assert_eq!(deliver(&mut working, &mut audit, 1).await.unwrap(), delivered(0));
        let busy = Delivery { busy: true, ..Delivery::default() };
        assert_eq!(deliver(&mut main, &mut audit, 1).await.unwrap(), busy);
    });
}

#[test]
fn the_shop_goes_on_without_the_audit_database_and_catches_up() {
    with_databases(async |databases| {
        let mut main = with_events(databases).await;
        let mut audit = databases.audit().await;
        assert_eq!(deliver(&mut main, &mut audit, 4).await.unwrap(), delivered(4));
        // Some rows aren't taken, because a grant is missing. What was delivered before stays delivered.
        let mut owner = databases.owner().await;
        run(&mut owner, "REVOKE INSERT ON payment_audit_logs FROM quickcart_audit_writer").await;
        let error = deliver(&mut main, &mut audit, 10).await.unwrap_err();
        assert!(
            matches!(&error, DeliveryError::Audit { delivered: 1, error } if error.code().as_deref() == Some("42501"))
        );
        assert_eq!(ask(&mut main, "SELECT count(*) FROM outbox.events WHERE delivered_at IS NOT NULL").await, "5");
        run(&mut owner, "GRANT INSERT ON payment_audit_logs TO quickcart_audit_writer").await;
        // The server takes no rows.
        run(&mut audit, "SET default_transaction_read_only = on").await;
        let error = deliver(&mut main, &mut audit, 4).await.unwrap_err();
        assert!(
            matches!(&error, DeliveryError::Audit { delivered: 0, error } if error.code().as_deref() == Some("25006"))
        );
        run(&mut audit, "RESET default_transaction_read_only").await;
        // The connection is lost.
        let process = ask(&mut audit, "pg_backend_pid()").await;
        let end = format!("SELECT pg_terminate_backend({process}, 20000)");
        run(&mut owner, &end).await;
        let error = deliver(&mut main, &mut audit, 4).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Audit { delivered: 0, .. }), "{error}");
        assert_eq!(ask(&mut main, "SELECT count(*) FROM outbox.events WHERE refused_at IS NOT NULL").await, "0");

        let order = place(&mut main, new_order(1, 1)).await.unwrap();
        let reply = json!({"amount": 15_415, "note": "nul: \0", "deep": [{"\0": "\0"}]});
        let settled = pay(&mut main, &order.invoice_id, order.total_bill, Some(&reply)).await.unwrap();
        assert!(matches!(settled, Settled::Now(_)), "{settled:?}");
        assert_facts(&mut main).await;
        let (mut audit, _) = databases.trail(|login| login).await;
        assert_eq!(deliver(&mut main, &mut audit, 100).await.unwrap(), delivered(17 + 3));
        assert_eq!(deliver(&mut main, &mut audit, 100).await.unwrap(), delivered(0));
        assert_arrived(&mut main, &mut audit).await;

        let logs = PaymentLog::latest(&mut audit, order.invoice_id.as_str(), 10).await.unwrap();
        let seen: Vec<_> =
            logs.into_iter().map(|row| (row.entry.status, row.entry.amount, row.entry.gateway_response)).collect();
        let reply = json!({"amount": 15_415, "note": "nul: \u{fffd}", "deep": [{"\u{fffd}": "\u{fffd}"}]});
        let bill = order.total_bill;
        assert_eq!(seen, [(PaymentStatus::Paid, bill, Some(reply)), (PaymentStatus::Pending, bill, None)]);
    });
}

#[test]
fn an_audit_database_that_does_not_answer_is_given_up_and_takes_the_event_once_all_the_same() {
    with_databases(async |databases| {
        let (mut main, mut audit) = (with_events(databases).await, databases.audit().await);
        let mut owner = databases.owner().await;
        let mut locking = owner.begin().await.unwrap();
        run(&mut locking, "LOCK TABLE payment_audit_logs IN ACCESS EXCLUSIVE MODE").await;
        let error = deliver_within(&mut main, &mut audit, 100, Duration::from_millis(20)).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Deadline { delivered: 0, .. }), "{error}");
        drop(audit);
        locking.commit().await.unwrap();
        // The session that was given up may still write its row.
        let (mut audit, _) = databases.trail(|login| login).await;
        assert_eq!(deliver(&mut main, &mut audit, 100).await.unwrap(), delivered(22));
        assert_arrived(&mut main, &mut audit).await;
    });
}

#[test]
fn a_refused_payment_is_in_the_trail_once_however_often_the_webhook_repeats_it() {
    with_databases(async |databases| {
        let (mut main, mut audit) = (seeded(databases).await, databases.audit().await);
        let order = place(&mut main, new_order(1, 1)).await.unwrap();
        let reply = json!({"amount": 1, "completed_at": "2026-01-01T00:00:00Z"});
        for _ in 0..2 {
            let error = pay(&mut main, &order.invoice_id, 1.into(), Some(&reply)).await.unwrap_err();
            assert!(matches!(error, SettleError::Amount { .. }), "{error}");
        }
        // Another payment, and two attempts with the wrong method. Those of the user are two.
        pay(&mut main, &order.invoice_id, 2.into(), Some(&reply)).await.unwrap_err();
        for _ in 0..2 {
            let error = pay_from_balance(&mut main, &order.invoice_id).await.unwrap_err();
            assert!(matches!(error, SettleError::Method(_)), "{error}");
        }
        cancel(&mut main, &order.invoice_id).await.unwrap();
        for _ in 0..2 {
            deliver(&mut main, &mut audit, 100).await.unwrap();
            // The repetition comes after the first event was delivered and removed.
            run(&mut main, "DELETE FROM outbox.events").await;
            let error = pay(&mut main, &order.invoice_id, order.total_bill, None).await.unwrap_err();
            assert!(matches!(error, SettleError::Final(OrderStatus::Cancelled)), "{error}");
        }
        deliver(&mut main, &mut audit, 100).await.unwrap();
        let seen = ask(
            &mut audit,
            "SELECT string_agg(concat_ws(' ', status, trunc(amount), payment_method), ', ' ORDER BY id) FROM payment_audit_logs",
        )
        .await;
        assert_eq!(
            seen,
            "pending 15415 qris, failed 1 qris, failed 2 qris, failed 15415 account_balance, failed 15415 account_balance, \
             cancelled 15415 qris, failed 15415 qris"
        );
        let refusal = "SELECT payment_metadata ->> 'refusal' FROM payment_audit_logs ORDER BY id DESC LIMIT 1";
        assert_eq!(ask(&mut audit, refusal).await, "the order is cancelled, and that is final");
    });
}

#[test]
fn an_event_that_is_refused_waits_with_its_reason_and_holds_up_its_subject_alone() {
    with_databases(async |databases| {
        let (mut main, mut audit) = (seeded(databases).await, databases.audit().await);
        let event = |subject: &str, action: &str| {
            NewEvent::new(
                subject,
                AuditLog {
                    actor: Actor::System,
                    entity: Entity::new(EntityType::Product, subject),
                    action: action.into(),
                    before: None,
                    after: None,
                    context: Some(json!({"order": subject})),
                    ip_address: None,
                },
            )
        };
        let long = "x".repeat(51);
        let events = [event("bad", &long), event("bad", "later"), event("good", "first"), event("good", "second")];
        outbox::append(&mut main, &events).await.unwrap();
        let expected = Delivery { delivered: 2, refused: 1, busy: false };
        assert_eq!(deliver(&mut main, &mut audit, 100).await.unwrap(), expected);
        let refused = "SELECT string_agg(concat_ws(': ', subject, refusal), ', ' ORDER BY id) FROM outbox.events WHERE delivered_at IS NULL";
        let said = "bad: the server says: value too long for type character varying(50), bad";
        assert_eq!(ask(&mut main, refused).await, said);
        // The refused ones come last, so they don't take the place of others.
        outbox::append(&mut main, &[event("good", "third")]).await.unwrap();
        assert_eq!(deliver(&mut main, &mut audit, 1).await.unwrap(), delivered(1));
        assert_eq!(
            ask(&mut audit, "SELECT string_agg(action, ' ' ORDER BY id) FROM audit_logs").await,
            "first second third"
        );

        let mend = "UPDATE outbox.events SET entry = entry || '{\"action\": \"mended\"}' WHERE refused_at IS NOT NULL";
        run(&mut main, mend).await;
        assert_eq!(deliver(&mut main, &mut audit, 100).await.unwrap(), delivered(2));
        assert_arrived(&mut main, &mut audit).await;
        assert_eq!(ask(&mut main, "SELECT count(*) FROM outbox.events WHERE refusal IS NOT NULL").await, "0");
    });
}

#[test]
fn a_delivered_event_is_removed_after_thirty_days_and_another_one_never() {
    with_databases(async |databases| {
        let (mut main, mut audit) = (with_events(databases).await, databases.audit().await);
        deliver(&mut main, &mut audit, 20).await.unwrap();
        run(
            &mut main,
            "UPDATE outbox.events SET occurred_at = now() - interval '90 days',
                    delivered_at = delivered_at - CASE WHEN id <= 5 THEN interval '30 days 1 s' ELSE interval '29 days' END",
        )
        .await;
        // At most as many as the limit go at once.
        deliver(&mut main, &mut audit, 1).await.unwrap();
        assert_eq!(ask(&mut main, "SELECT count(*) FROM outbox.events").await, "21");
        deliver(&mut main, &mut audit, 10).await.unwrap();
        let left = "SELECT concat_ws(' ', min(id), count(*), count(delivered_at)) FROM outbox.events";
        assert_eq!(ask(&mut main, left).await, "6 17 17");
        assert_eq!(ask(&mut audit, "SELECT count(*) FROM payment_audit_logs").await, "12");
    });
}

#[test]
fn the_outbox_refuses_what_could_not_be_delivered() {
    with_databases(async |databases| {
        let mut main = databases.main().await;
        for (columns, values, rule) in [
            ("subject, destination, entry", "'x', 'users', '{}'", "events_destination_check"),
            ("subject, destination, entry", "'x', 'audit_logs', '[]'", "events_entry_check"),
            ("subject, destination, entry, refusal", "'x', 'audit_logs', '{}', 'no'", "events_refusal_check"),
            ("subject, destination, entry, event_id", "'x', 'audit_logs', '{}', md5('x')::uuid", "events_event_id_key"),
        ] {
            let insert = format!("INSERT INTO outbox.events ({columns}) VALUES ({values})");
            let twice = sqlx::raw_sql(AssertSqlSafe(format!("{insert}; {insert}"))).execute(&mut main).await;
            let refused = twice.unwrap_err();
            assert_eq!(refused.as_database_error().unwrap().constraint(), Some(rule));
        }
    });
}

#[test]
fn a_new_user_is_in_the_trail_without_a_name() {
    with_databases(async |databases| {
        let (mut main, mut audit) = (databases.main().await, databases.audit().await);
        let new = NewUser { id: 7_000_000_001, name: "Siti", username: Some("siti") };
        let user = register(&mut main, &new).await.unwrap();
        register(&mut main, &new).await.unwrap_err();
        assert_eq!(deliver(&mut main, &mut audit, 100).await.unwrap(), delivered(1));
        let entity = Entity::new(EntityType::User, "7000000001");
        let logs = AuditLog::latest(&mut audit, &entity, 10).await.unwrap();
        let [log] = <[_; 1]>::try_from(logs).unwrap();
        assert_eq!((log.entry.actor, log.entry.action.as_str()), (Actor::User(user.id), "register"));
        assert_eq!(log.entry.after, Some(json!({"bank_id": user.bank_id})));
    });
}
