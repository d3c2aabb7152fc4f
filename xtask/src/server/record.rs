//! The record of the server that this checkout's databases are on. The next run uses the same server again, because the
//! data is there. It also keeps the names that the checkout has outside its own folder, which a checkout keeps when it
//! is moved.

use std::io;
use std::path::{Path, PathBuf};

use super::{Provider, Rung};
use crate::checkout;
use crate::database_url::Address;
use crate::problem::{Code, Problem};
use crate::stamp::Claim;

/// The file, in the folder of the checkout's state. It has a line for each value: `key=value`.
const FILE: &str = "server";

/// What is known about this checkout's servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// The provider of the server that the databases are on, after the first `db-setup` that succeeded.
    pub(crate) uses: Option<Provider>,
    /// The address of a server that this program didn't start.
    running: Option<String>,
    /// The name of the compose project.
    compose: Option<String>,
    /// The folder of the private cluster, if it isn't in the folder of the checkout's state.
    local: Option<PathBuf>,
    /// Whether fetched binaries run the private cluster. Others of the same version may lack what its databases use.
    pub(super) is_fetched: bool,
    /// The checkouts whose databases this one shares on purpose.
    shares: Vec<PathBuf>,
}

impl Record {
    /// Reads the record. It is empty if there is none, or if it came with a copy of another checkout's folder.
    pub(crate) fn read(root: &Path) -> Self {
        let text = std::fs::read_to_string(checkout::state_dir(root).join(FILE)).unwrap_or_default();
        let provider = |name: &str| {
            [Provider::Running, Provider::Compose, Provider::Local].into_iter().find(|provider| provider.name() == name)
        };
        let mut record = Self::default();
        for line in text.lines() {
            match line.split_once('=') {
                Some(("uses", name)) => record.uses = provider(name),
                Some(("running", address)) => record.running = Some(address.to_owned()),
                Some(("compose", project)) => record.compose = Some(project.to_owned()),
                Some(("local", folder)) => record.local = Some(folder.into()),
                Some(("binaries", source)) => record.is_fetched = source == Rung::Fetched.name(),
                Some(("shares", folder)) => record.shares.push(folder.into()),
                Some(("checkout", folder)) if is_another_checkout(Path::new(folder), root) => return Self::default(),
                Some(_) => {}
                // An older version of this program wrote the provider's name alone.
                None => record.uses = provider(line.trim()),
            }
        }
        if record.uses == Some(Provider::Compose) && record.compose.is_none() {
            record.compose = Some(checkout::unique_name(root));
        }
        record
    }

    /// Changes the record. If nothing is different then, nothing is written.
    fn update(root: &Path, change: impl FnOnce(&mut Self)) -> Result<(), Problem> {
        let before = Self::read(root);
        let mut after = before.clone();
        change(&mut after);
        if after == before { Ok(()) } else { after.write(root) }
    }

    fn write(&self, root: &Path) -> Result<(), Problem> {
        let failed = |error: &dyn std::fmt::Display| {
            Problem::failed(
                Code::StateFolder,
                format!("{} can't be written: {error}.", checkout::state_dir(root).join(FILE).display()),
            )
        };
        let dir = checkout::make_state_dir(root).map_err(|error| failed(&error))?;
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let values = [
            ("uses", self.uses.map(|provider| provider.name().to_owned())),
            ("running", self.running.clone()),
            ("compose", self.compose.clone()),
            ("local", self.local.as_ref().map(|folder| folder.display().to_string())),
            ("binaries", self.is_fetched.then(|| Rung::Fetched.name().to_owned())),
            ("checkout", Some(root.display().to_string())),
        ];
        let lines = values.into_iter().filter_map(|(key, value)| Some(format!("{key}={}\n", value?)));
        let shares = self.shares.iter().map(|folder| format!("shares={}\n", folder.display()));
        let text: String = lines.chain(shares).collect();
        // A run that is killed leaves the old record or the new one.
        let aside = dir.join(format!("{FILE}-{}", std::process::id()));
        let written: io::Result<()> =
            std::fs::write(&aside, text).and_then(|()| std::fs::rename(&aside, dir.join(FILE)));
        written.map_err(|error| failed(&error))
    }

    /// Writes down that the databases are on this server.
    ///
    /// # Errors
    /// The file can't be written.
    pub(crate) fn use_server(root: &Path, provider: Provider, address: &Address) -> Result<(), Problem> {
        Self::update(root, |record| {
            record.uses = Some(provider);
            record.running = (provider == Provider::Running).then(|| address.to_string());
        })
    }

    /// Forgets a provider whose data is gone. The file goes when nothing else is in it.
    ///
    /// # Errors
    /// The file can't be written or removed.
    pub(crate) fn forget(root: &Path, provider: Provider) -> Result<(), Problem> {
        Self::update(root, |record| {
            if provider == Provider::Compose {
                record.compose = None;
            } else {
                record.local = None;
                record.is_fetched = false;
            }
            if record.uses == Some(provider) {
                record.uses = None;
            }
        })?;
        let path = checkout::state_dir(root).join(FILE);
        if Self::read(root) == Self::default() && path.exists() {
            std::fs::remove_file(&path).map_err(|error| Problem::unwritable(&path, &error))?;
        }
        Ok(())
    }

    /// Writes down that this checkout shares the databases of others.
    ///
    /// # Errors
    /// The file can't be written.
    pub(crate) fn share(root: &Path, others: impl IntoIterator<Item = PathBuf>) -> Result<(), Problem> {
        Self::update(root, |record| {
            for other in others {
                if !record.shares.contains(&other) {
                    record.shares.push(other);
                }
            }
        })
    }

    /// Says which databases this checkout takes for its own.
    pub(crate) fn claim(root: &Path, owns_server: bool, environment: Option<String>) -> Claim {
        let checkout = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        Claim { checkout, shares: Self::read(root).shares, owns_server, environment }
    }

    /// The rung of the ladder that leads to the databases.
    pub(crate) fn rung(&self) -> Option<Rung> {
        Some(match self.uses? {
            Provider::Running => Rung::Running,
            Provider::Compose => Rung::Compose,
            Provider::Local => self.cluster_rung(),
        })
    }

    /// The rung that has the binaries of the private cluster.
    pub(crate) fn cluster_rung(&self) -> Rung {
        if self.is_fetched { Rung::Fetched } else { Rung::Local }
    }

    /// Whether the databases are on a server at that address that this program didn't start.
    pub(crate) fn uses_running(&self, address: &Address) -> bool {
        self.uses == Some(Provider::Running) && self.running.as_ref() == Some(&address.to_string())
    }

    /// The address of the server that this program didn't start.
    pub(crate) fn running_at(&self) -> &str {
        self.running.as_deref().unwrap_or("its address")
    }

    /// The name of the compose project. It tells the containers and the volumes of two checkouts apart, even if their
    /// folders have the same name.
    pub(crate) fn project(&self, root: &Path) -> String {
        self.compose.clone().unwrap_or_else(|| checkout::unique_name(root))
    }

    /// Whether a container may have been made for this checkout.
    pub(crate) fn has_project(&self) -> bool {
        self.compose.is_some()
    }

    /// Writes down the name of the compose project, before anything of that name is made.
    ///
    /// # Errors
    /// The file can't be written.
    pub(crate) fn keep_project(root: &Path, project: &str) -> Result<(), Problem> {
        Self::update(root, |record| record.compose = Some(project.to_owned()))
    }

    /// The folder of the private cluster, if it isn't in the folder of the checkout's state.
    pub(crate) fn cluster(&self) -> Option<&Path> {
        self.local.as_deref()
    }

    /// Writes down the folder of the private cluster, and where its binaries come from, before it is made or started.
    ///
    /// # Errors
    /// The file can't be written.
    pub(crate) fn keep_cluster(root: &Path, folder: &Path, is_fetched: bool) -> Result<(), Problem> {
        let outside = !folder.starts_with(checkout::state_dir(root));
        Self::update(root, |record| {
            record.local = outside.then(|| folder.to_owned());
            record.is_fetched = is_fetched;
        })
    }
}

/// Whether the record belongs to a checkout in `folder`, which still has it. Then `root` is a copy of that checkout, and
/// not the same one in another place.
fn is_another_checkout(folder: &Path, root: &Path) -> bool {
    let same = match (folder.canonicalize(), root.canonicalize()) {
        (Ok(folder), Ok(root)) => folder == root,
        _ => false,
    };
    !same && checkout::state_dir(folder).join(FILE).exists() && !checkout::state_dir_is_chosen()
}
