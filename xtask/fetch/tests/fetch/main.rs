//! Drives the real program against HTTP servers of its own, which do what real ones do on bad days.

#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod disk;
mod server;
mod sources;
mod support;
mod transfers;
