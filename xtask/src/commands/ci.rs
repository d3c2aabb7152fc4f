//! `cargo xtask ci`: everything that CI runs, the same on a laptop and on GitHub.

use anyhow::Result;
use serde::Deserialize;

use super::{Context, Ending};
use crate::ci::schedule::Schedule;
use crate::ci::selection::Selection;
use crate::ci::step::Step;
use crate::ci::steps::Pipeline;
use crate::cli::Ci;
use crate::problem::{Exit, Problem, Problems};
use crate::workspace::Workspace;

pub(crate) fn run(options: &Ci, context: &Context<'_>) -> Result<Ending> {
    let Context { reporter, interrupt } = context;
    let selection = Selection::new(options)?;
    // What is wrong with a database's files is for the steps to say that need them.
    let mut wrong_files = Problems::default();
    let workspace = Workspace::find(&mut wrong_files)?;
    let env_check = env_check(&workspace)?;
    let steps = Pipeline { workspace: &workspace, selection: &selection, env_check }.steps();
    if options.list || options.explain {
        let listed: Vec<_> = steps.iter().map(Step::listed).collect();
        reporter.steps(&listed, options.explain);
        return Ok(Ending::Done(vec!["Nothing was run.".to_owned()]));
    }
    let Ci { fail_fast, allow_remote, .. } = *options;
    let (workspace, wrong_files) = (&workspace, &wrong_files);
    let schedule = Schedule { workspace, wrong_files, reporter, interrupt, fail_fast, allow_remote };
    let ended = schedule.run(&steps);
    reporter.pipeline(&ended.rows);
    interrupt.check()?;
    Ok(if ended.exit == Exit::Done { Ending::Done(Vec::new()) } else { Ending::Code(ended.exit as u8) })
}

/// What the workspace's manifest says in `[workspace.metadata.xtask]`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Metadata {
    /// A program of the workspace, with arguments, that checks the settings in the file that is added to them.
    env_check: Option<String>,
}

#[derive(Deserialize)]
struct Manifest {
    workspace: Option<WorkspaceTable>,
}

#[derive(Deserialize)]
struct WorkspaceTable {
    metadata: Option<MetadataTable>,
}

#[derive(Deserialize)]
struct MetadataTable {
    xtask: Option<Metadata>,
}

fn env_check(workspace: &Workspace) -> Result<Option<String>> {
    let file = workspace.root.join("Cargo.toml");
    let manifest: Manifest = std::fs::read_to_string(&file)
        .map_err(anyhow::Error::from)
        .and_then(|text| Ok(toml::from_str(&text)?))
        .map_err(|error| Problem::failed(format!("{} can't be used: {error:#}", file.display())))?;
    let metadata = manifest.workspace.and_then(|workspace| workspace.metadata).and_then(|metadata| metadata.xtask);
    Ok(metadata.unwrap_or_default().env_check)
}
