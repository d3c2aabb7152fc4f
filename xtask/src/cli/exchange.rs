//! The options of the commands that put other databases in the place of a checkout's.

use clap::{Args, Subcommand};

use crate::database::snapshot::OF_BRANCH;

#[derive(Args)]
pub(crate) struct DbStop {
    /// Delete the server with all its databases and snapshots, after a question. A server that db-setup didn't start is never
    /// touched
    #[arg(long)]
    pub(crate) remove_data: bool,

    /// Don't ask
    #[arg(long, requires = "remove_data")]
    pub(crate) yes: bool,
}

#[derive(Args)]
pub(crate) struct DbReset {
    /// The name of the database. Without it, all of them are replaced
    pub(crate) database: Option<String>,

    /// Don't ask
    #[arg(long)]
    pub(crate) yes: bool,

    /// Drop the old databases at the end, and keep no snapshot
    #[arg(long)]
    pub(crate) no_snapshot: bool,
}

#[derive(Subcommand)]
pub(crate) enum DbSnapshot {
    /// Keep all databases as they are now, under a name
    #[command(
        long_about = "Keep all databases as they are now, under a name: as copies on the same server, which nobody can connect \
                      to. Sessions in the databases are ended, and named. A host that isn't this machine is never touched.",
        after_help = "Examples:
  cargo xtask db-snapshot save before-lunch"
    )]
    Save(DbSnapshotSave),
    /// List the snapshots of the databases
    #[command(after_help = "Examples:
  cargo xtask db-snapshot list
  cargo xtask db-snapshot list --format json")]
    List,
    /// Bring the databases of a snapshot back, and keep the present ones as another snapshot
    #[command(
        long_about = "Bring the databases of a snapshot back. The present databases become another snapshot, and the last line \
                      is the command that takes it all back. The snapshot itself stays. All databases are exchanged, or none.",
        after_help = "Examples:
  cargo xtask db-snapshot restore before-lunch"
    )]
    Restore(DbSnapshotRestore),
    /// Drop a snapshot
    #[command(after_help = "Examples:
  cargo xtask db-snapshot drop before-lunch --yes")]
    Drop(DbSnapshotDrop),
}

#[derive(Args)]
pub(crate) struct DbSnapshotSave {
    /// The name of the snapshot, in any characters
    #[arg(value_parser = name)]
    pub(crate) name: String,
}

#[derive(Args)]
pub(crate) struct DbSnapshotRestore {
    /// The name of the snapshot
    #[arg(value_name = "SNAPSHOT")]
    pub(crate) name: String,
}

#[derive(Args)]
pub(crate) struct DbSnapshotDrop {
    /// The name of the snapshot
    #[arg(value_name = "SNAPSHOT")]
    pub(crate) name: String,

    /// Don't ask
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Parses the name of a new snapshot, which people have to read and to type.
fn name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err("it must have a character that can be seen, and none that can't".into());
    }
    if text.starts_with(OF_BRANCH) {
        return Err(format!("a name that begins with {OF_BRANCH} is one that db-switch gives"));
    }
    Ok(text.to_owned())
}
