//! The file that lets the commands of `docker compose` find this checkout's container when a user types them, without
//! variables to set first. Compose reads it after `compose.yaml`, unless files are named on the command line.

use std::fs;

use super::{Compose, PUBLISHED, SERVICE};
use crate::database_url::DatabaseUrl;
use crate::env_file::replace_private;

const FILE: &str = "compose.override.yaml";

/// The other names that compose looks for. It reads only one of these files.
const OTHERS: [&str; 3] = ["compose.override.yml", "docker-compose.override.yml", "docker-compose.override.yaml"];

/// The first line tells the file from one that a user has written.
const MARK: &str = "# cargo xtask db-setup makes this file for this checkout, and makes it again if it is deleted.\n";

/// The oldest version of compose that knows `!override`. Without it, the container would get two ports.
const OLDEST: [u32; 3] = [2, 24, 4];

/// Writes the file. A file that a user has written is left as it is. If the file can't be written, the user's own commands
/// need `--project-name`, and nothing else is different.
pub(super) fn write(compose: &Compose, url: &DatabaseUrl) {
    let text = text(&compose.project, url);
    let path = compose.root.join(FILE);
    let old = fs::read_to_string(&path).ok();
    let is_ours = old.as_ref().map_or_else(|| path.symlink_metadata().is_err(), |old| old.starts_with(MARK));
    let has_other = OTHERS.iter().any(|name| compose.root.join(name).symlink_metadata().is_ok());
    if knows_override(&compose.version) && is_ours && !has_other && old.as_ref() != Some(&text) {
        drop(replace_private(&path, &text));
    }
}

/// Deletes the file, unless a user has written it.
pub(super) fn remove(compose: &Compose) {
    let path = compose.root.join(FILE);
    if fs::read_to_string(&path).is_ok_and(|text| text.starts_with(MARK)) {
        drop(fs::remove_file(path));
    }
}

/// Whether this version, such as `2.26.1-4` or `v2.40.0`, is at least [`OLDEST`].
fn knows_override(version: &str) -> bool {
    let numbers = version.trim_start_matches('v').split(['.', '-', '+']);
    let numbers: Vec<u32> = numbers.map_while(|number| number.parse().ok()).take(OLDEST.len()).collect();
    numbers.as_slice() >= OLDEST.as_slice()
}

/// The text. The values are those of [`Compose::start`], so that `docker compose up` changes nothing.
fn text(project: &str, url: &DatabaseUrl) -> String {
    let (user, password) = (quoted(&url.user), quoted(&url.password));
    let port = quoted(&format!("{PUBLISHED}:{}:5432", url.address.port));
    format!(
        "{MARK}# With it, docker compose finds this checkout's container and volume, whatever the folder is called.\n\
         name: {project}\n\
         services:\n  {SERVICE}:\n    environment:\n      POSTGRES_USER: {user}\n      POSTGRES_PASSWORD: {password}\n      \
         PGUSER: {user}\n      PGPASSWORD: {password}\n    ports: !override\n      - {port}\n",
        project = quoted(project)
    )
}

/// A string in YAML, which takes JSON's form. In compose's files, two dollar signs stand for one.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('$', "$$")
}
