//! Temporary checkouts.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::PgConnectOptions;

use super::fixture::{self, PASSWORD, ROLE};
use super::process::user;
use super::reaper::Folder;
use super::run::{Invocation, Outcome, whole_path};
use super::server::{ADMIN_PASSWORD, Server, binaries};
use super::{cleanup, free_port, is_root, set_mode, sql, template};

/// The kind of files in a checkout.
#[derive(Clone, Copy, PartialEq)]
enum Content {
    Generic,
    Repository,
}

/// The options of a checkout.
pub(crate) struct Builder {
    content: Content,
    folder: &'static str,
    closed_home: bool,
    filled_cache: bool,
    owner: Option<&'static str>,
}

impl Builder {
    /// Sets the name of the checkout's folder. A unique suffix is added to it.
    pub(crate) fn folder(mut self, name: &'static str) -> Self {
        self.folder = name;
        self
    }

    /// Puts the checkout below a folder that only its owner may enter.
    pub(crate) fn below_closed_home(mut self) -> Self {
        self.closed_home = true;
        self
    }

    /// Fills the cache of the runs, so that no run needs initdb. For tests that aren't about the first cluster.
    pub(crate) fn filled_cache(mut self) -> Self {
        self.filled_cache = true;
        self
    }

    /// Sets the user who owns the checkout and runs the program. Only root can do that.
    pub(crate) fn owner(mut self, name: &'static str) -> Self {
        assert!(is_root());
        self.owner = Some(name);
        self
    }

    /// Writes the checkout. Its URLs point to a free port of this machine.
    pub(crate) fn build(self) -> Workspace {
        let suffix = unique_suffix();
        let base = Folder::new("xtask-test-", &cleanup::script(&suffix));
        let parent = base.path().join(if self.closed_home { "closed home" } else { "projects" });
        let root = parent.join(format!("{}-{suffix}", self.folder));
        std::fs::create_dir_all(&root).unwrap();
        for folder in ["home", "cache", "bin", "empty", "tmp"] {
            std::fs::create_dir(base.path().join(folder)).unwrap();
        }
        set_mode(&base.path().join("tmp"), 0o1777);
        // The search path leads to PostgreSQL's programs only. A test that needs docker asks for it.
        for program in ["initdb", "postgres", "pg_ctl"] {
            std::os::unix::fs::symlink(binaries().join(program), base.path().join("bin").join(program)).unwrap();
        }
        let port = free_port();
        let workspace = Workspace {
            base,
            root,
            suffix,
            content: self.content,
            owner: self.owner,
            authority: RefCell::new(String::new()),
            login: RefCell::new(sql::options("127.0.0.1", port, ROLE, PASSWORD, "postgres")),
            secrets: RefCell::new(vec![ADMIN_PASSWORD.to_owned()]),
        };
        match self.content {
            Content::Generic => {
                for (path, text) in fixture::FILES {
                    workspace.write(path, text);
                }
            }
            Content::Repository => workspace.copy_repository(),
        }
        workspace.set_authority("127.0.0.1", port, ROLE, PASSWORD);
        if self.closed_home {
            set_mode(&parent, 0o700);
        }
        if self.filled_cache {
            template::fill_cache(&workspace.base().join("cache"));
        }
        if let Some(owner) = self.owner.map(|owner| user(owner).unwrap()) {
            let owner = format!("{}:{}", owner.uid, owner.gid);
            let folders = [parent.as_path(), &workspace.home(), &workspace.base().join("cache")];
            assert!(Command::new("chown").arg("-R").arg(owner).args(folders).status().unwrap().success());
        }
        workspace
    }
}

/// A checkout. When this value is dropped or this process dies, everything that was started from the checkout is
/// stopped and the checkout is deleted.
pub(crate) struct Workspace {
    base: Folder,
    root: PathBuf,
    suffix: String,
    content: Content,
    owner: Option<&'static str>,
    authority: RefCell<String>,
    login: RefCell<PgConnectOptions>,
    secrets: RefCell<Vec<String>>,
}

impl Workspace {
    /// Returns the options of a checkout with the small workspace of [`fixture`].
    pub(crate) fn generic() -> Builder {
        Builder { content: Content::Generic, folder: "checkout", closed_home: false, filled_cache: false, owner: None }
    }

    /// Returns the same options with an owner who isn't root. Root may read every file, so tests of missing permissions
    /// need this.
    pub(crate) fn ordinary() -> Builder {
        if is_root() { Self::generic().owner("nobody") } else { Self::generic() }
    }

    /// Returns the options of a checkout with the files of this repository that matter to databases.
    pub(crate) fn repository() -> Builder {
        Builder { content: Content::Repository, ..Self::generic() }
    }

    /// The checkout's folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder that holds the checkout and everything that its runs need. It is deleted at the end.
    pub(crate) fn base(&self) -> &Path {
        self.base.path()
    }

    /// The home folder of the user who runs the program.
    pub(crate) fn home(&self) -> PathBuf {
        self.base().join("home")
    }

    /// The unique part of the checkout's folder name.
    pub(crate) fn suffix(&self) -> &str {
        &self.suffix
    }

    /// The user who owns the checkout, if that isn't the user who runs the tests.
    pub(crate) fn owner(&self) -> Option<&'static str> {
        self.owner
    }

    /// `user:password@host:port` of the URLs in `.env.ci`.
    pub(crate) fn authority(&self) -> String {
        self.authority.borrow().clone()
    }

    /// A login with the server, the role and the password of the URLs.
    pub(crate) fn login(&self, database: &str) -> PgConnectOptions {
        self.login.borrow().clone().database(database)
    }

    /// The port in the URLs.
    pub(crate) fn port(&self) -> u16 {
        self.login.borrow().get_port()
    }

    /// Makes the URLs point to a server, and creates their role there. The role may create databases.
    pub(crate) fn point_at(&self, server: &Server) {
        server.create_role(ROLE, PASSWORD, "CREATEDB");
        self.set_server(server);
    }

    /// Makes the URLs point to a server that has their role already.
    pub(crate) fn set_server(&self, server: &Server) {
        self.set_authority("127.0.0.1", server.port, ROLE, PASSWORD);
    }

    /// Writes `.env.ci` with URLs that point to a server. The password becomes a secret, both in plain form and encoded
    /// as in a URL.
    pub(crate) fn set_authority(&self, host: &str, port: u16, role: &str, password: &str) {
        let encoded: String = url::form_urlencoded::byte_serialize(password.as_bytes()).collect();
        let authority = format!("{role}:{encoded}@{host}:{port}");
        let text = match self.content {
            Content::Generic => fixture::contract(&authority),
            Content::Repository => {
                let text = self.read(".env.ci");
                let old = text.split("postgres://").nth(1).and_then(|url| url.split('/').next()).unwrap().to_owned();
                text.replace(&old, &authority)
            }
        };
        self.write(".env.ci", &text);
        self.add_secret(password);
        self.add_secret(&encoded);
        *self.authority.borrow_mut() = authority;
        *self.login.borrow_mut() = sql::options(host, port, role, password, "postgres");
    }

    /// Adds a secret, which no run may print from now on.
    pub(crate) fn add_secret(&self, secret: &str) {
        self.secrets.borrow_mut().push(secret.to_owned());
    }

    /// Fails if a run printed a secret.
    #[track_caller]
    pub(crate) fn assert_no_secret(&self, outcome: &Outcome) {
        for secret in self.secrets.borrow().iter() {
            assert!(!outcome.text().contains(secret.as_str()), "the secret {secret} is in the output: {outcome}");
        }
    }

    /// Prepares a run of the program in the checkout.
    pub(crate) fn xtask(&self, arguments: &[&str]) -> Invocation<'_> {
        Invocation::new(self, arguments)
    }

    /// Runs the program to its end.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        self.xtask(arguments).run()
    }

    /// Writes a file of the checkout.
    #[track_caller]
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        if let Some(owner) = self.owner.map(|owner| user(owner).unwrap()) {
            std::os::unix::fs::chown(&path, Some(owner.uid.as_raw()), Some(owner.gid.as_raw())).unwrap();
        }
    }

    /// Reads a file of the checkout.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Makes an `.env` that a user has edited, so no run may change it. Returns its text.
    pub(crate) fn write_own_env(&self) -> String {
        let text = format!("{}# This line is mine.\n", self.read(".env.ci"));
        self.write(".env", &text);
        text
    }

    /// Deletes a file of the checkout.
    #[track_caller]
    pub(crate) fn remove(&self, path: &str) {
        std::fs::remove_file(self.root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Writes the schema files from the migrations, with `db-verify --write`.
    #[track_caller]
    pub(crate) fn accept_schema(&self) {
        self.run(&["db-verify", "--write"]).code(0);
    }

    /// Writes the up file and the down file of a migration.
    pub(crate) fn add_migration(&self, database: &str, name: &str, up: &str) {
        self.write(&format!("migrations/{database}/{name}.up.sql"), up);
        self.write(&format!("migrations/{database}/{name}.down.sql"), "SELECT 1;\n");
    }

    /// Returns every file of the checkout with its content and its modification time, except those in `.xtask` folders.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>, std::time::SystemTime)> {
        let is_state = |path: &Path| path.components().any(|part| part.as_os_str() == ".xtask");
        self.files_with_state().into_iter().filter(|(path, ..)| !is_state(path)).collect()
    }

    /// Returns every file of the checkout, with those of its state, except the data of a cluster.
    pub(crate) fn files_with_state(&self) -> Vec<(PathBuf, Vec<u8>, std::time::SystemTime)> {
        let mut found = Vec::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let kind = entry.file_type().unwrap();
                if kind.is_dir() && !entry.path().ends_with(".xtask/postgres") {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    let changed = entry.metadata().unwrap().modified().unwrap();
                    found.push((entry.path(), std::fs::read(entry.path()).unwrap(), changed));
                }
            }
        }
        found.sort();
        found
    }

    /// An empty folder, for runs that should find no programs.
    pub(crate) fn empty(&self) -> PathBuf {
        self.base().join("empty")
    }

    /// Writes a script that stands in for a program. Returns its folder, for the search path.
    pub(crate) fn add_program(&self, folder: &str, name: &str, script: &str) -> PathBuf {
        let folder = self.base().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), script).unwrap();
        set_mode(&folder.join(name), 0o755);
        folder
    }

    /// Makes git available to runs, and nothing else. Returns the folder, for the search path.
    pub(crate) fn add_git(&self) -> PathBuf {
        let path = whole_path();
        let git = std::env::split_paths(&path).map(|folder| folder.join("git")).find(|git| git.exists()).unwrap();
        self.add_program("git", "git", &format!("#!/bin/sh\nexec '{}' \"$@\"\n", git.display()))
    }

    fn copy_repository(&self) {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let wanted = |path: &Path| {
            let name = path.file_name().unwrap_or_default();
            let at_root = path.parent() == Some(Path::new(""));
            (at_root && ["Cargo.toml", "compose.yaml", ".env.ci"].iter().any(|wanted| name == *wanted))
                || name == "sqlx.toml"
                || name == "Cargo.toml"
                || path.starts_with("migrations")
                || path.starts_with("schema")
                || path == Path::new("docs/schema.md")
        };
        // These are the files that git tracks or would track. Ignored files are left out, and new files need no commit.
        let output = Command::new("git")
            .arg("-C")
            .arg(repository)
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .output()
            .unwrap();
        let listed = String::from_utf8(output.stdout).unwrap();
        for path in listed.split_terminator('\0').filter(|path| wanted(Path::new(path))) {
            if let Ok(content) = std::fs::read(repository.join(path)) {
                self.write(path, content);
            }
        }
        for line in self.read(".env.ci").lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.split_once('=').unwrap_or_default();
            if ["TOKEN", "KEY"].iter().any(|word| name.split('_').any(|part| part == *word)) {
                self.add_secret(value);
            }
        }
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // The script needs half a dozen processes. Most tests leave nothing for it.
        self.base.set_unused(!cleanup::is_needed(self.base.path(), &self.suffix));
    }
}

/// Returns a suffix of lower-case letters and digits, which docker accepts in names.
fn unique_suffix() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{:x}x{:x}x{count:x}", std::process::id(), now.subsec_nanos())
}
