//! Where Docker's engine is. Nothing is started on another machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::database_url::Address;
use crate::interrupt::Interrupt;
use crate::process::Child;

/// The address of Docker's engine, if it isn't on this machine. `DOCKER_HOST` or the context in use names it.
pub(super) fn remote(docker: Option<&Path>, question: Duration, interrupt: &Interrupt) -> Option<String> {
    let host = match std::env::var("DOCKER_HOST") {
        Ok(host) if !host.is_empty() => host,
        // The default context is this machine. For others, `context inspect` only reads files and doesn't ask the
        // engine.
        _ if !has_contexts() => return None,
        _ => {
            let format = "{{.Endpoints.docker.Host}}";
            let ended = Child::new(docker?, question).args(["context", "inspect", "--format", format]).run(interrupt);
            Some(ended.ok()?.stdout.trim().to_owned()).filter(|host| !host.is_empty())?
        }
    };
    // Docker takes an address without a scheme for TCP.
    let (scheme, rest) = host.split_once("://").unwrap_or(("tcp", &host));
    let name = rest.split(['/', '?']).next().unwrap_or_default();
    let name = name.rsplit_once('@').map_or(name, |(_, name)| name);
    let name = name.rsplit_once(':').map_or(name, |(name, _)| name).trim_matches(['[', ']']);
    let address = Address { host: name.to_owned(), port: 0 };
    let local =
        matches!(scheme, "unix" | "npipe" | "fd") || (scheme == "tcp" && (name.is_empty() || address.is_loopback()));
    // The user's name, and everything else before the host, may be a secret and isn't shown.
    (!local).then(|| format!("{scheme}://{name}"))
}

/// Returns whether a context other than the default one may be in use.
fn has_contexts() -> bool {
    if std::env::var_os("DOCKER_CONTEXT").is_some_and(|context| !context.is_empty()) {
        return true;
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker"));
    let config = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from).or_else(home);
    config.is_some_and(|dir| {
        std::fs::read_to_string(dir.join("config.json")).is_ok_and(|text| text.contains("currentContext"))
    })
}
