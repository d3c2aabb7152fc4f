//! Delivers the events of the outbox to the audit database.

use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use chrono::TimeDelta;
use quickcart_audit::{DatabaseError, Event, Table};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, query, query_scalar};

/// The time that a delivered event stays in the outbox.
pub const KEPT_FOR: TimeDelta = TimeDelta::days(30);

/// The time in which the audit database has to answer for each event.
pub const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// What a delivery has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The events that are in the audit database now. If these are as many as the limit, there may be more.
    pub delivered: usize,
    /// The events that the audit database refused for what they say. `outbox.events.refusal` has the reasons.
    pub refused: usize,
    /// Another delivery is at work, so this one did nothing.
    pub busy: bool,
}

/// The reason why a delivery ended early. The events that weren't delivered are still in the outbox.
#[derive(Debug)]
pub enum DeliveryError {
    /// The main database couldn't be reached, or it refused a statement.
    Main(DatabaseError),
    /// The audit database couldn't be reached, or it refused the shop.
    Audit {
        /// The events that were delivered before.
        delivered: usize,
        /// The error.
        error: DatabaseError,
    },
    /// The audit database didn't answer in time. Its connection can't be used any more.
    Deadline {
        /// The events that were delivered before.
        delivered: usize,
        /// The time that it had for the next one.
        deadline: Duration,
    },
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Main(error) => write!(f, "the outbox can't be read: {error}"),
            Self::Audit { delivered, error } => {
                write!(f, "after {delivered} events, the audit database failed: {error}")
            }
            Self::Deadline { delivered, deadline } => {
                let seconds = deadline.as_secs_f64();
                write!(f, "after {delivered} events, the audit database gave no answer within {seconds} s")
            }
        }
    }
}

impl Error for DeliveryError {}

impl From<sqlx::Error> for DeliveryError {
    fn from(error: sqlx::Error) -> Self {
        Self::Main(error.into())
    }
}

/// Delivers at most `limit` events, the oldest first, and removes as many that were delivered long ago.
///
/// The two connections are those of [`quickcart_audit::connect`] for `audit`, and any of the main database for `main`.
/// It is safe to end this at any point.
///
/// # Errors
/// The delivery ended early. [`DeliveryError`] names the reasons. What isn't delivered is delivered by a later call.
pub async fn deliver(main: &mut PgConnection, audit: &mut PgConnection, limit: u32) -> Result<Delivery, DeliveryError> {
    deliver_within(main, audit, limit, ANSWERS_WITHIN).await
}

/// Does what [`deliver`] does, with another time in which the audit database has to answer for each event.
///
/// # Errors
/// As with [`deliver`].
pub async fn deliver_within(
    main: &mut PgConnection,
    audit: &mut PgConnection,
    limit: u32,
    deadline: Duration,
) -> Result<Delivery, DeliveryError> {
    let mut transaction = main.begin().await?;
    match deliver_in(&mut transaction, audit, limit, deadline).await {
        Ok(result) => {
            transaction.commit().await?;
            result
        }
        Err(error) => {
            // If the rollback fails, the connection is lost, and the server rolls back by itself.
            drop(transaction.rollback().await);
            Err(error.into())
        }
    }
}

/// What was delivered before the audit database failed is marked all the same, so that failure is inside of the `Ok`.
async fn deliver_in(
    main: &mut PgConnection,
    audit: &mut PgConnection,
    limit: u32,
    deadline: Duration,
) -> Result<Result<Delivery, DeliveryError>, sqlx::Error> {
    // With rows that are skipped where they are locked, two programs could deliver events of one subject in the wrong
    // order.
    let alone =
        query_scalar!(r#"SELECT pg_try_advisory_xact_lock('outbox.events'::regclass::oid::integer, 0) AS "alone!""#)
            .fetch_one(&mut *main)
            .await?;
    if !alone {
        return Ok(Ok(Delivery { busy: true, ..Delivery::default() }));
    }
    // Subjects with a refused event come last. However many there are, they never keep others from being delivered.
    let events = query!(
        r#"WITH refused AS (
               SELECT subject, min(id) AS id FROM outbox.events WHERE delivered_at IS NULL AND refused_at IS NOT NULL
               GROUP BY subject
           )
           SELECT e.id, event_id, e.subject, destination AS "destination: Table", entry, occurred_at
           FROM outbox.events e LEFT JOIN refused ON refused.subject = e.subject AND refused.id <= e.id
           WHERE delivered_at IS NULL
           ORDER BY refused.id IS NOT NULL, e.id
           LIMIT $1"#,
        i64::from(limit),
    )
    .fetch_all(&mut *main)
    .await?;

    let (mut delivered, mut held_up, mut failure) = (Vec::new(), HashSet::new(), None);
    let (mut refused, mut refusals) = (Vec::new(), Vec::new());
    for row in events {
        if held_up.contains(&row.subject) {
            continue;
        }
        let event =
            Event { id: row.event_id, occurred_at: row.occurred_at, table: row.destination, columns: row.entry };
        match tokio::time::timeout(deadline, event.record(audit)).await {
            Ok(Ok(_)) => delivered.push(row.id),
            Ok(Err(error)) if is_about_the_row(&error) => {
                refused.push(row.id);
                refusals.push(error.to_string());
                held_up.insert(row.subject);
            }
            Ok(Err(error)) => {
                failure = Some(DeliveryError::Audit { delivered: delivered.len(), error });
                break;
            }
            Err(_) => {
                failure = Some(DeliveryError::Deadline { delivered: delivered.len(), deadline });
                break;
            }
        }
    }

    query!(
        "UPDATE outbox.events SET delivered_at = now(), refused_at = NULL, refusal = NULL WHERE id = ANY ($1)",
        &delivered,
    )
    .execute(&mut *main)
    .await?;
    query!(
        "UPDATE outbox.events e SET refused_at = now(), refusal = r.refusal
         FROM unnest($1::bigint[], $2::text[]) AS r (id, refusal) WHERE e.id = r.id",
        &refused,
        &refusals,
    )
    .execute(&mut *main)
    .await?;
    query!(
        "DELETE FROM outbox.events WHERE id IN (
             SELECT id FROM outbox.events WHERE delivered_at < now() - make_interval(secs => $1)
             ORDER BY delivered_at LIMIT $2)",
        KEPT_FOR.as_seconds_f64(),
        i64::from(limit),
    )
    .execute(main)
    .await?;
    let delivery = Delivery { delivered: delivered.len(), refused: refused.len(), busy: false };
    Ok(failure.map_or(Ok(delivery), Err))
}

/// Returns whether the audit database refuses what the event says, so that other events may be taken.
fn is_about_the_row(error: &DatabaseError) -> bool {
    // Data exceptions and violated constraints.
    error.code().is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}
