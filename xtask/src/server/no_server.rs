//! Why there is no server to use, and what would mend it.

use super::Provider;
use super::compose::Unusable;
use crate::database_url::Address;
use crate::env_file::Settings;
use crate::problem::Problem;

/// A provider that was skipped.
pub(crate) struct Skipped {
    pub(super) provider: Provider,
    pub(super) unusable: Unusable,
}

/// `--server compose` or `local`, and URLs that name anything but one port of this machine.
pub(super) fn not_startable(settings: &Settings<'_>) -> Problem {
    let named = settings.urls().map(|url| format!("{} names {}.", url.variable, url.address));
    Problem::unavailable(
        "What --server names starts one server, on a port of this machine, and the URLs say otherwise.",
    )
    .details(named)
    .remedy("Let them all name one port of localhost, or leave --server at auto.")
}

/// Adds how to get a server of one's own to a problem with the one that is there.
pub(super) fn ways_out(problem: Problem, settings: &Settings<'_>, address: &Address) -> Problem {
    let remedy = if settings.new_file.is_none() {
        let variables: Vec<_> = settings.urls().map(|url| url.variable.as_str()).collect();
        let (variables, port) = (variables.join(" and "), address.port.saturating_add(1));
        format!("take a server of your own: put a free port, such as {port}, into {variables} and type this again.")
    } else {
        "let db-setup choose the port: take the URLs out of the environment, and leave --server at auto.".to_owned()
    };
    problem.remedy(format!("or {remedy}"))
}

pub(super) fn who_listens(address: &Address) -> String {
    let port = address.port;
    let command = if cfg!(target_os = "linux") {
        format!("ss --listening --tcp --processes 'sport = :{port}'")
    } else {
        format!("lsof -nP -iTCP:{port} -sTCP:LISTEN")
    };
    format!("See what listens there: {command}")
}

pub(super) fn port_taken(settings: &Settings<'_>) -> Problem {
    let address = &settings.first_url().address;
    let what = format!("Port {} is taken by another program.", address.port);
    ways_out(Problem::unavailable(what).remedy(who_listens(address)), settings, address)
}

/// No server, with the reason of each rung.
pub(super) fn none(skipped: Vec<Skipped>) -> Problem {
    let mut problem = Problem::unavailable("There is no PostgreSQL to use.");
    for skipped in skipped {
        problem = problem
            .detail(format!("{}: {}.", skipped.provider.name(), skipped.unusable.why.trim_end_matches('.')))
            .remedy(skipped.unusable.remedy);
    }
    problem
}
