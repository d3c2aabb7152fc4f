//! Steps and deliveries that are cut at any point, as if the program was killed: every event arrives exactly once.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use quickcart::outbox::deliver;
use quickcart::shop::orders::{NewOrder, Order, cancel, expire_overdue, pay, pay_from_balance, place};
use quickcart::shop::status::{OrderStatus, PaymentMethod};
use sqlx::postgres::PgConnection;

use crate::outbox::{MORE, assert_arrived, assert_facts, delivered, with_events};
use crate::storm::until_alone;
use crate::{ask, new_order, run, seeded, with_databases};

/// Polls the future until it waits for the `cut`th time, and drops it then: at once, or when the answer is there.
async fn cut_at<T>(cut: usize, answered: bool, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut waits = 0;
    poll_fn(move |context| {
        if waits == cut {
            return Poll::Ready(None);
        }
        match future.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => {
                waits += 1;
                if waits == cut && !answered { Poll::Ready(None) } else { Poll::Pending }
            }
        }
    })
    .await
}

/// Every cut of a step: at each of its statements, before and after the answer.
fn cuts() -> impl Iterator<Item = (usize, bool)> {
    (1..).flat_map(|cut| [(cut, false), (cut, true)])
}

/// A step on an order, which is cut and then done again as by a caller who doesn't know how it ended.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Place,
    Pay,
    PayFromBalance,
    Cancel,
    Expire,
}

impl Step {
    async fn run(self, connection: &mut PgConnection, new: NewOrder<'_>, order: Option<&Order>) {
        let invoice = order.map(|order| &order.invoice_id);
        match (self, order, invoice) {
            (Self::Place, ..) => drop(place(connection, new).await),
            (Self::Pay, Some(order), _) => {
                drop(pay(connection, &order.invoice_id, order.total_bill, None).await.unwrap());
            }
            (Self::PayFromBalance, _, Some(invoice)) => drop(pay_from_balance(connection, invoice).await.unwrap()),
            (Self::Cancel, _, Some(invoice)) => drop(cancel(connection, invoice).await.unwrap()),
            _ => drop(expire_overdue(connection).await.unwrap()),
        }
    }
}

#[test]
fn a_step_that_is_cut_anywhere_leaves_its_events_exactly_once() {
    with_databases(async |databases| {
        let mut observer = seeded(databases).await;
        run(&mut observer, MORE).await;
        let mut user = 1000;
        for (step, ends_as) in [
            (Step::Place, OrderStatus::Pending),
            (Step::Pay, OrderStatus::Paid),
            (Step::PayFromBalance, OrderStatus::Paid),
            (Step::Cancel, OrderStatus::Cancelled),
            (Step::Expire, OrderStatus::Expired),
        ] {
            let mut tried = Vec::new();
            for (cut, answered) in cuts() {
                user += 1;
                let payment_method = match step {
                    Step::PayFromBalance => PaymentMethod::AccountBalance,
                    _ => PaymentMethod::Qris,
                };
                let new = NewOrder { payment_method, ..new_order(user, 2) };
                let order = match step {
                    Step::Place => None,
                    _ => Some(place(&mut observer, new).await.unwrap()),
                };
                if step == Step::Expire {
                    let overdue = "UPDATE orders SET created_at = now() - interval '11 min' WHERE user_id =";
                    run(&mut observer, &format!("{overdue} {user}")).await;
                }
                let mut victim = databases.main().await;
                let done = cut_at(cut, answered, step.run(&mut victim, new, order.as_ref())).await;
                drop(victim);
                tried.push((user, new, order));
                // On a busy machine, an answer may be there before anybody waits for it.
                if done.is_some() && cut > 4 {
                    break;
                }
            }
            until_alone(&mut observer).await;
            assert_facts(&mut observer).await;
            // The callers don't know how it ended, so they do it again.
            for (user, new, order) in tried {
                step.run(&mut observer, new, order.as_ref()).await;
                let status = ask(&mut observer, &format!("SELECT status FROM orders WHERE user_id = {user}")).await;
                assert_eq!(status, ends_as.as_str(), "{step:?}");
            }
            assert_facts(&mut observer).await;
        }
    });
}

#[test]
fn a_delivery_that_is_cut_anywhere_delivers_exactly_once_and_in_order() {
    with_databases(async |databases| {
        let mut main = with_events(databases).await;
        drop(databases.audit().await);
        let mut ended = false;
        for (cut, answered) in cuts() {
            let mut victim = databases.main().await;
            let (mut audit, _) = databases.trail(|login| login).await;
            let result = cut_at(cut, answered, deliver(&mut victim, &mut audit, 3)).await;
            drop((victim, audit));
            // Otherwise the next one would find this one at work.
            until_alone(&mut main).await;
            if let Some(result) = result {
                assert!(!result.unwrap().busy);
                ended = true;
                break;
            }
        }
        assert!(ended);
        let (mut audit, _) = databases.trail(|login| login).await;
        while deliver(&mut main, &mut audit, 3).await.unwrap().delivered > 0 {}
        assert_arrived(&mut main, &mut audit).await;
        // Twelve of orders, two of balances and eight of units.
        assert_eq!(ask(&mut main, "SELECT count(*) FROM outbox.events").await, "22");

        // All of it once more, as after a restored audit database, adds nothing.
        run(&mut main, "UPDATE outbox.events SET delivered_at = NULL").await;
        assert_eq!(deliver(&mut main, &mut audit, 100).await.unwrap(), delivered(22));
        assert_arrived(&mut main, &mut audit).await;
    });
}
