//! Compares a private cluster from nothing with initdb, pg_ctl and psql.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use url::Url;

use super::db_setup::{SUBJECT, migrate_with_psql, server_programs};
use super::{Setting, postgres_of};
use crate::bench::{Bench, free_port};
use crate::checkout::Checkout;
use crate::comparison::{Candidate, Comparison};
use crate::problem::Problem;
use crate::programs::{Postgres, decoded};

pub(super) fn measure(setting: &Setting<'_>) -> Result<()> {
    let (bench, checkout) = (setting.bench, setting.checkout("local")?);
    checkout.set_up("local")?;
    let postgres = postgres_of(&checkout)?;
    let (peer, missing) = match server_programs(&postgres) {
        Ok(programs) => (Some(Peer::make(&checkout, postgres, programs, bench)?), None),
        Err(missing) => (None, Some(missing)),
    };

    let attic = Attic { bench, count: Cell::new(0) };
    // Before each measurement, no other server runs, and the disk has nothing left to write.
    let rest = || {
        checkout.stop()?;
        checkout.forget(&attic.place())?;
        peer.as_ref().map_or(Ok(()), |peer| peer.forget(&attic))?;
        nix::unistd::sync();
        Ok(())
    };
    let db_setup = || vec![checkout.xtask(&["db-setup", "--quiet", "--server", "local"])];
    let mut candidates = vec![
        Candidate::commands("cargo xtask db-setup --server local, initdb cached", db_setup(), bench).prepared(rest),
        Candidate::commands("cargo xtask db-setup --server local, the first time", db_setup(), bench).prepared(|| {
            attic.take(&bench.folder.join("cache"))?;
            rest()
        }),
    ];
    if let Some(peer) = &peer {
        let name = "initdb, pg_ctl start, psql";
        candidates.push(Candidate::commands(name, peer.commands(&checkout)?, bench).peer().prepared(rest));
    }
    let comparison = setting.comparison((SUBJECT, "local"), "private cluster, from nothing", candidates);
    let missing = missing.into_iter().collect();
    Comparison { runs: setting.runs.unwrap_or(10), warmups: 1, missing, ..comparison }.make(setting.reporter)?;
    rest()
}

/// A folder for files whose deletion would keep the disk busy during a measurement.
struct Attic<'a> {
    bench: &'a Bench,
    count: Cell<u32>,
}

impl Attic<'_> {
    /// A path where no file exists.
    fn place(&self) -> PathBuf {
        self.count.set(self.count.get() + 1);
        self.bench.folder.join(format!("old-{}", self.count.get()))
    }

    fn take(&self, path: &Path) -> Result<()> {
        if !path.exists() {
            return Ok(());
        }
        fs::rename(path, self.place()).with_context(|| format!("{} can't be moved", path.display()))
    }
}

/// The same cluster, which the benchmarks make with PostgreSQL's own programs.
struct Peer<'a> {
    bench: &'a Bench,
    postgres: Postgres,
    initdb: PathBuf,
    pg_ctl: PathBuf,
    psql: PathBuf,
    /// The folder of the log and of `data`, where [`crate::keeper`] looks for a server.
    folder: PathBuf,
    user: String,
    port: u16,
}

impl<'a> Peer<'a> {
    fn make(
        checkout: &Checkout<'_>,
        postgres: Postgres,
        [initdb, pg_ctl, psql]: [PathBuf; 3],
        bench: &'a Bench,
    ) -> Result<Self> {
        let folder = bench.shell.create_dir(bench.folder.join("by-hand"))?;
        postgres.own(&folder)?;
        let urls = checkout.urls()?;
        let (_, url) = urls.first().ok_or_else(|| Problem::failed("The workspace has no database."))?;
        Ok(Self { bench, postgres, initdb, pg_ctl, psql, folder, user: decoded(url.username()), port: free_port()? })
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn commands(&self, checkout: &Checkout<'_>) -> Result<Vec<Command>> {
        let mut initdb = self.program(&self.initdb);
        initdb.arg("--pgdata").arg(self.data()).args(["--encoding", "UTF8", "--auth", "trust"]);
        initdb.args(["--username", &self.user]);
        let mut start = self.program(&self.pg_ctl);
        let options = format!("-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories=", self.port);
        start.arg("-D").arg(self.data()).arg("-l").arg(self.folder.join("log")).args(["-w", "-o", &options, "start"]);
        let place = |url: &Url| {
            let mut url = url.clone();
            // This can fail only for a URL without a host, which xtask has refused before.
            let _ = url.set_port(Some(self.port));
            let _ = url.set_username(&self.user);
            url
        };
        let mut commands = vec![initdb, start];
        commands.extend(migrate_with_psql(checkout, &self.psql, self.bench, place)?);
        Ok(commands)
    }

    /// Stops the server, and moves its data away.
    fn forget(&self, attic: &Attic<'_>) -> Result<()> {
        if self.data().join("postmaster.pid").exists() {
            let mut stop = self.program(&self.pg_ctl);
            stop.arg("-D").arg(self.data()).args(["-m", "fast", "-w", "stop"]);
            self.bench.measure(&mut stop)?;
        }
        attic.take(&self.data())
    }

    fn program(&self, program: &Path) -> Command {
        let mut command = Command::from(self.bench.shell.cmd(program));
        command.current_dir(&self.folder);
        self.postgres.as_account(command)
    }
}
