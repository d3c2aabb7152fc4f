//! Runs of the program, with archives that tests make.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The content of the file in an archive. It doesn't shrink much, so that a download takes several pieces.
fn content() -> Vec<u8> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..400_000).map(next).collect()
}

/// An archive with a program, a library, and files that nobody needs.
pub(crate) fn archive() -> Vec<u8> {
    zip(&[
        ("pg/bin/postgres", 0o755),
        ("pg/lib/some.so", 0o644),
        ("pg/lib/some.a", 0o644),
        ("pg/include/some.h", 0o644),
    ])
}

pub(crate) fn zip(names: &[(&str, u32)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, mode) in names {
        writer.start_file(*name, SimpleFileOptions::default().unix_permissions(*mode)).unwrap();
        writer.write_all(&content()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A place to fetch to, and what is fetched there.
pub(crate) struct Place {
    base: tempfile::TempDir,
    bytes: Vec<u8>,
    url: String,
}

/// The end of a run.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) succeeded: bool,
    pub(crate) said: String,
}

impl Place {
    pub(crate) fn new(bytes: &[u8], url: &str) -> Self {
        Self { base: tempfile::tempdir().unwrap(), bytes: bytes.to_vec(), url: url.to_owned() }
    }

    pub(crate) fn base(&self) -> &Path {
        self.base.path()
    }

    pub(crate) fn unpacked(&self) -> PathBuf {
        self.base().join("cache/1-abc")
    }

    pub(crate) fn part(&self) -> PathBuf {
        self.base().join("cache/1-abc.part")
    }

    /// Leaves the beginning of a download there, as a run that was killed does.
    pub(crate) fn leave(&self, bytes: &[u8]) {
        std::fs::create_dir_all(self.base().join("cache")).unwrap();
        std::fs::write(self.part(), bytes).unwrap();
    }

    /// A run with a search path that has no pip.
    pub(crate) fn command(&self) -> Command {
        let sum: String = Sha256::digest(&self.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask-fetch"));
        command.env_clear().env("PATH", self.base().join("empty"));
        command.args(["archive", "--package", "build", "--version", "1", "--url", &self.url, "--sha256", &sum]);
        command.args(["--size", &self.bytes.len().to_string(), "--patience", "2", "--into"]).arg(self.unpacked());
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self) -> Ended {
        end(&mut self.command())
    }

    /// Writes a script that stands in for pip. Returns its folder.
    pub(crate) fn pip(&self, script: &str) -> PathBuf {
        let folder = self.base().join("pip");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("pip3"), format!("#!/bin/sh\n{script}\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.join("pip3"), mode).unwrap();
        folder
    }

    /// The names in the folder of the cache, without the lock.
    pub(crate) fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.base().join("cache")).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.retain(|name| name != "lock");
        names.sort();
        names
    }

    /// Fails unless the archive was unpacked, and nothing else is left.
    #[track_caller]
    pub(crate) fn assert_there(&self, ended: &Ended) {
        assert!(ended.succeeded, "{ended:?}");
        assert_eq!(self.left(), ["1-abc"], "{ended:?}");
        assert_eq!(std::fs::read(self.unpacked().join("pg/bin/postgres")).unwrap(), content());
    }

    /// Fails unless the run failed, said all of this, and left nothing.
    #[track_caller]
    pub(crate) fn assert_failed(&self, ended: &Ended, words: &[&str]) {
        assert!(!ended.succeeded, "{ended:?}");
        for word in words {
            assert!(ended.said.contains(word), "{word} isn't in {ended:?}");
        }
        assert!(self.left().is_empty(), "{:?} {ended:?}", self.left());
    }
}

pub(crate) fn end(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\\\"", "\"");
    Ended { succeeded: output.status.success(), said: text(&output.stdout) + &text(&output.stderr) }
}
