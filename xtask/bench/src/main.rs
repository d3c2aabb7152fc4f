//! `cargo xtask bench` compares the workspace's commands with the programs that people would use without them.

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    xtask_bench::main()
}

/// The benchmarks need process groups, signals and private servers, which only Unix has.
#[cfg(not(unix))]
fn main() -> ExitCode {
    eprintln!("error: `cargo xtask bench` works on Linux and on macOS only. Nothing was measured.");
    ExitCode::FAILURE
}
