//! Work that needs scratch databases, for all databases of the workspace side by side.

use anyhow::Result;
use futures_util::future::join_all;

use super::cancel::cancel;
use super::scratch;
use crate::connection::session;
use crate::context::Context;
use crate::interrupt;
use crate::problem::Problems;
use crate::target::Target;

/// Does the work for all databases, with the name of the run. When one fails, the others go on. `command` is the one that a
/// remedy names if a server isn't on this machine.
///
/// # Errors
/// All problems of all databases, or the interruption. Then no scratch database of the run is left.
pub(crate) async fn on_each<T>(
    context: &Context<'_>,
    allow_remote: bool,
    command: &str,
    work: impl AsyncFn(&Target<'_>, &str) -> Result<T>,
) -> Result<Vec<T>> {
    let run = session::name_of_run(session::READER);
    let targets = scratch::targets(context, allow_remote, command)?;
    let each = targets.iter().map(|target| work(target, &run));
    let result = context.interrupt.guard(async { Ok(join_all(each).await) }).await;
    if result.as_ref().is_err_and(interrupt::is_interruption) {
        return Err(cancel(&targets, &run).await.into());
    }
    let (done, problems) = Problems::split(result?);
    problems.into_result()?;
    Ok(done)
}
