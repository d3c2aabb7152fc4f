//! QuickCart's shop: a Telegram bot that sells digital goods and takes payment through the Pakasir gateway.
//!
//! This package has the settings, a command that checks them and the two databases, and the core of the shop: users,
//! products and orders, with the outbox that tells the audit database what happened. The bot and the gateway's client
//! don't exist yet.

pub mod check;
pub mod cli;
pub mod env_file;
pub mod outbox;
pub mod secret;
pub mod settings;
pub mod shop;

/// The tables of the main database, in alphabetical order. `migrations/main` makes these tables and no others.
pub const TABLES: [&str; 7] =
    ["order_items", "orders", "product_stocks", "products", "users", "voucher_usage_cooldown", "vouchers"];

/// What the main database has to have.
pub const EXPECTED: quickcart_audit::Expected<'_> =
    quickcart_audit::Expected { tables: &TABLES, schema: include_str!("../../schema/main.sql") };
