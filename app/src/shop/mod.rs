//! The core of the shop: users, products, prices, and the life of an order.
//!
//! The rules that need no database are in separate modules: [`code`], [`fee`], [`invoice`], [`price`], [`quantity`] and
//! [`status`]. [`users`], [`products`] and [`orders`] use the main database, which has the same rules as constraints.
//! The caller passes the connection. What the audit trail has to be told is in the [outbox](crate::outbox) when a step
//! has succeeded, and also when a payment was refused. A step that PostgreSQL ends for the sake of others is repeated,
//! [`ATTEMPTS`] times at most.
//!
//! Amounts are in rupiah. The work of admins isn't implemented yet: stock, prices, members, balances and new vouchers.

pub mod code;
pub mod fee;
pub mod invoice;
pub mod orders;
pub mod price;
pub mod products;
pub mod quantity;
pub mod status;
mod transaction;
pub mod users;

pub use transaction::ATTEMPTS;
