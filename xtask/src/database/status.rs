//! The state of the databases, read and not touched: for `db-status`.
//!
//! A database is asked by one session, and the sessions work side by side. Everything is a SELECT, and no lock is taken, so a
//! standby, a role that may only read and a pooler are asked like any other server.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use futures_util::future::join_all;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::history::{self, History};
use super::snapshot::{self, Set, Snapshot};
use super::texts::{self, Recorded};
use super::{lock, privileges, proof, scratch};
use crate::connection::deadline::{self, Run};
use crate::connection::readiness::Answer;
use crate::connection::session::{self, Opened};
use crate::database_url::Address;
use crate::problem::{Code, Exit, Problem, Problems};
use crate::report::status::{self as report, BelongsTo, Database, Migration, Proof, Schema, State, Whose};
use crate::stamp::{self, Claim, Stamp};
use crate::target::Target;

/// How much is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Everything.
    Proof,
    /// Only the histories. No schema is compared, and no server is asked about itself.
    History,
}

/// A server that the URLs lead to.
pub(crate) struct Server {
    pub(crate) address: Address,
    /// What is shown of it. Its provider isn't known here.
    pub(crate) shown: report::Server,
    /// Why nobody can log in, if nothing listens there.
    pub(crate) absent: Option<String>,
    snapshots: Vec<Snapshot>,
}

/// The state of the servers and of the databases, with the sets of snapshots.
pub(crate) struct Read {
    pub(crate) servers: Vec<Server>,
    pub(crate) databases: Vec<Database>,
    pub(crate) snapshots: Vec<Set>,
}

/// Reads the state of the servers and of the databases. What can't be read is among the problems.
pub(crate) async fn read(
    targets: &[Target<'_>],
    patience: Duration,
    depth: Depth,
    claim: impl Fn(&Address) -> Claim,
) -> Read {
    let firsts: Vec<_> = lock::servers(targets).into_iter().map(|(url, _)| url.variable.as_str()).collect();
    let looks = targets.iter().map(|target| {
        let claim = claim(&target.url.address);
        let asks_server = depth == Depth::Proof && firsts.contains(&target.url.variable.as_str());
        Look { target, targets, patience, depth, claim, asks_server }.look()
    });
    let mut looked = join_all(looks).await;
    let mut servers = Vec::new();
    for target in targets.iter().filter(|target| firsts.contains(&target.url.variable.as_str())) {
        let here = looked.iter_mut().filter(|one| one.target.url.address.same_server(&target.url.address));
        let (mut server, mut absent, mut answers) = (Server::of(&target.url.address), None, false);
        for one in here {
            server = one.server.take().unwrap_or(server);
            absent = absent.or(one.absent.take());
            answers |= one.database.exists.is_some();
        }
        if depth == Depth::Proof && server.shown.version.is_none() && answers {
            server.ask_elsewhere(target, targets, &claim(&target.url.address)).await;
        }
        (server.shown.answers, server.absent) = (answers, absent);
        servers.push(server);
    }
    let snapshots = servers.iter_mut().flat_map(|server| std::mem::take(&mut server.snapshots)).collect();
    let databases = looked.into_iter().map(|one| one.database).collect();
    Read { servers, databases, snapshots: snapshot::sets(snapshots) }
}

impl Server {
    fn of(address: &Address) -> Self {
        let shown = report::Server {
            address: address.to_string(),
            answers: false,
            provider: None,
            data: None,
            version: None,
            started_at: None,
            scratch: Vec::new(),
            problems: Vec::new(),
        };
        Self { address: address.clone(), shown, absent: None, snapshots: Vec::new() }
    }

    async fn ask(&mut self, connection: &mut PgConnection, targets: &[Target<'_>], claim: &Claim) -> Result<()> {
        let is_here = |target: &&Target<'_>| target.url.address.same_server(&self.address);
        let targets: Vec<_> = targets.iter().filter(is_here).cloned().collect();
        let facts = sqlx::raw_sql(
            "SELECT split_part(current_setting('server_version'), ' ', 1), \
             to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), \
             CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') END",
        );
        let row = facts.fetch_one(&mut *connection).await?;
        let shown = &mut self.shown;
        shown.scratch = scratch::list(connection, &targets).await?;
        self.snapshots = snapshot::read(connection, &targets, claim).await?.snapshots;
        (shown.version, shown.started_at, shown.data) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        Ok(())
    }

    /// Asks in the maintenance database, because there is no other one.
    async fn ask_elsewhere(&mut self, target: &Target<'_>, targets: &[Target<'_>], claim: &Claim) {
        let ask = async {
            let mut connection = session::maintenance(&target.url, session::READER).await?;
            self.ask(&mut connection, targets, claim).await?;
            session::close(connection).await;
            anyhow::Ok(())
        };
        if let Err(error) = deadline::without_changes(target, ask).await {
            self.shown.problems = Problems::of(error).0;
        }
    }
}

/// The work on one database.
struct Look<'a> {
    target: &'a Target<'a>,
    targets: &'a [Target<'a>],
    patience: Duration,
    depth: Depth,
    claim: Claim,
    /// Whether its session asks the server about itself, too.
    asks_server: bool,
}

struct Looked<'a> {
    target: &'a Target<'a>,
    database: Database,
    server: Option<Server>,
    /// Why nobody can log in, if nothing listens there.
    absent: Option<String>,
}

impl<'a> Look<'a> {
    async fn look(self) -> Looked<'a> {
        let Target { database, url, .. } = self.target;
        let mut looked = Looked { target: self.target, database: unknown(self.target), server: None, absent: None };
        match session::open_within(self.patience, url.options(session::READER)).await {
            Opened::Session(connection) => {
                looked.database.exists = Some(true);
                let read = self.read(connection, &mut looked);
                if let Err(error) = deadline::without_changes(self.target, read).await {
                    looked.database.problems.extend(Problems::of(error).0);
                }
            }
            Opened::Missing => {
                looked.database.exists = Some(false);
                looked.database.migrations = History::compare(database, &[]).migrations(database, &[]);
                looked.database.problems.push(session::unavailable(url, &Answer::NoDatabase));
            }
            // That is one problem of the server, and not one of each database.
            Opened::Failed(Answer::Nothing(said)) => looked.absent = Some(said),
            Opened::Failed(answer) => looked.database.problems.push(session::unavailable(url, &answer)),
        }
        looked
    }

    async fn read(&self, mut connection: PgConnection, looked: &mut Looked<'_>) -> Result<()> {
        let Target { database, url, .. } = self.target;
        if self.asks_server {
            let mut server = Server::of(&url.address);
            server.ask(&mut connection, self.targets, &self.claim).await?;
            looked.server = Some(server);
        }
        let state = &mut looked.database;
        if self.depth == Depth::Proof {
            facts(&mut connection, state).await?;
        }
        let (rows, found) = history::read(&mut connection, &database.history).await?;
        self.whose(found.stamp(), state);
        let history = History::compare(database, &rows);
        state.migrations = history.migrations(database, &rows);
        if history.differs() {
            match texts::read(&mut connection, &database.history).await {
                Ok(recorded) => came_from(&mut state.migrations, recorded),
                Err(error) => {
                    state.problems.extend(Problems::of(deadline::if_lost(&url.address, error, Run::Reading)).0);
                }
            }
            state.problems.push(differs(self.target, state));
        } else if let Some(problem) = history.pending_problem(self.target) {
            state.problems.push(problem);
        } else if self.depth == Depth::Proof {
            self.prove(&mut connection, state).await?;
        }
        session::close(connection).await;
        Ok(())
    }

    async fn prove(&self, connection: &mut PgConnection, state: &mut Database) -> Result<()> {
        let measured = proof::measure(connection, self.target.database).await?;
        let differences = match proof::compare(self.target, &measured) {
            Ok(differences) => differences,
            Err(problem) => {
                state.problems.push(problem);
                return Ok(());
            }
        };
        state.schema.tables = Some(measured.tables.len());
        let mighty = privileges::refuse_mighty(self.target, &measured.declared).err();
        state.schema.state = if mighty.is_some() || !differences.is_empty() {
            Proof::Differs
        } else if measured.lacks_privileges() {
            Proof::ProvenWithoutPrivileges
        } else {
            Proof::Proven
        };
        if !differences.is_empty() {
            let problem = proof::unexplained(self.target, &differences);
            state.schema.differences.clone_from(&problem.details);
            state.problems.push(proof::see_which(problem));
        }
        state.problems.extend(mighty);
        Ok(())
    }

    /// Says whose the database is. One of another checkout's is a problem, as it is for db-setup.
    fn whose(&self, stamp: Option<Stamp>, state: &mut Database) {
        let url = &self.target.url;
        let whose = self.claim.whose(stamp.clone(), &url.address);
        if let stamp::Whose::Others(stamp) = &whose {
            let what = format!("{} ({}) belongs to another checkout.", url.database, url.address);
            let problem = Problem::unavailable(Code::OtherCheckout, what).detail(stamp.to_string());
            state.problems.push(problem.remedy("Get databases of your own, or see how to: cargo xtask db-setup"));
        }
        let whose = match whose {
            stamp::Whose::Ours => Whose::Ours,
            stamp::Whose::Shared => Whose::Shared,
            stamp::Whose::Free(_) => Whose::Nobodys,
            stamp::Whose::Remote(_) => Whose::Elsewhere,
            stamp::Whose::Others(_) => Whose::Others,
        };
        let (mut checkout, mut branch, mut at, mut machine) = (None, None, None, None);
        if let Some(stamp) = stamp {
            (checkout, branch, at, machine) = (Some(stamp.checkout), stamp.branch, Some(stamp.at), Some(stamp.machine));
        }
        state.belongs_to = BelongsTo { whose, checkout, branch, machine, at };
    }
}

/// A database of which nothing is known yet.
fn unknown(target: &Target<'_>) -> Database {
    Database {
        name: target.database.name.clone(),
        database: target.url.database.clone(),
        address: target.url.address.to_string(),
        exists: None,
        owner: None,
        encoding: None,
        bytes: None,
        belongs_to: BelongsTo::default(),
        migrations: Vec::new(),
        schema: Schema::NOT_COMPARED,
        problems: Vec::new(),
    }
}

/// Says where the applied migrations came from.
fn came_from(migrations: &mut [Migration], mut recorded: BTreeMap<i64, Recorded>) {
    for one in migrations.iter_mut().filter(|one| one.applied_at.is_some()) {
        let Some(Recorded { branch, commit, .. }) = recorded.remove(&one.version) else { continue };
        (one.branch, one.commit) = (branch, commit);
    }
}

async fn facts(connection: &mut PgConnection, state: &mut Database) -> Result<(), sqlx::Error> {
    let facts = sqlx::raw_sql(
        "SELECT pg_get_userbyid(datdba)::text, pg_encoding_to_char(encoding)::text, \
         CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END \
         FROM pg_database WHERE datname = current_database()",
    );
    let row = facts.fetch_one(connection).await?;
    (state.owner, state.encoding, state.bytes) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    Ok(())
}

/// The problem of a history that differs, in short. Whose migrations are published takes git longer than all the rest.
fn differs(target: &Target<'_>, state: &Database) -> Problem {
    let of = |wanted: State| state.migrations.iter().filter(move |one| one.state == wanted);
    let words = [
        (State::Missing, "missing here"),
        (State::Modified, "modified"),
        (State::OutOfOrder, "out of order"),
        (State::Unfinished, "unfinished"),
    ];
    let details = words.iter().flat_map(|(wanted, word)| of(*wanted).map(move |one| format!("{word}: {}", one.name)));
    let what = format!(
        "{}: the history of {} doesn't agree with the migration files.",
        target.database.name, target.url.database
    );
    let problem = Problem::new(Code::HistoryDiffers, Exit::HistoryDiffers, what).details(details);
    let fits = of(State::Missing).next().map(|_| "Make the databases fit this checkout: cargo xtask db-switch");
    let problem = fits.into_iter().fold(problem, Problem::remedy);
    problem.remedy("See every way out. It applies nothing: cargo xtask db-setup")
}
