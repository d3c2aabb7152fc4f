//! `cargo xtask db-verify`: compares the live schemas with the committed ones, object by object.

use anyhow::Result;
use futures_util::future::join_all;

use crate::cli::DbVerify;
use crate::connection::deadline;
use crate::connection::readiness::Answer;
use crate::connection::session::{self, Opened};
use crate::context::Context;
use crate::database::cancel::cancel;
use crate::database::history::{self, History};
use crate::database::{deep, privileges, proof};
use crate::env_file::Settings;
use crate::interrupt;
use crate::problem::{Code, Problem, Problems};
use crate::report::{Outcome, count};
use crate::server::Record;
use crate::target::Target;

/// Runs the command. Returns lines that say what to type next.
pub(crate) async fn run(options: &DbVerify, context: Context<'_>) -> Result<Vec<String>> {
    let run = session::name_of_run(session::READER);
    let mut targets = Settings::of(context.workspace)?.targets;
    targets.iter_mut().for_each(|target| target.limit = deadline::for_an_answer(options.timeout));
    let each = targets.iter().map(async |target| {
        let one = One { options, context, target, run: &run };
        if options.write { one.write().await } else { one.verify().await }
    });
    let result = context.interrupt.guard(async { Ok(join_all(each).await) }).await;
    if result.as_ref().is_err_and(interrupt::is_interruption) {
        // The run may have made scratch databases, which have to be dropped.
        return Err(cancel(&targets, &run).await.into());
    }
    let mut problems = Problems::default();
    for error in result?.into_iter().filter_map(Result::err) {
        problems.0.extend(Problems::of(error).0);
    }
    problems.into_result()?;
    Ok(Vec::new())
}

/// The work on one database.
struct One<'a> {
    options: &'a DbVerify,
    context: Context<'a>,
    target: &'a Target<'a>,
    run: &'a str,
}

impl One<'_> {
    async fn verify(&self) -> Result<()> {
        let Target { database, url, .. } = self.target;
        let step = self.context.reporter.step(&database.name);
        let mut connection = match session::open(url.options(session::READER)).await {
            Opened::Session(connection) => connection,
            Opened::Missing => return Err(session::unavailable(url, &Answer::NoDatabase).into()),
            Opened::Failed(answer) => return Err(session::unavailable(url, &answer).into()),
        };
        let read = history::read(&mut connection, &database.history);
        let (rows, found) = deadline::without_changes(self.target, read).await?;
        let whose = Record::claim(self.target.root, false, None).whose(found.stamp(), &url.address);
        whose.note(&url.database).into_iter().for_each(|note| self.context.reporter.note(&note));
        let history = History::compare(database, &rows);
        let problem = history.problem(self.target, &rows, &mut connection, self.context.interrupt);
        if let Some(problem) = deadline::without_changes(self.target, problem).await? {
            return Err(problem.into());
        }
        if let Some(problem) = history.pending_problem(self.target) {
            return Err(problem.into());
        }
        let measured = proof::measure(&mut connection, database);
        let measured = deadline::without_changes(self.target, measured).await?;
        privileges::refuse_mighty(self.target, &measured.declared)?;
        let differences = proof::compare(self.target, &measured)?;
        let (name, file) = (&url.database, database.schema_file.display());
        if differences.is_empty() {
            let tables = count(measured.tables.len(), "table");
            let mut what = format!("{name} equals {file}, object by object ({tables})");
            if measured.lacks_privileges() {
                what.push_str(", but for its owners and privileges");
            }
            if self.options.deep {
                self.ensure_may_write("--deep")?;
                step.doing("comparing every catalog with a scratch database migrated from nothing");
                let compared = deep::prove(self.target, &mut connection, self.run).await?;
                what.push_str(&format!(", and the result of the migrations, row by row ({compared})"));
            }
            session::close(connection).await;
            step.end(Outcome::Unchanged, &what);
            privileges::warn(self.target, &measured.declared, self.context.reporter);
            return Ok(());
        }
        session::close(connection).await;
        if !self.may_write() {
            let host = &url.address.host;
            return Err(proof::unexplained(self.target, &differences)
                .detail(format!(
                    "A scratch database would show which of the two is wrong. None was made, because {host} isn't this \
                     machine."
                ))
                .remedy("To make one there: cargo xtask db-verify --allow-remote")
                .into());
        }
        Err(proof::explain(self.target, &measured, &differences, self.run).await.into())
    }

    /// Makes the schema file from the migrations, never from the live database.
    async fn write(&self) -> Result<()> {
        let Target { root, database, .. } = self.target;
        let step = self.context.reporter.step(&database.name);
        self.ensure_may_write("--write")?;
        step.doing("migrating a scratch database from nothing");
        let fresh = proof::from_nothing(self.target, self.run).await?;
        let (file, text) = (root.join(&database.schema_file), fresh.catalog.to_sql());
        let shown = database.schema_file.display();
        if fresh.lacks_privileges() {
            let problem = Problem::failed(
                Code::RoleMissing,
                format!("{shown} can't be written: a role that the migrations grant to is missing."),
            );
            return Err(problem.remedy("Let db-setup make it, or say how it is made: cargo xtask db-setup").into());
        }
        if std::fs::read_to_string(&file).is_ok_and(|old| old == text) {
            step.end(Outcome::Unchanged, &format!("{shown} equals the result of the migrations"));
            return Ok(());
        }
        let written = file.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&file, text));
        written.map_err(|error| Problem::unwritable(&database.schema_file, &error))?;
        step.end(Outcome::Done, &format!("{shown} written; look at the change and commit it"));
        Ok(())
    }

    /// Fails if no scratch database may be made. `option` is the one that needs it.
    fn ensure_may_write(&self, option: &str) -> Result<(), Problem> {
        if self.may_write() {
            return Ok(());
        }
        let host = &self.target.url.address.host;
        Err(Problem::unavailable(
            Code::RemoteHost,
            format!("{host} isn't this machine, so no scratch database is made there."),
        )
        .remedy(format!("To make one there anyway: cargo xtask db-verify {option} --allow-remote")))
    }

    /// Returns whether scratch databases may be made: always on this machine, elsewhere only with `--allow-remote`.
    fn may_write(&self) -> bool {
        self.options.allow_remote || self.target.url.address.is_loopback()
    }
}
