//! The things that entries are about.

/// A thing of the shop that entries are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// The kind of thing.
    pub kind: EntityType,
    /// The thing's key in the main database. It has at most 50 characters.
    pub id: String,
}

impl Entity {
    /// Makes an entity of this kind with this key.
    pub fn new(kind: EntityType, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }
}

/// The kinds of things that entries are about, each with its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntityType {
    /// A user's account. The key is the Telegram user id.
    User,
    /// The money in a user's account. The key is the Telegram user id.
    Balance,
    /// A product. The key is its number.
    Product,
    /// A unit of stock. The key is its id, never its content.
    Stock,
    /// An order. The key is its invoice id.
    Order,
    /// A voucher. The key is the key of its row, never its code. The code is worth money until the voucher is used.
    Voucher,
}

impl EntityType {
    /// Returns the value as the database stores it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Balance => "balance",
            Self::Product => "product",
            Self::Stock => "stock",
            Self::Order => "order",
            Self::Voucher => "voucher",
        }
    }
}
