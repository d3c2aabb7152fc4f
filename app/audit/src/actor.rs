//! Who did what is recorded.

/// Who did it. Only the system may do without an id, and so only the system has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A customer or reseller, by the Telegram user id.
    User(i64),
    /// An admin, by the Telegram user id.
    Admin(i64),
    /// The shop itself: the expiry sweep, the gateway's webhook.
    System,
}

impl Actor {
    /// The Telegram user id, unless it was the system.
    pub fn id(self) -> Option<i64> {
        match self {
            Self::User(id) | Self::Admin(id) => Some(id),
            Self::System => None,
        }
    }

    pub(crate) fn kind(self) -> ActorType {
        match self {
            Self::User(_) => ActorType::User,
            Self::Admin(_) => ActorType::Admin,
            Self::System => ActorType::System,
        }
    }

    /// Puts the two columns together; the table's own check doesn't let an id be missing.
    pub(crate) fn from_columns(kind: ActorType, id: Option<i64>) -> Self {
        match (kind, id) {
            (ActorType::User, Some(id)) => Self::User(id),
            (ActorType::Admin, Some(id)) => Self::Admin(id),
            _ => Self::System,
        }
    }
}

/// The column `actor_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Decode)]
#[sqlx(rename_all = "lowercase")]
pub(crate) enum ActorType {
    User,
    Admin,
    System,
}

impl ActorType {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
            Self::System => "system",
        }
    }
}
