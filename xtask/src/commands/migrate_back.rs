//! `cargo xtask migrate down` and `cargo xtask migrate redo`: take back what was applied, by the texts that were recorded then.
//!
//! What would be lost is found out in a transaction that is rolled back. Then the user is asked, without any lock, and the same
//! is done again, if it would still lose no more than that.

use anyhow::Result;

use crate::cli::{MigrateDown, MigrateRedo, TakeBackOptions};
use crate::connection::session;
use crate::context::Context;
use crate::database::cancel::cancel;
use crate::database::converge::Goal;
use crate::database::take_back::{Back, Ended, TakeBack};
use crate::env_file::Settings;
use crate::interrupt;
use crate::problem::{Code, Problem};
use crate::question;
use crate::server::{Choice, Ladder, Record, own_server};
use crate::target::Target;

/// Runs `migrate down`. Returns lines that say what to type next.
pub(crate) async fn down(options: &MigrateDown, context: Context<'_>) -> Result<Vec<String>> {
    let MigrateDown { database, to, how } = options;
    let work = Work { context, database, back: to.map_or(Back::Newest, Back::After), again: false, how };
    work.run("migrate down").await
}

/// Runs `migrate redo`. Returns lines that say what to type next.
pub(crate) async fn redo(options: &MigrateRedo, context: Context<'_>) -> Result<Vec<String>> {
    let MigrateRedo { database, from, how } = options;
    let back = from.map_or(Back::Newest, |version| Back::After(version - 1));
    Work { context, database, back, again: true, how }.run("migrate redo").await
}

/// What the user has asked for.
struct Work<'a> {
    context: Context<'a>,
    database: &'a str,
    back: Back,
    again: bool,
    how: &'a TakeBackOptions,
}

impl Work<'_> {
    async fn run(&self, command: &str) -> Result<Vec<String>> {
        let Self { context, back, again, how, .. } = *self;
        let (root, patience) = (context.workspace.root.as_path(), how.timeout);
        let wanted = &context.workspace.database(self.database)?.name;
        let settings = Settings::of(context.workspace)?;
        let targets: Vec<_> =
            settings.targets.iter().filter(|target| target.database.name == *wanted).cloned().collect();
        let Some(target) = targets.first() else { return Ok(Vec::new()) };
        let own_way = own_server(&settings, &target.url.address);
        let is_own = Ladder::new(context, Choice::Running, patience, false, true).is_own(&settings).await?;
        let claim = Record::claim(root, is_own, settings.environment.clone());
        let run = session::name_of_run(session::MIGRATOR);
        let goal = Goal {
            context,
            targets: &targets,
            command,
            run: &run,
            patience,
            claim: &claim,
            own_way: &own_way,
            accept_stale_file: false,
        };
        let take_back = TakeBack { goal, back, again };
        self.refuse_remote(target, &take_back.line())?;

        let ended = context.interrupt.guard(self.until_agreed(&take_back)).await;
        if ended.as_ref().is_err_and(interrupt::is_interruption) {
            return Err(cancel(&targets, &run)
                .await
                .detail(
                    "What is one transaction is done as a whole, or not at all. A file that says -- no-transaction may be done \
                     in part, and the history says so.",
                )
                .remedy("See what state the database is in: cargo xtask db-verify")
                .into());
        }
        self.next_lines(ended?, &take_back)
    }

    /// Takes back what loses nothing, or what the user agrees to lose.
    async fn until_agreed(&self, take_back: &TakeBack<'_>) -> Result<Ended> {
        let TakeBackOptions { yes, dry_run, .. } = *self.how;
        let mut agreed: Vec<String> = Vec::new();
        loop {
            let ended = take_back.run(|lost| !dry_run && (yes || lost.iter().all(|one| agreed.contains(one)))).await?;
            let Ended::Refused { back, lost } = ended else { return Ok(ended) };
            if dry_run || !self.asks(&back, &lost, take_back)? {
                return Ok(Ended::Refused { back, lost });
            }
            agreed = lost;
        }
    }

    /// Asks the user. Returns whether the answer is yes.
    fn asks(&self, back: &[String], lost: &[String], take_back: &TakeBack<'_>) -> Result<bool> {
        let Context { reporter, interrupt, .. } = self.context;
        if reporter.can_ask() {
            reporter.note(&format!("Taking back {} loses:", back.join(", ")));
            lost.iter().for_each(|lost| reporter.note(&format!("  {lost}")));
        }
        match question::agrees("It can't be undone.", reporter, interrupt)? {
            Some(agrees) => Ok(agrees),
            None => Err(self.not_confirmed(back, lost, take_back).into()),
        }
    }

    fn not_confirmed(&self, back: &[String], lost: &[String], take_back: &TakeBack<'_>) -> Problem {
        let what = format!("{}: taking back {} would lose rows, and nobody was asked.", self.database, back.join(", "));
        Problem::failed(Code::NotConfirmed, what)
            .details(lost.iter().cloned())
            .detail("Nothing was changed.")
            .remedy(format!("If nobody needs that any more: {} --yes", take_back.line()))
    }

    fn next_lines(&self, ended: Ended, take_back: &TakeBack<'_>) -> Result<Vec<String>> {
        let reporter = self.context.reporter;
        Ok(match ended {
            Ended::Nothing => vec!["Nothing was changed.".into()],
            Ended::Refused { back, lost } if self.how.dry_run => {
                reporter.note(&format!("Would take back {}.", back.join(", ")));
                lost.iter().for_each(|lost| reporter.note(&format!("  It would lose {lost}.")));
                vec!["Nothing was done: this was a dry run.".into()]
            }
            Ended::Refused { back, lost } => {
                return Err(Problem {
                    what: format!("{}: nothing was taken back, because the answer wasn't yes.", self.database),
                    ..self.not_confirmed(&back, &lost, take_back)
                }
                .into());
            }
            Ended::Done { pending } if !pending.is_empty() => {
                vec![format!("Next: cargo xtask db-setup    applies {} again", pending.join(", "))]
            }
            Ended::Done { .. } => Vec::new(),
        })
    }

    /// Refuses a host that isn't this machine, unless the user allowed it.
    fn refuse_remote(&self, target: &Target<'_>, line: &str) -> Result<(), Problem> {
        let url = &target.url;
        if url.address.is_loopback() || self.how.allow_remote {
            return Ok(());
        }
        let what =
            format!("{} ({}) isn't this machine, so nothing was taken back there.", url.address.host, url.variable);
        Err(Problem::unavailable(Code::RemoteHost, what)
            .remedy(format!("To do it there anyway: {line} --allow-remote")))
    }
}
