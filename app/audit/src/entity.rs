//! What an entry is about.

/// A thing of the shop that entries are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// What kind of thing it is.
    pub kind: EntityType,
    /// Which one: its key in the main database. At most 50 characters.
    pub id: String,
}

impl Entity {
    /// The thing of this kind with this key.
    pub fn new(kind: EntityType, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }
}

/// The kinds of things that entries are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntityType {
    /// Somebody's account, by the Telegram user id.
    User,
    /// The money in somebody's account, by the Telegram user id.
    Balance,
    /// A product, by its number.
    Product,
    /// A unit of stock, by its id. Never by its content.
    Stock,
    /// An order, by its invoice id.
    Order,
    /// A voucher, by its key. Not by its code, which is worth money until it is used.
    Voucher,
}

impl EntityType {
    /// As it is written in the database.
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
