//! The users of the bot.

use std::error::Error;
use std::fmt;

use chrono::{DateTime, Utc};
use quickcart_audit::{Actor, AuditLog, DatabaseError, Entity, EntityType};
use rust_decimal::Decimal;
use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, query_as, query_scalar};

use super::code;
use super::status::MemberStatus;
use super::transaction::{Attempts, StepError};
use crate::outbox::{self, NewEvent};

/// The number of bank ids that are tried. If half of the million ids are taken, all tries fail once in a million times.
const ATTEMPTS: usize = 20;

/// A user who has an account.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The Telegram user id.
    pub id: i64,
    /// The user's own name.
    pub name: String,
    /// The Telegram username, without the `@`.
    pub username: Option<String>,
    /// The kind of member that the user is.
    pub member_status: MemberStatus,
    /// Six digits that identify the account.
    pub bank_id: String,
    /// The balance in rupiah.
    pub account_balance: Decimal,
    /// Whether the user is banned from buying.
    pub is_banned: bool,
    /// The time of the registration.
    pub created_at: DateTime<Utc>,
}

/// A user who gets an account.
#[derive(Debug, Clone)]
pub struct NewUser<'a> {
    /// The Telegram user id.
    pub id: i64,
    /// The user's own name.
    pub name: &'a str,
    /// The Telegram username, without the `@`.
    pub username: Option<&'a str>,
}

/// The reason why an account wasn't made. Nothing was changed.
#[derive(Debug)]
pub enum RegisterError {
    /// The user has an account already.
    AlreadyRegistered,
    /// Another user has this username. A Telegram username can move to another person, so the stored one may be out
    /// of date.
    UsernameTaken,
    /// Every bank id that was tried is taken. This means that nearly all of the million ids are taken.
    NoBankIdLeft,
    /// The database couldn't be reached, or it refused the account.
    Database(DatabaseError),
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyRegistered => f.write_str("this user is registered already"),
            Self::UsernameTaken => f.write_str("another user has this username"),
            Self::NoBankIdLeft => write!(f, "{ATTEMPTS} bank ids were tried, and all of them are taken"),
            Self::Database(error) => write!(f, "{error}"),
        }
    }
}

impl Error for RegisterError {}

impl From<sqlx::Error> for RegisterError {
    fn from(error: sqlx::Error) -> Self {
        DatabaseError::from(error).into()
    }
}

impl From<DatabaseError> for RegisterError {
    fn from(error: DatabaseError) -> Self {
        match error.constraint() {
            Some("users_pkey") => Self::AlreadyRegistered,
            Some("users_username_key") => Self::UsernameTaken,
            _ => Self::Database(error),
        }
    }
}

impl StepError for RegisterError {
    fn database(&self) -> Option<&DatabaseError> {
        match self {
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}

/// Makes an account, with a bank id that is still free.
///
/// # Errors
/// No account was made. [`RegisterError`] names the reasons.
pub async fn register(connection: &mut PgConnection, new: &NewUser<'_>) -> Result<User, RegisterError> {
    let mut attempts = Attempts::new();
    loop {
        let mut transaction = connection.begin().await?;
        let result = register_in(&mut transaction, new).await;
        if let Some(result) = attempts.end(transaction, result).await {
            return result;
        }
    }
}

async fn register_in(connection: &mut PgConnection, new: &NewUser<'_>) -> Result<User, RegisterError> {
    for _ in 0..ATTEMPTS {
        let random = query_scalar!(r#"SELECT gen_random_uuid() AS "random!""#).fetch_one(&mut *connection).await?;
        let user = query_as!(
            User,
            r#"INSERT INTO users (id, name, username, bank_id) VALUES ($1, $2, $3, $4)
               ON CONFLICT (bank_id) DO NOTHING
               RETURNING id, name, username, member_status AS "member_status: MemberStatus", bank_id,
                         account_balance, is_banned, created_at"#,
            new.id,
            new.name,
            new.username,
            code::six_of(code::DIGITS, random),
        )
        .fetch_optional(&mut *connection)
        .await?;
        if let Some(user) = user {
            outbox::append(connection, &[registered(&user)]).await?;
            return Ok(user);
        }
    }
    Err(RegisterError::NoBankIdLeft)
}

/// The event for a new account. It names nobody: the trail is kept forever, and users are anonymised on request.
fn registered(user: &User) -> NewEvent {
    let id = user.id.to_string();
    let entry = AuditLog {
        actor: Actor::User(user.id),
        entity: Entity::new(EntityType::User, &id),
        action: "register".to_owned(),
        before: None,
        after: Some(json!({"bank_id": user.bank_id})),
        context: None,
        ip_address: None,
    };
    NewEvent::new(id, entry)
}

/// Returns the user with this id.
///
/// # Errors
/// The database couldn't be reached, or it refused the query.
pub async fn find(connection: &mut PgConnection, id: i64) -> Result<Option<User>, DatabaseError> {
    let user = query_as!(
        User,
        r#"SELECT id, name, username, member_status AS "member_status: MemberStatus", bank_id,
                  account_balance, is_banned, created_at
           FROM users WHERE id = $1"#,
        id,
    )
    .fetch_optional(connection)
    .await?;
    Ok(user)
}
