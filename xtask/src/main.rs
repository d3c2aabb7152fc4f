//! The workspace's automation: `cargo xtask --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    xtask::run()
}
