//! The text of a new `.env`, or of one that gets another port.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Result;
use xtask_env::EnvFile;

use super::{FILE, replace_private, write_private};
use crate::database_url;
use crate::problem::{Code, Problem};

/// The text that `.env` will have.
pub(crate) struct NewFile {
    pub(super) text: String,
    /// The text that it has now, if there is a file.
    pub(super) replaces: Option<String>,
}

impl NewFile {
    /// Replaces a variable's old value by its new one.
    pub(super) fn replace(&mut self, variable: &str, old: &str, new: &str) {
        let mut text = String::with_capacity(self.text.len() + new.len());
        for line in self.text.split_inclusive('\n') {
            let key = line.trim_start().strip_prefix("export ").unwrap_or(line).trim_start();
            let ours = key.strip_prefix(variable).is_some_and(|rest| rest.trim_start().starts_with('='));
            if ours && line.contains(old) {
                text.push_str(&line.replacen(old, new, 1));
            } else if ours {
                let ending = if line.ends_with("\r\n") { "\r\n" } else { "\n" };
                text.push_str(&format!("{variable}='{new}'{ending}"));
            } else {
                text.push_str(line);
            }
        }
        self.text = text;
    }

    /// Replaces `.env`, if it still has the text `old`. Returns whether it had.
    ///
    /// # Errors
    /// The file can't be read or written.
    pub(super) fn change(&self, root: &Path, old: &str) -> Result<bool> {
        let failed = |error: std::io::Error| {
            Problem::failed(Code::FileUnwritable, format!("The port in {FILE} can't be changed: {error}."))
                .see_who_may(&root.join(FILE))
        };
        let target = root.join(FILE);
        if std::fs::read_to_string(&target).map_err(failed)? != old {
            return Ok(false);
        }
        replace_private(&target, &self.text).map_err(failed)?;
        Ok(true)
    }

    /// Makes `.env`, either whole or not at all. Only its owner can read it.
    ///
    /// Returns `false` if another run has made the file meanwhile. That file is left as it is.
    ///
    /// # Errors
    /// The file can't be written.
    pub(super) fn create(&self, root: &Path, scratch_dir: &Path) -> Result<bool> {
        let target = root.join(FILE);
        let failed = |error: std::io::Error| cannot_be_made(root, &error);
        // The text is written to another file, which is then linked into place. A link never replaces a file, and a run
        // that is killed leaves no half file.
        let aside = scratch_dir.join(format!("env-{}", std::process::id()));
        drop(std::fs::remove_file(&aside));
        write_private(&aside, &self.text).map_err(failed)?;
        let linked = std::fs::hard_link(&aside, &target);
        drop(std::fs::remove_file(&aside));
        match linked {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            // The file system has no hard links. This way never replaces a file either, but a run that is killed may
            // leave half a file.
            Err(_) => match write_private(&target, &self.text) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
                Err(error) => Err(failed(error).into()),
            },
        }
    }
}

/// The problem that `.env` can't be made.
pub(super) fn cannot_be_made(root: &Path, error: &std::io::Error) -> Problem {
    Problem::failed(Code::FileUnwritable, format!("{FILE} can't be made in {}: {error}.", root.display()))
        .remedy("Make the folder writable for you, then run: cargo xtask db-setup")
}

/// Returns the text of `.env` if it is the contract's text with other ports in its URLs at most.
pub(super) fn copy_of(contract: &[u8], file: &[u8], url_variables: &[&str]) -> Option<String> {
    let text = String::from_utf8(file.to_vec()).ok()?;
    let mut expected = NewFile { text: String::from_utf8_lossy(contract).into_owned(), replaces: None };
    let (from, to) = (EnvFile::parse(contract), EnvFile::parse(file));
    for variable in url_variables {
        let (Some(old), Some(new)) = (from.get(variable), to.get(variable)) else { continue };
        if let (Ok(mut url), Ok(now)) = (database_url::parse(variable, old), database_url::parse(variable, new))
            && url.address.port != now.address.port
        {
            url.set_port(now.address.port);
            expected.replace(variable, old, url.with_password());
        }
    }
    (expected.text == text).then_some(text)
}
