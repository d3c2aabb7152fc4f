//! sqlx's offline data: the description of each query for sqlx's macros, so that a checkout builds without a database.
//!
//! One `cargo check` of the packages that have a database makes the data. It uses freshly migrated scratch databases,
//! never a live one. In this check, cargo calls this program instead of rustc, so that each package's data is written
//! to its own folder. That also keeps the output of this check apart from the output of all other builds.

mod packages;
mod touch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use futures_util::future::join_all;
use serde::Deserialize;
use similar::TextDiff;

use self::packages::{Package, packages};
use self::touch::Touched;
use crate::compiler;
use crate::connection::session;
use crate::context::Context;
use crate::database::cancel::cancel;
use crate::database::scratch::{self, Holder};
use crate::interrupt;
use crate::problem::{Code, Problem, Problems};
use crate::process::Child;
use crate::runtime::{self, wait_for};
use crate::target::Target;

/// The folder in which each package keeps its data.
const FOLDER: &str = ".sqlx";

/// The folder for fresh data, below the target folder.
const FRESH: &str = "xtask/queries";
/// The variable with the folder for fresh data. It is set when cargo calls this program instead of rustc.
const VARIABLE: &str = "XTASK_QUERY_DATA";

/// How long cargo may take. With an empty target folder, it compiles all dependencies first.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// The command that regenerates the data.
const WRITE: &str = "cargo xtask db-prepare";

/// The data of one package: file names with their texts.
type Data = BTreeMap<String, String>;

/// Compares the committed data with fresh data. Returns a few words about the comparison.
///
/// # Errors
/// The data of a query differs, or fresh data can't be made.
pub(crate) fn check(context: Context<'_>, allow_remote: bool) -> Result<String> {
    let fresh = make(context, allow_remote, "cargo xtask ci")?;
    let mut problems = Problems::default();
    let mut count = 0;
    for (package, fresh) in &fresh {
        count += fresh.len();
        problems.0.extend(differences(&context.workspace.root, package, fresh)?);
    }
    problems.into_result()?;
    Ok(match (fresh.len(), count) {
        (0, _) => "no package with a database uses sqlx".to_owned(),
        (_, 0) => "there is no checked query".to_owned(),
        (packages, count) => format!("the data of {count} queries in {packages} packages is current"),
    })
}

/// Replaces the committed data with fresh data. Returns a line for each file that was written or deleted.
///
/// # Errors
/// A query doesn't compile, or a file can't be written.
pub(crate) fn write(context: Context<'_>, allow_remote: bool) -> Result<Vec<String>> {
    let root = &context.workspace.root;
    let mut done = Vec::new();
    for (package, fresh) in make(context, allow_remote, WRITE)? {
        let folder = package.dir.join(FOLDER);
        let committed = read(&root.join(&folder))?;
        let failed = |error: std::io::Error| Problem::unwritable(&folder, &error);
        for (name, text) in fresh.iter().filter(|(name, text)| committed.get(*name) != Some(*text)) {
            std::fs::create_dir_all(root.join(&folder)).map_err(failed)?;
            std::fs::write(root.join(&folder).join(name), text).map_err(failed)?;
            done.push(format!("written: {}", folder.join(name).display()));
        }
        for name in committed.keys().filter(|name| !fresh.contains_key(*name)) {
            std::fs::remove_file(root.join(&folder).join(name)).map_err(failed)?;
            done.push(format!("deleted: {}, because its query is gone", folder.join(name).display()));
        }
    }
    Ok(done)
}

/// Makes fresh data for each package.
fn make(context: Context<'_>, allow_remote: bool, command: &str) -> Result<Vec<(Package, Data)>> {
    let (packages, folder) = packages(context)?;
    if packages.is_empty() {
        return Ok(Vec::new());
    }
    let targets = scratch::targets(&context, allow_remote, command)?;
    let run = session::name_of_run(session::READER);
    let result = with_scratch(context, &targets, &run, |variables| compile(context, &folder, &packages, variables));
    if result.as_ref().is_err_and(interrupt::is_interruption) {
        return Err(wait_for(async { Ok(cancel(&targets, &run).await) })?.into());
    }
    let data = result?;
    Ok(packages.into_iter().zip(data).collect())
}

/// The variable of a database's URL, with the URL of its scratch database.
type Variable<'t> = (&'t str, String);

/// Calls `work` with a freshly migrated scratch database for each database.
fn with_scratch<T>(
    context: Context<'_>,
    targets: &[Target<'_>],
    run: &str,
    work: impl FnOnce(&[Variable<'_>]) -> Result<T>,
) -> Result<T> {
    let runtime = runtime::new()?;
    let make = targets.iter().map(async |target| {
        let mut holder = Holder::create(target, run).await?;
        let migrated = holder.watched(async |scratch| scratch.migrated().await).await;
        Ok::<_, anyhow::Error>((holder, migrated))
    });
    let made = runtime.block_on(context.interrupt.guard(async { Ok(join_all(make).await) }))?;
    let (mut holders, mut problems) = (Vec::new(), Problems::default());
    for one in made {
        let migrated = one.and_then(|(holder, migrated)| {
            holders.push(holder);
            migrated
        });
        match migrated {
            Ok(connection) => runtime.block_on(session::close(connection)),
            Err(error) => problems.0.extend(Problems::of(error).0),
        }
    }
    let result = if problems.0.is_empty() {
        work(&holders.iter().map(|holder| holder.scratch.variable()).collect::<Vec<_>>())
    } else {
        Err(problems.into())
    };
    let discarded = runtime.block_on(join_all(holders.into_iter().map(Holder::discard)));
    runtime.shutdown_background();
    let done = result?;
    discarded.into_iter().collect::<Result<Vec<()>>>()?;
    Ok(done)
}

/// Compiles the packages in the target folder `folder`, with the variable of each database set to its scratch database.
fn compile(context: Context<'_>, folder: &Path, packages: &[Package], variables: &[Variable<'_>]) -> Result<Vec<Data>> {
    let home = folder.join(FRESH);
    let sources = packages.iter().flat_map(|package| &package.sources);
    let _touched = Touched::new(&home.join("lock"), sources, context.interrupt)?;
    let fresh = home.join(std::process::id().to_string());
    drop(std::fs::remove_dir_all(&fresh));
    let data = compile_into(&fresh, context, packages, variables);
    drop(std::fs::remove_dir_all(&fresh));
    data
}

fn compile_into(
    fresh: &Path,
    context: Context<'_>,
    packages: &[Package],
    variables: &[Variable<'_>],
) -> Result<Vec<Data>> {
    let root = &context.workspace.root;
    let mut check = Child::cargo(DEADLINE).dir(root).args(["check"]);
    for package in packages {
        check = check.args(["--package", &package.name]);
    }
    check = check.args(["--all-targets", "--message-format", "json"]);
    check = check.env("CARGO_TERM_COLOR", "never").env("SQLX_OFFLINE", "false").env(VARIABLE, fresh);
    check = check.env("RUSTC_WORKSPACE_WRAPPER", this_program()?);
    for (variable, url) in variables {
        check = check.env(variable, url);
    }
    let ended = check.run(context.interrupt)?;
    if !ended.status.success() {
        let mut found = compiler::read(&ended.stdout, &ended.stderr);
        context.reporter.note(found.text.trim_end());
        if found.problems.0.is_empty() {
            found.problems.0.push(Problem::failed(Code::CompileError, format!("`{check}` failed ({}).", ended.status)));
        }
        return Err(found.problems.into());
    }
    let data = |package: &Package| {
        let folder = fresh.join(&package.name);
        // The folder exists for each package that was compiled. Without it, nothing was measured.
        if !folder.is_dir() {
            let what = format!("{} wasn't compiled, so nothing is known about its queries.", package.name);
            return Err(Problem::failed(Code::CompileError, what)
                .remedy("Run it again while no other program compiles this package: cargo xtask db-prepare")
                .into());
        }
        read(&folder)
    };
    packages.iter().map(data).collect()
}

/// Reads the data in a folder. A missing folder has no data.
fn read(folder: &Path) -> Result<Data> {
    let failed = |error: std::io::Error| Problem::unreadable(folder, &error);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Data::new()),
        Err(error) => return Err(failed(error).into()),
    };
    let mut data = Data::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("query-") && name.ends_with(".json") {
            let text = std::fs::read_to_string(entry.path()).map_err(failed)?;
            // Git may have checked the file out with CRLF.
            data.insert(name, text.replace("\r\n", "\n"));
        }
    }
    Ok(data)
}

/// The differences between a package's committed data and its fresh data.
fn differences(root: &Path, package: &Package, fresh: &Data) -> Result<Vec<Problem>> {
    let committed = read(&root.join(package.dir.join(FOLDER)))?;
    let mut problems = Vec::new();
    for (name, new) in fresh {
        let file = package.dir.join(FOLDER).join(name);
        match committed.get(name) {
            Some(old) if old == new => {}
            Some(old) => problems.push(changed(file, old, new)),
            None => problems.push(missing(root, package, &query_of(new))),
        }
    }
    for (name, old) in committed.iter().filter(|(name, _)| !fresh.contains_key(*name)) {
        let what = format!("{}: this is the data of a query that no longer exists.", package.name);
        let file = package.dir.join(FOLDER).join(name);
        problems.push(Problem::failed(Code::QueriesStale, what).at(file, 1, None).details(lines_of(&query_of(old))));
    }
    if let Some(last) = problems.last_mut() {
        last.remedies.push(format!("Regenerate the data, look at the change, and commit it: {WRITE}"));
    }
    Ok(problems)
}

fn changed(file: PathBuf, old: &str, new: &str) -> Problem {
    let same = old.lines().zip(new.lines()).take_while(|(old, new)| old == new).count();
    let difference = TextDiff::from_lines(old, new);
    let difference =
        difference.unified_diff().context_radius(3).header("committed", "the query on today's schema").to_string();
    Problem::failed(
        Code::QueriesStale,
        "The query's committed data differs from the database's description of the query.",
    )
    .at(file, same + 1, None)
    .details(lines_of(&query_of(new)))
    .details(lines_of(&difference))
}

/// The problem of a query without data. The place is found by the query's text in the package's source. A query that a
/// macro builds can't be found there.
fn missing(root: &Path, package: &Package, query: &str) -> Problem {
    let problem = Problem::failed(Code::QueriesStale, format!("{}: this query has no data in {FOLDER}.", package.name))
        .details(lines_of(query));
    let first = query.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let is_source = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs" || extension == "sql");
    let pattern = format!("{}/**/*", glob::Pattern::escape(&root.join(&package.dir).to_string_lossy()));
    let files = glob::glob(&pattern).into_iter().flatten().flatten().filter(is_source);
    let place = files.filter_map(|file| {
        let line = std::fs::read_to_string(&file).ok()?.lines().position(|line| line.contains(first))?;
        Some((file.strip_prefix(root).map(Path::to_owned).unwrap_or(file), line + 1))
    });
    match place.min() {
        Some((file, line)) => problem.at(file, line, None),
        None => problem.at(package.dir.join("Cargo.toml"), 1, None),
    }
}

fn lines_of(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// The SQL in a file of offline data.
fn query_of(text: &str) -> String {
    #[derive(Deserialize)]
    struct File {
        query: String,
    }
    serde_json::from_str(text).map_or_else(|_| String::new(), |File { query }| query)
}

/// The path of this program. Cargo may have replaced the file with a newer one since the start of this process.
fn this_program() -> Result<PathBuf> {
    let path = std::env::current_exe()?;
    let name = path.to_string_lossy();
    Ok(name.strip_suffix(" (deleted)").map_or_else(|| path.clone(), PathBuf::from))
}

/// Runs rustc with the folder for the package's data, if cargo started this process instead of rustc.
/// <https://doc.rust-lang.org/cargo/reference/config.html#buildrustc-workspace-wrapper>
pub(crate) fn rustc_wrapper() -> Option<ExitCode> {
    let folder = PathBuf::from(std::env::var_os(VARIABLE)?);
    let mut args = std::env::args_os().skip(1);
    let mut rustc = std::process::Command::new(args.next()?);
    rustc.args(args);
    if let Some(package) = std::env::var_os("CARGO_PKG_NAME") {
        let folder = folder.join(package);
        if let Err(error) = std::fs::create_dir_all(&folder) {
            eprintln!("{} can't be made: {error}.", folder.display());
            return Some(ExitCode::FAILURE);
        }
        rustc.env("SQLX_OFFLINE_DIR", folder);
    }
    Some(match rustc.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("rustc can't be run: {error}.");
            ExitCode::FAILURE
        }
    })
}
