//! Lints migrations with squawk, for `cargo xtask ci`.

fn main() {}
