//! The workflows of the repository that this package is in.

use std::path::Path;

use crate::support::program;

#[test]
fn pass() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let steps = "format,db-setup,build,tools,env,migrations,schema,test,lint,queries,docs,migration-lint,workflow,deps";
    let commands = "db-setup,db-stop,db-verify,ci";
    program().arg("--root").arg(root).args(["--steps", steps, "--commands", commands]).assert().code(0);
}
