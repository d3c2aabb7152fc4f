//! QuickCart's shop: a Telegram bot that sells digital goods and takes payment through the Pakasir gateway.
//!
//! So far it has its settings, a command that checks them and the two databases, and the shop's core: users, products
//! and orders. The bot and the gateway's client aren't here yet.

pub mod check;
pub mod cli;
pub mod env_file;
pub mod secret;
pub mod settings;
pub mod shop;

/// The tables that the main database holds, in alphabetical order: these and no others. They are made by
/// `migrations/main`.
pub const TABLES: [&str; 7] =
    ["order_items", "orders", "product_stocks", "products", "users", "voucher_usage_cooldown", "vouchers"];
