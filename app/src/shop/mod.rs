//! The shop's core: what may be bought, by whom, for how much, and what becomes of an order.
//!
//! The rules that need no database are in modules of their own: [`code`], [`fee`], [`invoice`], [`price`], [`quantity`]
//! and [`status`]. [`users`], [`products`] and [`orders`] ask the main database, which holds the same rules as
//! constraints. Whoever calls brings the connection, and writes the audit trail afterwards: an entry that can't be
//! written must never undo an order.
//!
//! Amounts are rupiah. What admins do isn't here yet: stock, prices, members, balances and new vouchers.

pub mod code;
pub mod fee;
pub mod invoice;
pub mod orders;
pub mod price;
pub mod products;
pub mod quantity;
pub mod status;
pub mod users;
