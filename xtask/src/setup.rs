//! Sets everything up, until every database is migrated and proven. The commands `db-setup` and `ci` share it.

mod outlook;

use std::time::Duration;

use anyhow::Result;

pub(crate) use self::outlook::Outlook;
use crate::checkout::{self, CheckoutLock};
use crate::connection::session;
use crate::context::Context;
use crate::database::cancel::cancel;
use crate::database::converge::Goal;
use crate::database::present;
use crate::database::ready::Ready;
use crate::env_file::{CONTRACT, FILE, Settings, Written};
use crate::interrupt;
use crate::problem::{Code, Problem};
use crate::report::{Outcome, Reporter, Step, count};
use crate::server::{Choice, Ladder, Look, Provider, Record, Server, own_server};
use crate::target::Target;

/// How databases are set up.
pub(crate) struct Setup<'a> {
    pub(crate) context: Context<'a>,
    /// Where PostgreSQL comes from.
    pub(crate) choice: Choice,
    /// How long this run waits for a server, and for another run.
    pub(crate) patience: Duration,
    /// Whether databases may be made and migrated on a host that isn't this machine.
    pub(crate) allow_remote: bool,
    /// Whether databases of other checkouts are used, from now on.
    pub(crate) share: bool,
    /// Whether PostgreSQL may not be fetched.
    pub(crate) offline: bool,
    /// Whether a database that equals the result of the migrations is accepted, even if the committed schema file is
    /// stale.
    pub(crate) accept_stale_file: bool,
    /// Whether another command has done its work before, so that it isn't said that there was nothing to do.
    pub(crate) is_sequel: bool,
}

impl<'a> Setup<'a> {
    /// What db-setup does without options.
    pub(crate) fn new(context: Context<'a>, patience: Duration) -> Self {
        Self {
            context,
            choice: Choice::Auto,
            patience,
            allow_remote: false,
            share: false,
            offline: false,
            accept_stale_file: false,
            is_sequel: false,
        }
    }

    /// The sequel of another command.
    pub(crate) fn sequel(context: Context<'a>, patience: Duration) -> Self {
        Self { is_sequel: true, ..Self::new(context, patience) }
    }
}

impl Setup<'_> {
    /// Sets everything up. If everything is set up already, nothing is written and no lock is taken.
    ///
    /// # Errors
    /// All problems of all databases, and the state that each of them is in.
    pub(crate) async fn run(&self) -> Result<()> {
        let run = session::name_of_run(session::MIGRATOR);
        let mut touched = Vec::new();
        let work = async {
            while self.steps(&run, &mut touched).await? == Ended::TooLate {}
            Ok(())
        };
        let result = self.context.interrupt.guard(work).await;
        if result.as_ref().is_err_and(interrupt::is_interruption) && !touched.is_empty() {
            return Err(cancel(&touched, &run)
                .await
                .detail(
                    "A migration in a transaction is applied with its row in the history, or not at all. One that says \
                     -- no-transaction is begun again by the next run.",
                )
                .remedy("Run it again to continue from there: cargo xtask db-setup")
                .into());
        }
        result
    }

    /// Sets `touched` before the first statement that writes, because Ctrl-C must cancel statements from then on.
    async fn steps<'w>(&'w self, run: &str, touched: &mut Vec<Target<'w>>) -> Result<Ended> {
        let Context { workspace, reporter, interrupt } = self.context;
        let root = workspace.root.as_path();
        let Some(Begun { mut settings, settings_step, server_step }) = self.begin().await? else {
            return Ok(Ended::Done);
        };
        let checkout = CheckoutLock::take(root, self.patience, reporter, interrupt)?;
        if settings.new_file.is_some() {
            // Another run may have made the file while this one waited.
            settings = Settings::of(workspace)?;
        }
        let ladder = self.ladder();
        let (mut server, was_there) = match ladder.look(&mut settings, &server_step).await? {
            Look::Found(server) => (server, true),
            Look::ToStart(skipped) => (ladder.start(&mut settings, skipped, &server_step).await?, false),
        };
        // The user has said so, whatever becomes of the migrations.
        Record::share(root, std::mem::take(&mut server.others))?;
        // Only now is it known that the URLs lead to a server. A file that is there is the user's from then on.
        let written = settings.write_file(root, &checkout::make_state_dir(root)?)?;
        end_settings(settings_step, written, &settings);
        end_server(server_step, &server);
        if was_there {
            ladder.make_declared(&settings).await?;
        }
        drop(checkout);

        touched.clone_from(&settings.targets);
        let Self { context, patience, accept_stale_file, .. } = *self;
        let claim = Record::claim(root, server.is_own, settings.environment.clone());
        let own_way = own_server(&settings, &server.address);
        let (targets, claim, own_way) = (settings.targets.as_slice(), &claim, own_way.as_str());
        let command = "db-setup";
        let goal = Goal { context, targets, command, run, patience, claim, own_way, accept_stale_file };
        let ready = goal.reach().await;
        if ready.is_err() && ladder.may_go_elsewhere(&settings, &server.address) && ladder.is_late(&settings).await {
            return Ok(Ended::TooLate);
        }
        let ready = ready?;
        self.keep_record(&ladder, &server).await?;
        ready.show(&settings.targets, reporter);
        Ok(Ended::Done)
    }

    /// Writes down which server has the databases. A server that answered may be one that a killed run had started.
    async fn keep_record(&self, ladder: &Ladder<'_>, server: &Server) -> Result<()> {
        let root = self.context.workspace.root.as_path();
        let before = Record::read(root).uses;
        let provider = match (server.provider, before) {
            // The databases were there already. So they aren't the ones that this checkout has made elsewhere.
            (Provider::Running, Some(Provider::Compose | Provider::Local)) if self.choice == Choice::Auto => {
                return Ok(());
            }
            (Provider::Running, _) => ladder.started(&server.address).await?.unwrap_or(Provider::Running),
            (started, _) => started,
        };
        Ok(Record::use_server(root, provider, &server.address)?)
    }

    /// Writes down which server has databases that were there already, so that none are made elsewhere when that server is
    /// away. A checkout that can't be written to goes without.
    async fn record_found(&self, settings: &Settings<'_>) -> Result<()> {
        let root = self.context.workspace.root.as_path();
        let (record, address) = (Record::read(root), &settings.first_url().address);
        if matches!(record.uses, None | Some(Provider::Running)) && !record.uses_running(address) {
            let provider = self.ladder().started(address).await?.unwrap_or(Provider::Running);
            drop(Record::use_server(root, provider, address));
        }
        Ok(())
    }

    /// Reads the settings, and looks whether everything is set up and proven already. If so, it shows the databases and
    /// returns `None`. Databases without a stamp get this checkout's.
    async fn begin(&self) -> Result<Option<Begun<'_>>> {
        let Context { workspace, reporter, .. } = self.context;
        let mut settings_step = reporter.step("settings");
        let settings = Settings::of(workspace)?;
        settings_step.stop_clock();
        let mut server_step = reporter.step("server");
        if let Some(ready) = self.ready(&settings, false).await? {
            server_step.stop_clock();
            self.record_found(&settings).await?;
            end_settings(settings_step, Written::Nothing, &settings);
            end_ready(server_step, &ready, &settings, reporter, self.is_sequel);
            return Ok(None);
        }
        self.refuse_remote(&settings)?;
        Ok(Some(Begun { settings, settings_step, server_step }))
    }

    /// Returns the databases if all of them are set up and proven already. Unless this is a dry run, databases without a
    /// stamp get this checkout's.
    async fn ready(&self, settings: &Settings<'_>, dry_run: bool) -> Result<Option<Ready>> {
        let Context { workspace, reporter, .. } = self.context;
        if settings.new_file.is_some() || !matches!(self.choice, Choice::Auto | Choice::Running) {
            return Ok(None);
        }
        let claim = Record::claim(&workspace.root, false, settings.environment.clone());
        let ready = present::already_there(&settings.targets, self.patience, &claim, reporter, dry_run).await?;
        match ready {
            // This checkout's own server makes the roles that are missing.
            Some(ready) if ready.lacks_roles() && self.ladder().is_own(settings).await? => Ok(None),
            ready => Ok(ready),
        }
    }

    fn ladder(&self) -> Ladder<'_> {
        Ladder::new(self.context, self.choice, self.patience, self.share, self.offline)
    }

    /// Refuses to make or change anything on a host that isn't this machine, unless the user allowed it.
    fn refuse_remote(&self, settings: &Settings<'_>) -> Result<()> {
        let remote: Vec<_> = settings.urls().filter(|url| !url.address.is_loopback()).collect();
        let Some(first) = remote.first().filter(|_| !self.allow_remote) else { return Ok(()) };
        let names: Vec<_> = remote.iter().map(|url| format!("{} ({})", url.variable, url.address)).collect();
        Err(Problem::unavailable(
            Code::RemoteHost,
            format!("{} isn't this machine, and its databases aren't ready.", first.address.host),
        )
        .detail(format!("The host is named by {}. Nothing was made or changed there.", names.join(" and ")))
        .remedy("To set up databases there anyway: cargo xtask db-setup --allow-remote")
        .remedy("or change the URLs to localhost.")
        .into())
    }
}

/// How the work ended.
#[derive(PartialEq, Eq)]
enum Ended {
    Done,
    /// While this run waited, another checkout has made the databases, and this one may still take another port.
    TooLate,
}

/// The settings of a run that has something to do, and its steps that are under way.
struct Begun<'a> {
    settings: Settings<'a>,
    settings_step: Step<'a>,
    server_step: Step<'a>,
}

fn end_settings(step: Step<'_>, written: Written, settings: &Settings<'_>) {
    let variables = count(settings.required, "variable");
    match written {
        Written::Nothing => step.end(Outcome::Unchanged, &format!("{FILE} has all it needs: {variables}")),
        Written::Made => {
            step.end(Outcome::Done, &format!("{FILE} made from {CONTRACT}, with {variables}, readable by you only"));
        }
        Written::Changed => {
            let port = settings.first_url().address.port;
            step.end(Outcome::Done, &format!("{FILE} was still a copy of {CONTRACT}, and has port {port} now"));
        }
    }
}

/// Shows that everything was set up already.
fn end_ready(step: Step<'_>, ready: &Ready, settings: &Settings<'_>, reporter: &Reporter, is_sequel: bool) {
    step.end(Outcome::Unchanged, &format!("{} answers", ready.server));
    ready.show(&settings.targets, reporter);
    let stamped = ready.stamped.join(" and ");
    if is_sequel && stamped.is_empty() {
        return;
    }
    reporter.note(&if stamped.is_empty() {
        "There was nothing to do, and nothing was changed.".to_owned()
    } else {
        let belongs = if ready.stamped.len() == 1 { "it belongs" } else { "they belong" };
        format!("There was nothing to do, except to write down in {stamped} that {belongs} to this checkout.")
    });
}

fn end_server(step: Step<'_>, server: &Server) {
    let outcome = if server.provider == Provider::Running { Outcome::Unchanged } else { Outcome::Done };
    step.end(outcome, &server.describe());
}
