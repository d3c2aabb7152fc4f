//! The archive that is wanted, and the check that some bytes are this archive.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use clap::Args;
use sha2::{Digest, Sha256};

/// A wheel, which is a zip file, with all that is known about it before.
#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct Archive {
    /// The name by which pip knows the package
    #[arg(long)]
    pub(crate) package: String,

    /// The version of the package
    #[arg(long)]
    pub(crate) version: String,

    /// Where its publisher serves it
    #[arg(long)]
    pub(crate) url: String,

    /// Its length in bytes
    #[arg(long)]
    pub(crate) size: u64,

    /// The SHA-256 of the whole file, in hexadecimal digits
    #[arg(long)]
    pub(crate) sha256: String,
}

impl Archive {
    /// The name of the file.
    pub(crate) fn file(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or(&self.url)
    }

    /// Reads a file if it is this archive. The bytes that were checked are returned, because the file could change later.
    ///
    /// # Errors
    /// The file can't be read, or it is another one. The text ends without a full stop.
    pub(crate) fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| format!("{} can't be read: {error}", path.display()))?;
        // One byte more shows that the file is too long.
        file.take(self.size + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| format!("{} can't be read: {error}", path.display()))?;
        let length = bytes.len() as u64;
        if length != self.size {
            let more = if length > self.size { "more".to_owned() } else { format!("{length}") };
            return Err(format!("the file has {more} bytes, and the one in this repository's table has {}", self.size));
        }
        let sum: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if sum != self.sha256 {
            return Err(format!(
                "the file has the SHA-256 {sum}, and the one in this repository's table has {}",
                self.sha256
            ));
        }
        Ok(bytes)
    }
}
