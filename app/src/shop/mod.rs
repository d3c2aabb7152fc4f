//! The core of the shop: users, products, prices, and the life of an order.
//!
//! The rules that need no database are in separate modules: [`code`], [`fee`], [`invoice`], [`price`], [`quantity`] and
//! [`status`]. [`users`], [`products`] and [`orders`] use the main database, which has the same rules as constraints.
//! The caller passes the connection, and writes the audit trail afterwards. An entry that can't be written must never
//! undo an order.
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
pub mod users;
