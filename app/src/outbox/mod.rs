//! The outbox: what the audit trail has to be told, on its way from the main database to the audit database.
//!
//! The steps of the shop [`append`] an event in the transaction of what it reports. So an event is lost only together
//! with that, and an audit database that is away delays no order. A bot calls [`deliver()`] every few seconds, for
//! example after the expiry sweep:
//!
//! - Events of one subject, such as an order, arrive in the order in which they happened.
//! - An event may be delivered twice, if a delivery is cut. The audit database takes it once.
//! - Any number of programs may deliver. One of them is at work at a time, and the others return at once.
//! - An event that the audit database refuses for what it says stays here with the reason, and is tried again each
//!   time. It holds up later events of its subject, and no others.
//!
//! A delivered event stays for [`KEPT_FOR`]. Until then, the audit database can be restored from an older backup, and told
//! again what it has missed: `UPDATE outbox.events SET delivered_at = NULL WHERE delivered_at >= '…'`.

mod deliver;

use quickcart_audit::{DatabaseError, Entry};
use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::query;

pub use deliver::{ANSWERS_WITHIN, Delivery, DeliveryError, KEPT_FOR, deliver, deliver_within};

/// An event that is added to the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// What the event is about, for example an invoice id. It has at most 50 characters.
    pub subject: String,
    /// The entry of the audit trail.
    pub entry: Entry,
    /// Text that is the same each time the same event is reported, if it can be reported again. It is added once.
    pub key: Option<String>,
}

impl NewEvent {
    /// Makes an event that is reported once.
    pub fn new(subject: impl Into<String>, entry: impl Into<Entry>) -> Self {
        Self { subject: subject.into(), entry: entry.into(), key: None }
    }
}

/// Adds the events to the outbox, in this order. The caller's transaction has to have locked what they are about, so
/// that no other transaction adds an event of the same subject at the same time.
///
/// # Errors
/// The database couldn't be reached, or it refused the events. The caller's transaction has failed.
pub async fn append(connection: &mut PgConnection, events: &[NewEvent]) -> Result<(), DatabaseError> {
    if events.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = events.iter().map(|event| event.key.as_deref()).collect();
    let subjects: Vec<_> = events.iter().map(|event| event.subject.as_str()).collect();
    let destinations: Vec<_> = events.iter().map(|event| event.entry.table().as_str()).collect();
    let entries: Vec<_> = events.iter().map(|event| without_nul(event.entry.columns())).collect();
    query!(
        "INSERT INTO outbox.events (event_id, subject, destination, entry)
         SELECT coalesce(md5(key)::uuid, gen_random_uuid()), subject, destination, entry
         FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[]) WITH ORDINALITY
             AS event (key, subject, destination, entry, number)
         ORDER BY number
         ON CONFLICT (event_id) DO NOTHING",
        &keys as &[Option<&str>],
        &subjects as &[&str],
        &destinations as &[&str],
        &entries,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Replaces the one character that PostgreSQL can't store. A gateway's reply must not fail a payment.
fn without_nul(value: Value) -> Value {
    let text = |text: String| text.replace('\0', "\u{fffd}");
    match value {
        Value::String(it) => Value::String(text(it)),
        Value::Array(items) => items.into_iter().map(without_nul).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, it)| (text(name), without_nul(it))).collect(),
        other => other,
    }
}
