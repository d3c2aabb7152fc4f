//! The page that shows the schemas to readers: for each database a diagram and its columns, as the migrations make them.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Result;
use sqlx::postgres::PgConnection;
use xtask_schema::{History, Outline};

use crate::problem::{Code, Exit, Problem};
use crate::workspace::Database;

/// The page's file, relative to the root.
pub(crate) const FILE: &str = "docs/schema.md";

/// The words by which a page is known. A file without them is somebody's own.
const MARK: &str = "is generated from the migrations by `cargo xtask db-diagram`";

/// Reads what the page shows of a database.
///
/// # Errors
/// The query fails. The connection must not be used after that.
pub(crate) async fn outline(connection: &mut PgConnection, database: &Database) -> Result<Outline> {
    let (schema, table) = database.history.parts();
    Ok(Outline::read(connection, &History { schema, table }).await?)
}

/// Writes the page of these databases, each with its name.
pub(crate) fn of(outlines: &[(String, Outline)]) -> String {
    let mut text = format!(
        "# The schemas\n\nThis page {MARK}. Do not edit it, but write a migration.\nA name without a schema is in the schema \
         `public`.\n"
    );
    for (name, outline) in outlines {
        text.push_str(&format!("\n{}", outline.to_markdown(name)));
    }
    text
}

/// Reads the committed page. Returns `None` if there is none, or if the file is somebody's own.
///
/// # Errors
/// The file can't be read.
pub(crate) fn committed(root: &Path) -> Result<Option<String>, Problem> {
    Ok(read(root)?.filter(|text| text.contains(MARK)))
}

/// Returns whether the committed page is this one, and otherwise the problem.
pub(crate) fn compare(committed: &str, page: &str) -> Result<(), Problem> {
    if committed == page {
        return Ok(());
    }
    let line = committed.lines().zip(page.lines()).take_while(|(old, new)| old == new).count() + 1;
    Err(Problem::new(
        Code::DiagramStale,
        Exit::SchemaDiffers,
        format!("{FILE} is stale: the migrations make another schema."),
    )
    .at(FILE, line, None)
    .remedy("Regenerate the page, look at the change, and commit it: cargo xtask db-diagram"))
}

/// Writes the file, unless it is somebody's own.
///
/// # Errors
/// The file is somebody's own, or it can't be written.
pub(crate) fn write(root: &Path, page: &str) -> Result<(), Problem> {
    if read(root)?.is_some_and(|text| !text.contains(MARK)) {
        let what = format!("{FILE} isn't a page that this program has written, so it was left as it is.");
        return Err(Problem::failed(Code::DiagramFile, what)
            .remedy("Give that file another name, and run it again: cargo xtask db-diagram"));
    }
    let file = root.join(FILE);
    let written = file.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&file, page));
    written.map_err(|error| {
        Problem::failed(Code::DiagramFile, format!("{FILE} can't be written: {error}.")).see_who_may(Path::new(FILE))
    })
}

/// Reads the file. CRLF counts as LF.
fn read(root: &Path) -> Result<Option<String>, Problem> {
    match std::fs::read_to_string(root.join(FILE)) {
        Ok(text) => Ok(Some(text.replace("\r\n", "\n"))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(Problem::failed(Code::DiagramFile, format!("{FILE} can't be read: {error}."))
                .see_who_may(Path::new(FILE)))
        }
    }
}
