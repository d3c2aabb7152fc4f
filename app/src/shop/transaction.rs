//! The transaction that each step of the shop is, and the order in which steps lock rows.
//!
//! # The order of locks
//!
//! A step locks rows in this order, and the rows of one table in the order that is named here:
//!
//! 1. `orders`. A new order has the place of its row already while it waits for another order of the user to end.
//! 2. `users`: a new one, or one whose balance changes.
//! 3. `products`, by id.
//! 4. `product_stocks`, by created_at and id.
//! 5. `vouchers`, by id.
//! 6. `voucher_usage_cooldown`, which has one row for a user.
//! 7. `outbox.events`. Rows are only added to it, and those of one subject only while that is locked.
//!
//! A step that skips rows which are locked ([`place`](super::orders::place) with units, the sweep with orders) doesn't
//! wait for them, so it needs no order among them. A statement that changes several rows of a table locks them first,
//! with `SELECT … ORDER BY … FOR NO KEY UPDATE`, because UPDATE alone takes them as it finds them. Steps may wait for
//! each other, but never in a circle.
//!
//! # Repeated transactions
//!
//! Statements of others, such as an admin's in psql, don't keep this order. If PostgreSQL ends a transaction because of
//! a deadlock, or because it can't be serialized, then the whole transaction is done again, [`ATTEMPTS`] times at most.
//! Nothing of the earlier attempt is left by then.

use quickcart_audit::DatabaseError;
use sqlx::{Postgres, Transaction};

/// How often a transaction is tried that PostgreSQL ends because of other transactions.
pub const ATTEMPTS: usize = 5;

/// The error of a step, which is either an error of the database or a refusal of the step itself.
pub(super) trait StepError: From<sqlx::Error> {
    /// Returns the error of the database, if it is one.
    fn database(&self) -> Option<&DatabaseError>;
}

impl StepError for DatabaseError {
    fn database(&self) -> Option<&DatabaseError> {
        Some(self)
    }
}

/// The attempts at one transaction. Steps loop until [`Attempts::end`] has a result. A function that took the step as a
/// closure could be used on one thread only: the compiler can't see that the futures of such a closure are `Send`.
pub(super) struct Attempts(usize);

impl Attempts {
    pub(super) fn new() -> Self {
        Self(0)
    }

    /// Commits the transaction if its work succeeded, and rolls it back if not. Returns `None` if PostgreSQL has ended
    /// it because of other transactions, and it should be tried again.
    ///
    /// A transaction that is only dropped would keep its rows locked until its connection is used again.
    pub(super) async fn end<T, E: StepError>(
        &mut self,
        transaction: Transaction<'_, Postgres>,
        result: Result<T, E>,
    ) -> Option<Result<T, E>> {
        let result = match result {
            Ok(done) => transaction.commit().await.map(|()| done).map_err(E::from),
            Err(error) => {
                // If the rollback fails, the connection is lost, and the server rolls back by itself.
                drop(transaction.rollback().await);
                Err(error)
            }
        };
        self.0 += 1;
        match &result {
            Err(error) if self.0 < ATTEMPTS && error.database().is_some_and(lost_to_others) => None,
            _ => Some(result),
        }
    }
}

/// Returns whether PostgreSQL has ended the transaction for the sake of others, so that it may succeed the next time.
fn lost_to_others(error: &DatabaseError) -> bool {
    // serialization_failure and deadlock_detected
    matches!(error.code().as_deref(), Some("40001" | "40P01"))
}
