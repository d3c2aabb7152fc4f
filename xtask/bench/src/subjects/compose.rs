//! Compares a server in a container with `docker compose up --wait`.

use std::process::Command;

use anyhow::Result;
use xshell::cmd;

use super::Setting;
use super::db_setup::SUBJECT;
use crate::bench::Bench;
use crate::checkout::Checkout;
use crate::comparison::{Candidate, Comparison};
use crate::keeper::{COMPOSE_WAS_USED, project_prefix};
use crate::problem::Problem;
use crate::programs;

pub(super) fn measure(setting: &Setting<'_>) -> Result<()> {
    let bench = setting.bench;
    if which::which("docker").is_err() || !bench.end(cmd!(bench.shell, "docker compose version"))?.status.success() {
        return Err(Problem::unavailable("Docker with its compose plugin isn't installed here")
            .remedy("Install it: https://docs.docker.com/get-started/get-docker/")
            .into());
    }
    let prefix = project_prefix(&bench.folder);
    let checkout = setting.checkout(prefix.trim_end_matches('-'))?;
    // This call reports why the user can't reach Docker's engine, before any container exists that has to be removed.
    checkout.ask(&["db-setup", "--server", "compose", "--dry-run"], &[0])?;
    bench.shell.write_file(bench.folder.join(COMPOSE_WAS_USED), "")?;
    checkout.set_up("compose")?;
    let compose = Compose::of(&checkout, bench)?;

    let ours = || vec![checkout.xtask(&["db-setup", "--quiet", "--server", "compose"])];
    let (our_name, peer_name) = ("cargo xtask db-setup --server compose", "docker compose up -d --wait (no databases)");
    let up = || vec![compose.command(&["up", "-d", "--wait"])];
    let empty = || bench.measure(&mut compose.command(&["down", "--volumes"])).map(drop);
    let stopped = || {
        checkout.set_up("compose")?;
        bench.measure(&mut compose.command(&["stop"])).map(drop)
    };
    let runs = setting.runs.unwrap_or(5);

    let candidates = vec![
        Candidate::commands(our_name, ours(), bench).prepared(empty),
        Candidate::commands(peer_name, up(), bench).prepared(empty).peer(),
    ];
    let comparison = setting.comparison((SUBJECT, "compose"), "compose, from nothing", candidates);
    Comparison { runs, ..comparison }.make(setting.reporter)?;

    let candidates = vec![
        Candidate::commands(our_name, ours(), bench).prepared(stopped),
        Candidate::commands(peer_name, up(), bench).prepared(stopped).peer(),
    ];
    let comparison = setting.comparison((SUBJECT, "compose-stopped"), "compose, container stopped", candidates);
    Comparison { runs, ..comparison }.make(setting.reporter)?;
    empty()
}

/// Calls `docker compose` for the project that xtask has made.
struct Compose<'a> {
    bench: &'a Bench,
    checkout: &'a Checkout<'a>,
    project: String,
    /// The variables that compose.yaml reads.
    env: [(&'static str, String); 3],
}

impl<'a> Compose<'a> {
    fn of(checkout: &'a Checkout<'a>, bench: &'a Bench) -> Result<Self> {
        let filter = format!("label=com.docker.compose.project.working_dir={}", checkout.root.display());
        let format = "{{.Label \"com.docker.compose.project\"}}";
        let projects = bench.read(cmd!(bench.shell, "docker ps --filter {filter} --format {format}"))?;
        let project =
            projects.lines().next().ok_or_else(|| Problem::failed("Docker shows no container of the benchmarks."))?;
        let urls = checkout.urls()?;
        let (_, url) = urls.first().ok_or_else(|| Problem::failed("The workspace has no database."))?;
        let env = [
            ("POSTGRES_USER", programs::decoded(url.username())),
            ("POSTGRES_PASSWORD", programs::decoded(url.password().unwrap_or_default())),
            ("POSTGRES_PORT", programs::port(url)),
        ];
        Ok(Self { bench, checkout, project: project.to_owned(), env })
    }

    fn command(&self, words: &[&str]) -> Command {
        let project = &self.project;
        let env = self.env.iter().map(|(name, value)| (name, value));
        // `.env` is written for the workspace's programs. Compose might not be able to read it.
        let empty = self.checkout.root.join(".xtask/empty.env");
        let command = cmd!(self.bench.shell, "docker compose --env-file {empty} --project-name {project}");
        self.checkout.at_root(command.args(["--file", "compose.yaml"]).args(words).envs(env))
    }
}
