//! The checks on the way that db-setup takes: the settings, the server, the role, the databases. Each is asked only if the one
//! before it is well, as db-setup goes on only then.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::join_all;

use super::{Finding, Fix, Found};
use crate::context::Context;
use crate::database::foresee::{self, AtServer};
use crate::database::plan;
use crate::env_file::{CONTRACT, FILE, Settings};
use crate::problem::{Code, Problem, Problems};
use crate::report::{Reporter, count};
use crate::setup::{Outlook, Setup};

/// Takes the way as far as it goes.
pub(super) async fn take(context: Context<'_>, patience: Duration) -> Result<Vec<Found>> {
    let workspace = context.workspace;
    let mut found = vec![Found::new("files", files(context))];
    let mut problems = Problems::default();
    let mut settings = Settings::load(workspace, &mut problems);
    let is_well = workspace.wrong_files.0.is_empty() && problems.0.is_empty();
    found.push(Found::new("env", env(&settings, problems)));
    if !is_well {
        return Ok(found);
    }
    #[cfg(unix)]
    found.push(Found::new("port", super::listener::look(&settings.first_url().address, context.interrupt)?));

    #[cfg(not(unix))]
    found.push(Found::new("port", Finding::NotApplicable("this system isn't asked".to_owned())));

    // What db-setup would say on its way is a part of what was found.
    let said = Reporter::keeping();
    let context = Context { reporter: &said, ..context };
    let setup = Setup::new(context, patience);
    let outlook = match setup.outlook(&mut settings, &said.step("server")).await {
        Ok(outlook) => outlook,
        Err(error) => {
            found.push(Found::new("server", Finding::of(Err(error))?));
            return Ok(found);
        }
    };
    let server = match &outlook {
        Outlook::Ready(ready) => format!("{} answers", ready.server),
        Outlook::Server(server) => server.describe(),
        Outlook::ToStart(text) => {
            format!("db-setup would start PostgreSQL at {}, {text}", settings.first_url().address)
        }
    };
    found.push(Found::new("server", Finding::Well(with_notes(&server, &said))));
    if matches!(outlook, Outlook::ToStart(_)) {
        let none = || Finding::NotApplicable("unknown, because that server doesn't run yet".to_owned());
        found.extend(["role", "left-behind"].map(|code| Found::new(code, none())));
        found.extend(settings.targets.iter().map(|target| Found::of_database(&target.database.name, none())));
        return Ok(found);
    }
    let role = match foresee::servers(&settings.targets, patience).await {
        Ok(servers) => {
            found.push(Found::new("left-behind", left_behind(&servers)));
            Finding::Well(format!("{} may make and migrate databases there", settings.first_url().user))
        }
        Err(error) => Finding::of(Err(error))?,
    };
    if let Outlook::Ready(ready) = outlook {
        // Nothing is left to make there.
        found.push(Found::new("role", role.into_warning()));
        found.extend(ready.describe().map(|(name, what)| Found::of_database(name, Finding::Well(what))));
        return Ok(found);
    }
    let may_go_on = !matches!(role, Finding::Wrong(..));
    found.push(Found::new("role", role));
    if may_go_on {
        let looks = settings.targets.iter().map(async |target| {
            let outlook = foresee::database(target, patience, context).await;
            let finding = Finding::of(outlook.map(|outlook| Finding::Well(plan::describe(&outlook, target))))?;
            anyhow::Ok(Found::of_database(&target.database.name, finding))
        });
        for looked in join_all(looks).await {
            found.push(looked?);
        }
    }
    Ok(found)
}

fn files(context: Context<'_>) -> Finding {
    let workspace = context.workspace;
    if !workspace.wrong_files.0.is_empty() {
        return Finding::Wrong(workspace.wrong_files.clone(), None);
    }
    let migrations = workspace.databases.iter().map(|database| database.migrations.len()).sum();
    let databases = count(workspace.databases.len(), "database");
    Finding::Well(format!("{databases}, {}", count(migrations, "migration")))
}

fn env(settings: &Settings<'_>, problems: Problems) -> Finding {
    if !problems.0.is_empty() {
        return Finding::Wrong(problems, None);
    }
    let variables = count(settings.required, "variable");
    Finding::Well(if settings.new_file.is_some() {
        format!("there is no {FILE} yet: db-setup would make it from {CONTRACT}, with {variables}")
    } else {
        format!("{FILE} has all it needs: {variables}")
    })
}

fn left_behind(servers: &[AtServer]) -> Finding {
    let mut problems = Problems::default();
    let mut fix = None;
    for AtServer { busy, scratch, sessions } in servers {
        if let Some(holder) = busy {
            let what = format!("{holder} is setting up databases there now, and db-setup would wait for it.");
            problems.0.push(Problem::failed(Code::ServerBusy, what).remedy("Wait until that run ends, or stop it."));
        }
        if !scratch.is_empty() {
            let what = format!("Runs that were killed have left scratch databases: {}.", scratch.join(", "));
            let remedy = "The next db-setup drops them, and so does: cargo xtask doctor --fix";
            problems.0.push(Problem::failed(Code::LeftBehind, what).remedy(remedy));
            fix = Some(Fix::ScratchDatabases);
        }
        if *sessions > 0 {
            let what = format!("Runs that were killed have left {} in the databases.", count(*sessions, "session"));
            problems
                .0
                .push(Problem::failed(Code::LeftBehind, what).remedy("The next run ends them: cargo xtask db-setup"));
        }
    }
    if problems.0.is_empty() {
        return Finding::Well("no other run is at work, and nothing was left".to_owned());
    }
    Finding::Wrong(problems, fix)
}

/// Adds what db-setup would have said.
fn with_notes(what: &str, said: &Reporter) -> String {
    let notes = said.kept();
    let notes: Vec<_> = notes.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    [vec![what], notes].concat().join("\n")
}

impl Found {
    fn new(code: &'static str, finding: Finding) -> Self {
        Self { code, database: None, finding }
    }

    fn of_database(name: &str, finding: Finding) -> Self {
        Self { code: "database", database: Some(name.to_owned()), finding }
    }
}
