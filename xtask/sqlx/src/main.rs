//! sqlx-cli, pinned, behind `cargo xtask sqlx`.

fn main() {}
