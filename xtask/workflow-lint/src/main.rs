//! Checks GitHub workflows, for `cargo xtask ci`.

fn main() {}
