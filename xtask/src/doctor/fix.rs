//! What `cargo xtask doctor --fix` does. Each of these loses nothing and can be done again.

use anyhow::Result;

use crate::connection::{deadline, session};
use crate::context::Context;
use crate::database::scratch;
use crate::env_file::{FILE, Settings, secrecy};
use crate::problem::{Code, Problem};
use crate::process::Child;

/// Something that can be put right without a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fix {
    /// Lets only the owner read `.env`.
    PrivateEnv,
    /// Lets git leave line endings as they are, in this checkout.
    LineEndings,
    /// Drops the scratch databases that killed runs have left.
    ScratchDatabases,
}

impl Fix {
    /// Does it, and says what was done.
    ///
    /// # Errors
    /// It can't be done.
    pub(crate) async fn apply(self, context: Context<'_>) -> Result<String> {
        let root = &context.workspace.root;
        match self {
            Self::PrivateEnv if secrecy::close_to_others(root)? => Ok(format!("only you can read {FILE} now")),
            Self::PrivateEnv => Ok(format!("{FILE} is a link, and what it leads to was left as it is")),
            Self::LineEndings => {
                let set = Child::new("git", std::time::Duration::from_secs(10)).dir(root);
                let set = set.args(["config", "core.autocrlf", "false"]);
                let ended = set.run(context.interrupt)?;
                if !ended.status.success() {
                    return Err(Problem::failed(
                        Code::ProgramFailed,
                        format!("`{set}` failed: {}", ended.stderr.trim()),
                    )
                    .remedy(format!("Try it by hand: {set}"))
                    .into());
                }
                Ok("git leaves line endings as they are in this checkout now (core.autocrlf is false)".to_owned())
            }
            Self::ScratchDatabases => drop_scratch_databases(context).await,
        }
    }
}

async fn drop_scratch_databases(context: Context<'_>) -> Result<String> {
    let targets = Settings::of(context.workspace)?.targets;
    let mut dropped = Vec::new();
    for target in targets.iter().filter(|target| target.url.address.is_loopback()) {
        let sweep = async {
            let mut connection = session::maintenance(&target.url, session::READER).await?;
            let swept = scratch::sweep(&mut connection, std::slice::from_ref(target)).await?;
            session::close(connection).await;
            anyhow::Ok(swept.dropped)
        };
        dropped.extend(deadline::without_changes(target, sweep).await?);
    }
    Ok(if dropped.is_empty() {
        "no scratch database was left".to_owned()
    } else {
        format!("dropped {}", dropped.join(", "))
    })
}
