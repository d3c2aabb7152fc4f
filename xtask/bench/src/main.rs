//! `cargo xtask bench`: how long the workspace's commands take, beside the programs that people would use without them.

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    xtask_bench::main()
}

/// Process groups, signals and private servers are Unix's.
#[cfg(not(unix))]
fn main() -> ExitCode {
    eprintln!("error: `cargo xtask bench` works on Linux and on macOS only; nothing was measured.");
    ExitCode::FAILURE
}
