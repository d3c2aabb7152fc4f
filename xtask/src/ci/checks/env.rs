//! The check of the settings' contract: the program accepts it, it holds no real credential, and git doesn't know `.env`.

use anyhow::Result;

use super::credential::looks_real;
use super::{Passed, Setting};
use crate::ci::command::CommandLine;
use crate::env_file::{self, CONTRACT, Contract, FILE, secrecy};
use crate::problem::{Code, Problem, Problems};

pub(super) fn check(settings_check: Option<&CommandLine>, setting: &Setting<'_>) -> Result<Passed> {
    let root = &setting.context.workspace.root;
    let mut problems = Problems::default();
    let Some(Contract { values, problems: wrong }) = env_file::contract(root)? else {
        return Ok(Passed::InPart(format!("there is no {CONTRACT}")));
    };
    problems.0.extend(wrong);
    for url in
        setting.context.workspace.url_variables().iter().filter(|url| !values.iter().any(|value| value.name == **url))
    {
        problems.0.push(
            Problem::failed(Code::ContractWrong, format!("{CONTRACT} has no {url}, which a sqlx.toml names."))
                .at(CONTRACT, 1, None)
                .remedy(format!("Add a line to {CONTRACT}: {url}=postgres://USER:PASSWORD@localhost:5432/DATABASE")),
        );
    }
    for value in &values {
        problems.0.extend(real_credential(value));
    }
    let in_git = secrecy::in_git(root, setting.context.interrupt).or_else(|error| {
        problems.0.push(error.downcast()?);
        anyhow::Ok(Some(()))
    })?;
    problems.0.extend(secrecy::open_to_others(root));
    if let Some(settings_check) = settings_check {
        let printed = settings_check.run(setting)?;
        if !printed.problems.0.is_empty() {
            problems.0.push(
                Problem::failed(Code::ContractWrong, format!("{CONTRACT} doesn't satisfy the settings."))
                    .at(CONTRACT, 1, None)
                    .details(printed.text.trim().lines().map(str::to_owned))
                    .remedy(format!("`{settings_check}` says the same.")),
            );
        }
    }
    problems.into_result()?;
    let mut what = format!("{CONTRACT} has {} harmless values", values.len());
    match settings_check {
        Some(_) => what.push_str(" that satisfy the settings"),
        None => what.push_str("; no settings to satisfy: Cargo.toml has no [workspace.metadata.xtask] env-check"),
    }
    if in_git.is_none() {
        return Ok(Passed::InPart(format!("{what}; this is no git checkout, so nothing was asked about {FILE}")));
    }
    Ok(Passed::With(what))
}

/// Reports a value that looks like a real credential. The value isn't shown, because it may be one.
fn real_credential(value: &env_file::Value) -> Option<Problem> {
    let env_file::Value { name, text, line } = value;
    let why = looks_real(text)?;
    Some(
        Problem::failed(Code::RealCredential, format!("{name} looks like a real credential: {why}."))
            .at(CONTRACT, *line, None)
            .detail(format!("{CONTRACT} is public; the value isn't shown here."))
            .remedy(
                "Revoke it if it's real, and put a made-up one in its place: test_…, or words with _ between them.",
            ),
    )
}
