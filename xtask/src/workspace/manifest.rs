//! The manifest of the workspace: where its root is, and which packages it has.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Metadata;
use crate::problem::Problem;

/// The part of a `Cargo.toml` that matters here.
#[derive(Deserialize)]
pub(super) struct Manifest {
    pub(super) workspace: Option<WorkspaceTable>,
    pub(super) package: Option<toml::Table>,
}

#[derive(Deserialize)]
pub(super) struct WorkspaceTable {
    #[serde(default)]
    members: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    pub(super) metadata: MetadataTable,
}

#[derive(Default, Deserialize)]
pub(super) struct MetadataTable {
    #[serde(default)]
    pub(super) xtask: Metadata,
}

/// Finds the nearest folder, from `start` upwards, whose `Cargo.toml` has a `[workspace]`. If there is none, it finds
/// the nearest folder with a `Cargo.toml`.
pub(super) fn find_root(start: &Path) -> Result<(PathBuf, Manifest), Problem> {
    let mut nearest = None;
    for dir in start.ancestors() {
        let file = dir.join("Cargo.toml");
        if !file.is_file() {
            continue;
        }
        let text = std::fs::read_to_string(&file)
            .map_err(|error| Problem::failed(format!("{} can't be read: {error}.", file.display())))?;
        let manifest: Manifest = toml::from_str(&excerpt(&text))
            .or_else(|_| toml::from_str(&text))
            .map_err(|error| Problem::failed(format!("{} isn't valid: {error}", file.display())))?;
        if manifest.workspace.is_some() {
            return Ok((dir.to_owned(), manifest));
        }
        nearest.get_or_insert((dir.to_owned(), manifest));
    }
    nearest.ok_or_else(|| {
        Problem::failed(format!("There is no Cargo.toml in {} or in any folder above it.", start.display()))
            .remedy("Change to a folder of the checkout and try again.")
    })
}

/// The tables of a manifest that matter here, without the long lists beside them, such as `[workspace.dependencies]`.
///
/// Every command reads the root's manifest first. A debug build takes longer to parse all of it than for everything else
/// that it does before the first connection. Where the lines leave a doubt, the whole text counts.
fn excerpt(text: &str) -> Cow<'_, str> {
    if text.contains("\"\"\"") || text.contains("'''") {
        return Cow::Borrowed(text);
    }
    let matters = |head: &str| {
        let name = head.trim_start_matches('[').split(']').next().unwrap_or_default();
        let mut keys = name.split('.').map(str::trim);
        let known = match (keys.next(), keys.next()) {
            (Some("workspace"), second) => matches!(second, None | Some("metadata")),
            (first, second) => first == Some("package") && second.is_none(),
        };
        known || name.contains(['"', '\''])
    };
    let mut kept = true;
    let lines = text.split_inclusive('\n').filter(|line| {
        let line = line.trim_start();
        kept = if line.starts_with('[') { matters(line) } else { kept };
        kept
    });
    Cow::Owned(lines.collect())
}

/// The folders of the workspace's packages, the root package first, then the members in the order of the manifest.
pub(super) fn members(root: &Path, manifest: &Manifest) -> Result<Vec<PathBuf>, Problem> {
    let mut dirs = Vec::new();
    if manifest.package.is_some() {
        dirs.push(root.to_owned());
    }
    let Some(workspace) = &manifest.workspace else {
        return Ok(dirs);
    };
    for member in &workspace.members {
        // The root is escaped, because its path may hold characters that have a meaning in a pattern.
        let pattern = format!("{}/{member}", glob::Pattern::escape(&root.to_string_lossy()));
        let found = glob::glob(&pattern).map_err(|error| {
            Problem::failed(format!("The workspace member \"{member}\" isn't a valid pattern: {error}.")).at(
                "Cargo.toml",
                1,
                None,
            )
        })?;
        let excluded = |dir: &PathBuf| workspace.exclude.iter().any(|exclude| dir.starts_with(root.join(exclude)));
        let found = found.flatten().filter(|dir| dir.join("Cargo.toml").is_file() && !excluded(dir));
        dirs.extend(found.filter(|dir| !dirs.contains(dir)).collect::<Vec<_>>());
    }
    Ok(dirs)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const REST: &str = "[workspace.dependencies]\nserde = { version = \"1\" }\n[profile.dev]\ndebug = false\n";

    #[test]
    fn lists_that_matter_to_nobody_here_are_left_out() {
        let needed = "[workspace] # here\nmembers = [\n  \"a\",\n]\n[ workspace.metadata.xtask ]\nx = 1\n[package]\nname = \"a\"\n";
        assert_eq!(excerpt(&format!("{REST}{needed}{REST}")), needed);
        assert_eq!(excerpt(&format!("workspace.members = [\"a\"]\n{REST}")), "workspace.members = [\"a\"]\n");
    }

    #[test]
    fn a_manifest_that_leaves_a_doubt_is_read_as_a_whole() {
        let quoted = "[\"workspace\"]\nmembers = []\n";
        assert_eq!(excerpt(&format!("{quoted}{REST}")), quoted);
        let several_lines = format!("[package]\ndescription = \"\"\"\n[workspace]\n\"\"\"\n{REST}");
        assert_eq!(excerpt(&several_lines), several_lines);
    }

    #[test]
    fn lines_that_look_like_the_head_of_a_table_cut_nothing_off() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = format!("[workspace.metadata.other]\nx = [\n[1, 2],\n]\n[workspace]\nmembers = [\"a\"]\n{REST}");
        std::fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
        let (root, manifest) = find_root(folder.path()).unwrap();
        assert_eq!((root.as_path(), manifest.workspace.unwrap().members), (folder.path(), vec!["a".to_owned()]));
    }
}
