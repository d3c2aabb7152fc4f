//! The server for the databases of tests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

use super::SESSION;
use crate::connection::session;
use crate::database::test_database;
use crate::database_url::DatabaseUrl;
use crate::env_file::Settings;
use crate::problem::{Code, Problem, Problems};
use crate::runtime::wait_for;
#[cfg(unix)]
use crate::server::local::TestServer;
use crate::target::Target;
use crate::workspace::Workspace;

/// The variable that says where the databases of tests are: `own` stands for a PostgreSQL for tests, whatever runs.
const VARIABLE: &str = "XTASK_TEST_SERVER";

/// A server with the databases of the workspace that it can have.
pub(super) struct Place {
    pub(super) targets: Vec<Target<'static>>,
    is_used: AtomicBool,
    /// The server, if it is one for tests. It ends when nobody uses it.
    #[cfg(unix)]
    server: Option<TestServer>,
}

/// Returns the server for the databases of this process's tests. It is looked for once.
///
/// # Errors
/// There is none, or the files or the settings of the workspace have mistakes.
pub(super) fn find() -> Result<Arc<Place>> {
    static FOUND: Mutex<Option<Arc<Place>>> = Mutex::new(None);
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(place) = &*found {
        return Ok(Arc::clone(place));
    }
    let place = Arc::new(wait_for(look())?);
    *found = Some(Arc::clone(&place));
    Ok(place)
}

async fn look() -> Result<Place> {
    let targets = targets()?;
    let why_not = match std::env::var(VARIABLE).as_deref() {
        Ok("own") => None,
        Ok(other) if !other.is_empty() => {
            anyhow::bail!("{VARIABLE} is {other}, but it can only be own");
        }
        _ => match check_urls(&targets).await {
            Ok(()) => return Ok(Place::of_urls(targets)),
            Err(error) => Some(Problems::of(error)),
        },
    };
    Place::for_tests(targets, false).await.map_err(|error| explain(error, why_not))
}

/// Starts a server for the caller alone.
///
/// # Errors
/// There are no programs to start it with, or it doesn't start.
#[cfg(unix)]
pub(super) fn own() -> Result<Arc<Place>> {
    wait_for(async { Ok(Arc::new(Place::for_tests(targets()?, true).await?)) })
}

/// The databases of the workspace that the current folder belongs to.
fn targets() -> Result<Vec<Target<'static>>> {
    static WORKSPACE: Mutex<Option<&'static Workspace>> = Mutex::new(None);
    let mut kept = WORKSPACE.lock().unwrap_or_else(PoisonError::into_inner);
    let workspace = match *kept {
        Some(workspace) => workspace,
        // It is there until the process ends.
        None => *kept.insert(Box::leak(Box::new(Workspace::find()?))),
    };
    Ok(Settings::of(workspace)?.targets)
}

/// Checks that tests can have databases on the servers of these URLs, which have to be on this machine.
async fn check_urls(targets: &[Target<'_>]) -> Result<()> {
    let run = session::name_of_run(SESSION);
    for (index, target) in targets.iter().enumerate() {
        let address = &target.url.address;
        if !address.is_loopback() {
            let what = format!("{} isn't on this machine.", address.host);
            return Err(Problem::unavailable(Code::RemoteHost, what).into());
        }
        let is_same = |other: &&Target<'_>| other.url.user == target.url.user && other.url.address.same_server(address);
        if !targets[..index].iter().any(|other| is_same(&other)) {
            let roles = targets.iter().filter(is_same).flat_map(|target| target.database.declared_roles()).cloned();
            test_database::check_server(&target.url, &roles.collect::<Vec<_>>(), &run).await?;
        }
    }
    Ok(())
}

/// Adds to the problem that no server can be started why that of the URLs can't be used.
fn explain(error: anyhow::Error, why_not: Option<Problems>) -> anyhow::Error {
    let mut problems = Problems::of(error);
    if let (Some(problem), Some(why_not)) = (problems.0.last_mut(), why_not) {
        let reasons =
            why_not.0.into_iter().map(|problem| format!("The server of the URLs can't be used: {}", problem.what));
        problem.details.extend(reasons);
    }
    problems.into()
}

impl Place {
    fn of_urls(targets: Vec<Target<'static>>) -> Self {
        Self {
            targets,
            is_used: AtomicBool::new(false),
            #[cfg(unix)]
            server: None,
        }
    }

    /// Whether this is the first use of the server by this process.
    pub(super) fn is_new(&self) -> bool {
        !self.is_used.swap(true, Ordering::Relaxed)
    }

    #[cfg(unix)]
    async fn for_tests(targets: Vec<Target<'static>>, alone: bool) -> Result<Self> {
        let Some(Target { root, .. }) = targets.first() else { return Ok(Self::of_urls(targets)) };
        let server =
            if alone { TestServer::start(root, &targets).await? } else { TestServer::share(root, &targets).await? };
        let moved = server.move_here(&targets)?;
        Ok(Self { server: Some(server), ..Self::of_urls(moved) })
    }

    #[cfg(not(unix))]
    async fn for_tests(_: Vec<Target<'static>>, _: bool) -> Result<Self> {
        let what = "No PostgreSQL for tests can be started on this system.";
        Err(Problem::unavailable(Code::NoBinaries, what).remedy("cargo xtask db-setup").into())
    }

    /// The URL of a database on this server, for its superuser.
    #[cfg(unix)]
    pub(super) fn superuser_url(&self, database: &str) -> Result<String> {
        match &self.server {
            Some(server) => server.superuser_url(database),
            None => Err(anyhow::anyhow!("only a server for tests has a known superuser")),
        }
    }
}

/// The URL of a database beside the one of `url`, for a test and its children.
pub(super) fn beside(url: &DatabaseUrl, database: &str) -> Result<DatabaseUrl> {
    Ok(DatabaseUrl::parse(&url.variable, &url.of_database(database, "test"))?)
}
