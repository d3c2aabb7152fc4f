//! The people who talk to the bot.

use std::error::Error;
use std::fmt;

use chrono::{DateTime, Utc};
use quickcart_audit::DatabaseError;
use rust_decimal::Decimal;
use sqlx::postgres::PgConnection;
use sqlx::{query_as, query_scalar};

use super::code;
use super::status::MemberStatus;

/// How often another bank id is tried where one is taken. With half of the million given away, all of them are taken
/// once in a million times.
const ATTEMPTS: usize = 20;

/// Somebody who has an account.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The Telegram user id.
    pub id: i64,
    /// What they call themselves.
    pub name: String,
    /// Their name at Telegram, without the `@`.
    pub username: Option<String>,
    /// What kind of member they are.
    pub member_status: MemberStatus,
    /// Six digits that stand for the account.
    pub bank_id: String,
    /// Rupiah.
    pub account_balance: Decimal,
    /// Whether they may not buy any more.
    pub is_banned: bool,
    /// When they registered.
    pub created_at: DateTime<Utc>,
}

/// Somebody who is to have an account.
#[derive(Debug, Clone)]
pub struct NewUser<'a> {
    /// The Telegram user id.
    pub id: i64,
    /// What they call themselves.
    pub name: &'a str,
    /// Their name at Telegram, without the `@`.
    pub username: Option<&'a str>,
}

/// Why an account wasn't made. Nothing was changed.
#[derive(Debug)]
pub enum RegisterError {
    /// They have one.
    AlreadyRegistered,
    /// Somebody else has this name. Names at Telegram are handed on, so that the other one's may be out of date.
    UsernameTaken,
    /// Every bank id that was tried is taken: nearly all of the million are.
    NoBankIdLeft,
    /// The database couldn't be reached, or refused it.
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
        let error = DatabaseError::from(error);
        match error.constraint() {
            Some("users_pkey") => Self::AlreadyRegistered,
            Some("users_username_key") => Self::UsernameTaken,
            _ => Self::Database(error),
        }
    }
}

/// Makes an account, with a bank id that nobody has.
///
/// # Errors
/// None was made.
pub async fn register(connection: &mut PgConnection, new: &NewUser<'_>) -> Result<User, RegisterError> {
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
            return Ok(user);
        }
    }
    Err(RegisterError::NoBankIdLeft)
}

/// The user with this id.
///
/// # Errors
/// The database couldn't be reached, or refused the query.
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
