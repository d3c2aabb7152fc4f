//! The user, admin or program that did the recorded action.

/// The user, admin or program that acted. The table requires an id for users and admins. The system has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A customer or reseller, with the Telegram user id.
    User(i64),
    /// An admin, with the Telegram user id.
    Admin(i64),
    /// The shop itself, for example the expiry sweep or the gateway's webhook.
    System,
}

impl Actor {
    /// Returns the Telegram user id. The system has none.
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

    /// Makes an actor of the two columns. The table's own check guarantees that users and admins have an id.
    pub(crate) fn from_columns(kind: ActorType, id: Option<i64>) -> Self {
        match (kind, id) {
            (ActorType::User, Some(id)) => Self::User(id),
            (ActorType::Admin, Some(id)) => Self::Admin(id),
            _ => Self::System,
        }
    }
}

/// A value of the column `actor_type`.
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
