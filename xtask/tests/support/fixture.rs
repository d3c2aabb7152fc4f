//! A small workspace with two databases. Its names don't occur in this repository, so the tests show that xtask works
//! for any workspace that `sqlx.toml` files describe.

/// The role in the URLs.
pub(crate) const ROLE: &str = "keeper";
/// Its password.
pub(crate) const PASSWORD: &str = "k33perS3cret-77aa";
/// The history table of the database `library`.
pub(crate) const LIBRARY_HISTORY: &str = "_sqlx.migrations";
/// The history table of the database `journal`.
pub(crate) const JOURNAL_HISTORY: &str = "history.applied";
/// The tables that `\dt` must list in `library`.
pub(crate) const LIBRARY_TABLES: [&str; 2] = ["authors", "books"];
/// The tables that `\dt` must list in `journal`.
pub(crate) const JOURNAL_TABLES: [&str; 1] = ["entries"];

/// Every file of the workspace except `.env.ci`, which contains the server's port.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n"),
    ("compose.yaml", COMPOSE),
    ("crates/library/Cargo.toml", "[package]\nname = \"library\"\nversion = \"0.1.0\"\nedition = \"2024\"\n"),
    ("crates/library/src/lib.rs", "//! Nothing.\n"),
    ("crates/library/sqlx.toml", LIBRARY_TOML),
    ("crates/journal/Cargo.toml", "[package]\nname = \"journal\"\nversion = \"0.1.0\"\nedition = \"2024\"\n"),
    ("crates/journal/src/lib.rs", "//! Nothing.\n"),
    ("crates/journal/sqlx.toml", JOURNAL_TOML),
    // A member without a database.
    ("crates/tools/Cargo.toml", "[package]\nname = \"tools\"\nversion = \"0.1.0\"\nedition = \"2024\"\n"),
    ("crates/tools/src/lib.rs", "//! Nothing.\n"),
    ("migrations/library/001_authors.up.sql", AUTHORS),
    ("migrations/library/001_authors.down.sql", "DROP TABLE authors;\n"),
    ("migrations/library/002_books.up.sql", BOOKS),
    ("migrations/library/002_books.down.sql", "DROP TABLE books;\n"),
    ("migrations/journal/001_entries.up.sql", ENTRIES),
    ("migrations/journal/001_entries.down.sql", "DROP TABLE entries;\n"),
    ("schema/library.sql", include_str!("../fixtures/library.sql")),
    ("schema/journal.sql", include_str!("../fixtures/journal.sql")),
];

const LIBRARY_TOML: &str = "\
[common]
database-url-var = \"LIBRARY_URL\"

[migrate]
migrations-dir = \"../../migrations/library\"
create-schemas = [\"_sqlx\"]
table-name = \"_sqlx.migrations\"
";

const JOURNAL_TOML: &str = "\
[common]
database-url-var = \"JOURNAL_URL\"

[migrate]
migrations-dir = \"../../migrations/journal\"
create-schemas = [\"history\"]
table-name = \"history.applied\"
";

const AUTHORS: &str = "\
CREATE TABLE authors (
    id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT authors_pkey PRIMARY KEY,
    name text NOT NULL
);
";

const BOOKS: &str = "\
CREATE TABLE books (
    id integer GENERATED ALWAYS AS IDENTITY CONSTRAINT books_pkey PRIMARY KEY,
    author_id integer NOT NULL CONSTRAINT books_author_id_fkey REFERENCES authors (id),
    title text NOT NULL
);
CREATE INDEX books_title_idx ON books (title);
";

const ENTRIES: &str = "\
CREATE TABLE entries (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT entries_pkey PRIMARY KEY,
    made_at timestamptz NOT NULL DEFAULT now(),
    entry text NOT NULL
);
";

const COMPOSE: &str = "\
services:
  db:
    image: ${POSTGRES_IMAGE:-postgres:15-alpine}
    environment:
      POSTGRES_USER: ${POSTGRES_USER:-}
      POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:-}
      PGUSER: ${POSTGRES_USER:-}
      PGPASSWORD: ${POSTGRES_PASSWORD:-}
      POSTGRES_DB: postgres
    ports:
      - \"127.0.0.1:${POSTGRES_PORT:-}:5432\"
    volumes:
      - data:/var/lib/postgresql/data

volumes:
  data:
";

/// Returns the text of `.env.ci`, with URLs that point to `authority` (`user:password@host:port`).
pub(crate) fn contract(authority: &str) -> String {
    format!(
        "# The variables of this workspace.\n\
         LIBRARY_URL=postgres://{authority}/library\n\
         JOURNAL_URL=postgres://{authority}/journal\n\
         \n\
         # A variable that no database uses.\n\
         GREETING=hello\n"
    )
}
