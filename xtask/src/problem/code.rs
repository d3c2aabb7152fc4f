//! The words by which problems are known, and what `docs/troubleshooting.md` says about each.
//!
//! A problem can't be made without its word, and a word can't be added without its entry. The page is made from these
//! entries, see `page.rs`.

use serde::{Serialize, Serializer};

use super::entry::{Entry, codes};

codes! {
    NoServer "no-server" ("server"): "There is no PostgreSQL to use.",
        "Nothing answers at the address of the URLs, and neither Docker nor PostgreSQL's own programs can start a server here. The lines below the message say why for each of them.",
        "See what this machine offers, and the command that gives it a server: cargo xtask doctor";
    EnvMissing "env-missing" ("env"): "VARIABLE is missing in .env.",
        ".env.ci has a variable that .env lacks or leaves empty. It may have gained the variable since you made your .env.",
        "Copy its line from .env.ci into .env, with a value of your own: grep '^VARIABLE=' .env.ci";
    DatabaseUnreachable "database-unreachable" ("database"): "DATABASE (ADDRESS) can't be reached: the database doesn't exist.",
        "The server answers, but this database isn't there yet or any more, or doesn't let you in. Or no server answers at all.",
        "Make the database, or see why that can't be done: cargo xtask db-setup";
    CompileError "compile-error": "cannot find module or crate NAME",
        "The sources don't compile. The place is the one that the compiler names.",
        "Mend the first error. To compile again: cargo build";
    ToolNotBuilt "tool-not-built": "The package PACKAGE can't be compiled.",
        "A tool behind cargo xtask is compiled when it is first used, and that failed. A crate may not have been downloaded.",
        "To repeat only the compilation: cargo build --package PACKAGE";
    LoginRefused "login-refused" ("server"): "PostgreSQL at ADDRESS refuses the login of VARIABLE.",
        "The role of the URL is missing on that server, or has another password there.",
        "Run the CREATE ROLE or ALTER ROLE in the message as a superuser of that server, then: cargo xtask db-setup";
    AddressTaken "address-taken" ("port"): "VARIABLE names ADDRESS, which can't be used.",
        "Something else than a usable PostgreSQL listens at that address.",
        "See which program it is: cargo xtask doctor. Then stop it, or write another port into .env";
    PortTaken "port-taken" ("port"): "Port PORT is taken by another program.",
        "A server is to be started on that port, and another program listens there.",
        "See which program it is: cargo xtask doctor. Then stop it, or write another port into .env";
    NoFreePort "no-free-port" ("port"): "Port PORT and the 100 ports above it are all taken.",
        "A free port was looked for, and none was found.",
        "Write a free port into .env, then: cargo xtask db-setup";
    ServerMissing "server-missing" ("server"): "VARIABLE names ADDRESS: nothing listens there.",
        "The URLs name two servers. db-setup starts only one, so both have to run already.",
        "Start that server, or write one host and port into all URLs; then: cargo xtask db-setup";
    TwoServers "two-servers": "With this --server, db-setup starts one server, so all URLs must name one port of this machine.",
        "One server can't listen at several addresses.",
        "Write one port of localhost into all URLs, or leave --server out: cargo xtask db-setup";
    NoPassword "no-password" ("server"): "VARIABLE has no password, but a server that db-setup starts needs one.",
        "Every user of this machine can reach the server, so it asks for a password.",
        "Add a password to the URL in .env; then: cargo xtask db-setup";
    ServerNotReady "server-not-ready" ("server"): "PostgreSQL wasn't ready in time.",
        "The server was starting up, and took longer than --timeout allows.",
        "Wait longer: cargo xtask db-setup --timeout 300";
    ServerSilent "server-silent" ("server"): "The server at ADDRESS stopped answering.",
        "The server is paused or overloaded, or the network swallows its answers.",
        "See to the server, then run the same command again";
    ConnectionLost "connection-lost" ("server"): "The connection to the server at ADDRESS was lost.",
        "The server ended or restarted, or the network was cut. A migration in a transaction was rolled back.",
        "Start the server if it has ended, then: cargo xtask db-setup";
    DataServerStopped "data-server-stopped" ("server"): "The server at ADDRESS has this checkout's databases, and doesn't answer.",
        "It was stopped, or the machine was. db-setup starts again what it has started, and nothing in place of a server of yours.",
        "Start that server if it is yours, then: cargo xtask db-setup";
    DataElsewhere "data-elsewhere" ("server"): "This checkout's databases are in PLACE, but that can't be used.",
        "The databases were made in a container or a private cluster that isn't available now. Nothing is started in its place, so no data is hidden.",
        "See how to bring it back: cargo xtask doctor";
    OtherCheckout "other-checkout" ("server"): "DATABASE belongs to another checkout.",
        "Two checkouts with one database break each other with their next migrations.",
        "Run the command in the message that gives this checkout a port of its own, or share the databases: cargo xtask db-setup --share";
    RemoteHost "remote-host" ("server"): "HOST isn't this machine.",
        "A host that isn't this machine is only read, unless you allow more.",
        "Run the same command with --allow-remote, or write localhost into the URL";
    Pooler "pooler" ("role"): "A connection pooler answers at ADDRESS.",
        "The pooler gives each transaction another session, and the lock of a run needs one session.",
        "Write the address of the server itself into .env, then: cargo xtask db-setup";
    Standby "standby" ("role"): "The server at ADDRESS is a standby.",
        "A standby only repeats what its primary does.",
        "Write the address of its primary into .env, then: cargo xtask db-setup";
    ReadOnly "read-only" ("role"): "ROLE may only read in DATABASE.",
        "default_transaction_read_only is on for the role, the database or the server.",
        "Run the statement in the message as a superuser of that server, then: cargo xtask db-setup";
    TooFewSessions "too-few-sessions" ("role"): "ROLE may have NUMBER sessions at a time, and this run needs more.",
        "The role has a limit of connections, and others use some of them.",
        "Run the ALTER ROLE in the message as a superuser of that server, then: cargo xtask db-setup";
    MayNotMake "may-not-make" ("database"): "DATABASE doesn't exist, and ROLE may not make databases.",
        "The role lacks CREATEDB.",
        "Run the CREATE DATABASE or ALTER ROLE in the message as a superuser of that server, then: cargo xtask db-setup";
    MayNotWrite "may-not-write" ("database"): "DATABASE belongs to OWNER, and ROLE may not make anything in it.",
        "Somebody else made the database.",
        "Run the ALTER DATABASE in the message as a superuser of that server, then: cargo xtask db-setup";
    MayNotRename "may-not-rename": "DATABASE belongs to OWNER, so ROLE may neither copy it nor rename it.",
        "Somebody else made the database, or the server refuses the new name.",
        "Run the ALTER DATABASE in the message as a superuser of that server, then run the same command again";
    NoSnapshot "no-snapshot": "There is no snapshot \"NAME\" of this checkout's databases.",
        "The name is another one, the snapshot was dropped, or it belongs to another checkout.",
        "See the names: cargo xtask db-snapshot list";
    SnapshotExists "snapshot-exists": "There is a snapshot \"NAME\" already.",
        "A snapshot is never overwritten.",
        "Choose another name, or drop it: cargo xtask db-snapshot drop NAME";
    NotConfirmed "not-confirmed": "Nobody can be asked here, because this is no terminal.",
        "The command throws something away, and asks first. Or another name was typed.",
        "Read what would be lost, then run the same command again with --yes";
    NotOurs "not-ours": "DATABASE doesn't carry the stamp of this checkout, so it isn't thrown away.",
        "db-setup writes into each database which checkout it belongs to. Without that line the database may be anybody's.",
        "If it is this checkout's: cargo xtask db-setup. Then run the same command again";
    Production "production": "Nothing is thrown away, because ENVIRONMENT in the settings says production.",
        "The settings or the stamp of the database say production.",
        "If the settings are wrong, correct them in .env. A database of production is dropped by hand, or not at all: DROP DATABASE";
    DatabaseInUse "database-in-use": "Others use DATABASE, and this run can't end that.",
        "A database with sessions can't be copied or renamed. A session belongs to a role that yours may not end, or there is a prepared transaction.",
        "See who they are: SELECT * FROM pg_stat_activity, and SELECT * FROM pg_prepared_xacts. Then run the same command again";
    DatabaseNotMade "database-not-made": "The database DATABASE can't be made.",
        "The server refused CREATE DATABASE. Its disk may be full.",
        "Mend what the server says, then: cargo xtask db-setup";
    Encoding "encoding" ("database"): "DATABASE has the encoding NAME, but it has to be UTF8.",
        "The encoding of a database can't be changed.",
        "Run the ALTER DATABASE … RENAME in the message, then: cargo xtask db-setup";
    ServerBusy "server-busy" ("left-behind"): "The setup lock of ADDRESS was not free in time.",
        "Another run sets up databases there.",
        "Wait until it ends, or: cargo xtask db-setup --timeout 600";
    CheckoutBusy "checkout-busy": "This checkout is locked: another run is setting it up.",
        "Two runs in one checkout would start two servers or number two migrations alike.",
        "Wait until it ends, then run the same command again";
    LeftBehind "left-behind" ("left-behind"): "Runs that were killed have left scratch databases.",
        "A run that was killed couldn't drop them.",
        "Drop them: cargo xtask doctor --fix";
    MigrationsPending "migrations-pending" ("database"): "NUMBER migrations pending in DATABASE.",
        "The repository has migrations that weren't applied yet.",
        "Apply them: cargo xtask db-setup";
    MigrationFailed "migration-failed": "MIGRATION failed.",
        "The server refused a statement. The message names the file, the line and the column, and what is left of it.",
        "Correct the file, then: cargo xtask db-setup";
    MigrationEmpty "migration-empty" ("database"): "MIGRATION has no statement yet, so nothing was applied.",
        "An applied file can't be changed later, because its checksum would differ.",
        "Write the migration or delete it, then: cargo xtask db-setup";
    HistoryDiffers "history-differs" ("database"): "The history of DATABASE doesn't agree with the migration files, so nothing was applied.",
        "A migration was edited after it was applied, is missing, or is older than one that was applied.",
        "Run the command that the message shows for each of them";
    HistoryUnreadable "history-unreadable" ("database"): "The history table TABLE can't be read.",
        "A table of that name exists, and isn't the one that sqlx makes.",
        "Rename that table, or name another one in sqlx.toml; then: cargo xtask db-setup";
    NoWayBack "no-way-back": "MIGRATION can't be taken back.",
        "Its way down wasn't recorded when it was applied: another program applied it, somebody changed what was recorded, or it has no down file.",
        "Restore its file as it was applied, then run the same command again";
    MigrationPublished "migration-published": "FILE is on the main branch with another content, so others may have applied it.",
        "A migration that others have applied can't be changed any more: their databases would differ from yours.",
        "Put the change into a new migration: cargo xtask migrate add DATABASE NAME";
    MigrationLate "migration-late": "MIGRATION would come before another one, which the main branch has.",
        "A migration of this branch has a number that isn't higher than all of the main branch's. Who has applied those can't apply it any more.",
        "Give its files the next number; then: cargo xtask ci --only migrations";
    SchemaDiffers "schema-differs" ("database"): "DATABASE drifted: it differs from the result of the migrations.",
        "Somebody changed the database by hand, or the committed schema file is stale.",
        "See each difference, and how to repair it: cargo xtask db-verify";
    SchemaFileStale "schema-file-stale" ("database"): "FILE is stale: the migrations produce another schema.",
        "A migration was added or changed, and the schema file wasn't regenerated.",
        "Regenerate the file, look at the change, and commit it: cargo xtask db-verify --write";
    SchemaFileMissing "schema-file-missing" ("database"): "There is no FILE, so the schema can't be proven.",
        "The database is new in this repository.",
        "Make the file from the migrations, and commit it: cargo xtask db-verify --write";
    DatabaseEmpty "database-empty" ("database"): "The database is empty, so there is nothing to prove.",
        "No migration makes anything in it, or somebody has dropped everything.",
        "Write its first migration: cargo xtask migrate add DATABASE NAME";
    RoleMighty "role-mighty" ("database"): "The privileges aren't what the migrations grant, because a role has more by itself.",
        "A role that the migrations grant to is a superuser, or a member of another role.",
        "Run the statements in the message as a superuser of that server, then: cargo xtask db-verify";
    RoleMissing "role-missing": "FILE can't be written: a role that the migrations grant to is missing.",
        "Without the role, owners and privileges can't be read.",
        "Let db-setup make the role, or say how it is made: cargo xtask db-setup";
    ReachesBeyond "reaches-beyond": "FILE reaches beyond its database.",
        "It changes roles, databases or settings, which all databases of the server share.",
        "Do it where the server is set up, take it out of the migration, then: cargo xtask ci --only migrations";
    NotReversible "not-reversible": "FILE doesn't restore the schema from before its migration.",
        "The down file doesn't undo all that the up file does.",
        "Correct the down file, then: cargo xtask ci --only migrations";
    RowsLost "rows-lost": "MIGRATION deletes or changes sample rows of TABLE.",
        "On a live database, rows would be lost in the same way.",
        "Correct the migration, or accept it with a reason in migrations/accepted.toml; then: cargo xtask ci --only migrations";
    DiagramStale "diagram-stale": "docs/schema.md is stale: the migrations make another schema.",
        "A migration was added or changed, and the page was not regenerated.",
        "Regenerate the page, look at the change, and commit it: cargo xtask db-diagram";
    DiagramFile "diagram-file": "docs/schema.md can't be read, written or replaced.",
        "Another file has that name, or the folder isn't yours.",
        "Give another file of that name another name, or make the folder writable; then: cargo xtask db-diagram";
    AcceptedRows "accepted-rows": "An entry of migrations/accepted.toml lacks something, or accepts nothing.",
        "An exception that nobody needs hides the next mistake.",
        "Correct or remove the entry, then: cargo xtask ci --only migrations";
    Sample "sample": "The sample can't be loaded.",
        "A row of sample.sql doesn't fit the newest schema.",
        "Correct the row, then: cargo xtask ci --only migrations";
    DockerUnusable "docker-unusable" ("docker"): "Docker isn't installed, doesn't run, or may not be used.",
        "The message says which of them it is.",
        "See the command for this system: cargo xtask doctor";
    ComposeFailed "compose-failed" ("docker"): "`docker compose …` failed.",
        "Compose said no. Its words are below the message.",
        "Mend what compose says. To see whether it can read compose.yaml: docker compose config";
    ContainerFailed "container-failed": "The container ended while it was starting.",
        "PostgreSQL in the container ended. The end of its log is below the message.",
        "See its whole log: docker compose logs db";
    ContainerNotStopped "container-not-stopped": "This checkout's container may still run, because Docker could not be asked to stop it.",
        "Docker hangs or can't be used any more, and the message says why. The container's data is kept in any case.",
        "See whether it runs: docker ps. Then stop it: cargo xtask db-stop";
    ContainerPassword "container-password" ("server"): "The container's PostgreSQL refuses the login of VARIABLE.",
        "Its volume was made with another user or password, and keeps them.",
        "Put the old password back into .env, or delete the container's data with the command in the message; then: cargo xtask db-setup";
    NoBinaries "no-binaries" ("binaries"): "PostgreSQL 15 or newer isn't installed here.",
        "A private cluster needs PostgreSQL's programs, in a version that can read the cluster's files.",
        "See the command for this system: cargo xtask doctor";
    NoPsql "no-psql": "psql isn't installed here.",
        "It is neither on PATH, nor beside PostgreSQL's own programs, nor in a container of this checkout.",
        "Install PostgreSQL's client. doctor shows the command of this system for the server: cargo xtask doctor";
    FetchUnusable "fetch-unusable" ("binaries"): "PostgreSQL can't be fetched for this system, or what was fetched doesn't run here.",
        "There is no pinned build for it, the system lacks a library, or others can write to the folder.",
        "See how to install PostgreSQL on this system: cargo xtask doctor";
    FetchOffline "fetch-offline" ("binaries"): "PostgreSQL isn't fetched yet, and nothing may be fetched offline.",
        "--offline or CARGO_NET_OFFLINE says so.",
        "Fetch it while you are online: cargo xtask db-setup. Or name a file: XTASK_PG_ARCHIVE=FILE cargo xtask db-setup";
    FetchFailed "fetch-failed" ("binaries"): "PostgreSQL can't be fetched.",
        "No source has the file, or what it sent isn't the file. The message has the answer of each. Nothing was unpacked.",
        "Name a mirror or a file: XTASK_PG_ARCHIVE=URL cargo xtask db-setup";
    NoAccount "no-account" ("binaries"): "PostgreSQL refuses to run as root, and no other account can run it.",
        "There is neither an account postgres nor nobody, or it can't reach the folder.",
        "Make the account: useradd --system postgres. Or run the command as an ordinary user";
    ClusterNotStarted "cluster-not-started": "This checkout's PostgreSQL can't be started.",
        "The server ended, or wasn't ready in time. The end of its log is below the message.",
        "Mend what the log says, then: cargo xtask db-setup";
    ClusterNotStopped "cluster-not-stopped": "PostgreSQL did not stop in time.",
        "A session holds it up, or it writes to a slow disk. It is never killed, because its data would need a recovery.",
        "Try it once more: cargo xtask db-stop";
    ClusterUnclear "cluster-unclear" ("server"): "Process NUMBER may be this checkout's PostgreSQL, but it doesn't answer.",
        "A file names a process, and the system doesn't tell which program it is.",
        "See what the process is: ps -p NUMBER. If it isn't PostgreSQL, run the rm in the message";
    ClusterDamaged "cluster-damaged": "PostgreSQL can't use the cluster's folder.",
        "A file that every cluster has is missing. Nothing was changed in the folder.",
        "Put a copy in its place, or move the folder aside with the command in the message";
    ClusterFiles "cluster-files": "A file of the cluster can't be made or removed.",
        "The disk is full, or the folder isn't yours.",
        "See whether there is room on the disk: cargo xtask doctor";
    SuperuserUrl "superuser-url" ("server"): "VARIABLE names the role ROLE, which this checkout's private cluster keeps for itself.",
        "The password of a URL would replace the superuser's.",
        "Name another user in .env, then: cargo xtask db-setup";
    UrlUnusable "url-unusable" ("env"): "VARIABLE isn't a URL that can be used.",
        "It has to name the user, the host and the database, and special characters of the password are percent-encoded.",
        "Write it in this form: VARIABLE=postgres://USER:PASSWORD@localhost:5432/DATABASE";
    SameDatabase "same-database" ("env"): "VARIABLE and VARIABLE name the same database.",
        "It would get both sets of migrations.",
        "Name another database in one of them, then: cargo xtask db-setup";
    TwoPasswords "two-passwords" ("env"): "VARIABLE and VARIABLE have two passwords for one role.",
        "A role has only one password.",
        "Write the same password into both, then: cargo xtask db-setup";
    EnvLine "env-line" ("env"): "FILE:LINE: This line can't be read.",
        "A line is NAME=value, and a value with spaces stands in quotes.",
        "Correct the line, then: cargo xtask db-setup";
    EnvChanged "env-changed": ".env was made or changed by another program meanwhile.",
        "It was left as it is.",
        "See what is in .env, then: cargo xtask db-setup";
    EnvOpen "env-open" ("env-private"): "Other users of this machine can reach the secrets in .env.",
        "Its permissions let them.",
        "Let only yourself read it: cargo xtask doctor --fix";
    EnvInGit "env-in-git" ("env-in-git"): ".env is tracked by git, or git doesn't ignore it.",
        "Whoever clones the repository would have its secrets.",
        "Take it out of git: git rm --cached .env. Let git ignore it: echo .env >> .gitignore";
    EnvPublic "env-public" ("env-production"): "Variables in .env still have the values of .env.ci, in production.",
        ".env.ci is public, so everybody knows these values.",
        "Put values of your own into .env, then: cargo xtask doctor";
    NoEnv "no-env" ("env"): "There is no .env yet.",
        "This command needs a URL, and doesn't make .env.",
        "Make it: cargo xtask db-setup";
    ContractWrong "contract-wrong": ".env.ci lacks a variable, or doesn't satisfy the settings.",
        "Everybody's .env is made from it.",
        "Correct .env.ci, then: cargo xtask ci --only env";
    RealCredential "real-credential": "NAME looks like a real credential.",
        ".env.ci is public. The value isn't shown.",
        "Revoke it if it is real, and put a made-up one in its place; then: cargo xtask ci --only env";
    SqlxToml "sqlx-toml" ("files"): "sqlx.toml can't be used.",
        "The file describes the database for sqlx and for cargo xtask, and has a mistake.",
        "Correct the file, then: cargo xtask doctor";
    Manifest "manifest" ("files"): "A Cargo.toml can't be used.",
        "It isn't valid, or a table of cargo xtask in it has a mistake.",
        "Correct the file. To see the place: cargo metadata --no-deps --format-version 1";
    NoWorkspace "no-workspace": "There is no Cargo.toml in FOLDER or in any folder above it.",
        "The command has to run inside the checkout.",
        "Change to the folder of the checkout: cd /path/to/the/checkout";
    NoDatabase "no-database": "Cargo.toml describes no database.",
        "No package has a sqlx.toml, and there is no folder migrations.",
        "Write a sqlx.toml beside the Cargo.toml of the package that has the database, then: cargo xtask db-setup";
    UnknownDatabase "unknown-database": "There is no database NAME in this workspace.",
        "A database has the name of its migrations folder. The message lists them.",
        "Run the same command with one of the names in the message";
    SameNames "same-names" ("files"): "Two databases have one name.",
        "A database has the name of its migrations folder.",
        "Give each of them a folder of its own in sqlx.toml, then: cargo xtask db-setup";
    MigrationsMissing "migrations-missing" ("files"): "The migrations folder FOLDER is missing, or holds no migration.",
        "Git hasn't checked it out, or sqlx.toml names another folder.",
        "Bring it back: git checkout -- FOLDER";
    MigrationName "migration-name" ("files"): "FILE isn't named like a migration, or its number is used twice.",
        "sqlx would ignore the file without a word.",
        "Rename it to NNN_name.up.sql, with the next free number; then: cargo xtask db-setup";
    MigrationHalf "migration-half" ("files"): "FILE has no up or down file beside it.",
        "Each migration can be taken back.",
        "Bring the other file back: git checkout -- FILE. Or write it";
    MigrationNumbers "migration-numbers": "No number comes after the highest migration.",
        "The migrations have times as numbers, or the highest possible one.",
        "Let sqlx-cli choose the number: cargo xtask sqlx DATABASE migrate add NAME";
    MigrationFinding "migration-finding": "A rule of the migration linter found something.",
        "The statement would lock or break a live database.",
        "Correct it, or accept it with a reason in migrations/accepted.toml; then: cargo xtask ci --only migration-lint";
    QueriesStale "queries-stale": "The query's committed data differs from the database's description of the query.",
        "A query or a table was changed.",
        "Regenerate the data, and commit it: cargo xtask db-prepare";
    QueriesUnknown "queries-unknown": "PACKAGE has queries for a database that isn't known here.",
        "sqlx.toml of the package names no database of this workspace.",
        "Name the variable of the URL in sqlx.toml, then: cargo xtask ci --only queries";
    UnknownSql "unknown-sql": "FILE is the schema, or FOLDER has the migrations, of no database.",
        "No sqlx.toml names it.",
        "Name it in a sqlx.toml or delete it, then: cargo xtask ci --only schema";
    NotFormatted "not-formatted": "This isn't rustfmt's format.",
        "A source was edited and not formatted.",
        "Format all files: cargo fmt --all";
    Unreached "unreached": "No target of PACKAGE includes this file.",
        "No mod names it, so it is neither compiled nor tested.",
        "Add a mod for it or delete it, then: cargo xtask ci --only format";
    LockFileStale "lock-file-stale": "Cargo.lock doesn't match the manifests.",
        "A dependency was changed without it.",
        "Update it, and commit it: cargo update --workspace";
    TestFailed "test-failed": "TEST failed.",
        "Its output is above the message.",
        "Run the command in the message, which repeats only this test";
    NoTests "no-tests": "No test of PACKAGE was run.",
        "A package whose tests don't run isn't tested.",
        "Write a test, or say test = false for each target in its Cargo.toml; then: cargo xtask ci --only test";
    Workflow "workflow": "A workflow of GitHub has a mistake.",
        "The message names the rule and the place.",
        "Correct the line, then: cargo xtask ci --only workflow";
    Toolchain "toolchain" ("toolchain"): "Cargo, rustfmt or clippy is missing.",
        "ci needs them.",
        "Install them: rustup component add rustfmt clippy";
    LineEndings "line-endings" ("line-endings"): "Migrations have other line endings here than in git.",
        "The checksum of a migration covers them.",
        "Let git leave them as they are: cargo xtask doctor --fix. Then, for each file: rm FILE && git checkout -- FILE";
    DiskFull "disk-full" ("disk"): "The disk is nearly full.",
        "A server and the compiled crates need some gigabytes.",
        "Make room. To remove what cargo has compiled: cargo clean";
    HookExists "hook-exists": "A hook exists already, or git takes its hooks from another folder.",
        "A hook of yours is never changed.",
        "Add the lines of the message to it";
    NoGit "no-git": "This isn't a git checkout that this user can use.",
        "The command asks git.",
        "See what git says: git status";
    StateFolder "state-folder" ("server"): "The folder .xtask can't be made.",
        "The checkout isn't yours, or the disk can't be written to.",
        "Make the folder writable, or name another one: export XTASK_STATE_DIR=/some/folder";
    FileUnreadable "file-unreadable": "FILE can't be read.",
        "It isn't yours, or it isn't a file.",
        "See whose it is, and who may use it: ls -ld FILE";
    FileUnwritable "file-unwritable": "FILE can't be written.",
        "It isn't yours, or the disk is full.",
        "See whose it is, and who may use it: ls -ld FILE";
    ProgramFailed "program-failed": "`PROGRAM` failed, or can't be run.",
        "What it said is below the message.",
        "Run the same program by hand, as the message shows it";
    ProgramSlow "program-slow": "`PROGRAM` did not end in time, so it was stopped.",
        "It hangs, or the machine is busy.",
        "Run the same program by hand, as the message shows it";
    Usage "usage": "The command line can't be used.",
        "The message says which part.",
        "See what the command takes: cargo xtask COMMAND --help";
    Interrupted "interrupted": "Interrupted.",
        "You pressed Ctrl-C. What the run had begun on the server was cancelled.",
        "Run the same command again";
    Unexpected "unexpected": "Any other message.",
        "It is an error that nobody has thought of yet.",
        "See whether something is wrong with this machine: cargo xtask doctor. If nothing is, report it with the whole output";
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.entry().word)
    }
}
