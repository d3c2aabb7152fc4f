//! The guard before a checkout's databases are thrown away: they are on this machine, they carry this checkout's stamp, and
//! nothing says that they are those of production.

use super::loss::Other;
use crate::problem::{Code, Problem, Problems};
use crate::stamp::{Claim, Stamp, Whose};
use crate::target::Target;

/// What the settings say about production.
pub(crate) struct Guard<'a> {
    pub(crate) claim: &'a Claim,
    /// The variable that says which environment the settings are of, and its value in production.
    pub(crate) production: (&'a str, &'a str),
}

impl Guard<'_> {
    /// Refuses settings whose databases must not be thrown away, whatever is in them.
    ///
    /// # Errors
    /// All reasons.
    pub(crate) fn check_settings(&self, targets: &[Target<'_>]) -> Result<(), Problems> {
        let remote = targets.iter().map(|target| &target.url).filter(|url| !url.address.is_loopback()).map(|url| {
            let (host, variable) = (&url.address.host, &url.variable);
            let what = format!("{host} ({variable}) isn't this machine, so nothing is thrown away there.");
            Problem::unavailable(Code::RemoteHost, what)
                .detail("No option allows it.")
                .remedy(format!("Write localhost into {variable}, then run the same command again."))
        });
        let who = format!("{} in the settings", self.production.0);
        let production = self.production_says("Nothing", &who, self.claim.environment.as_deref());
        Problems(remote.chain(production).collect()).into_result()
    }

    fn production_says(&self, what: &str, who: &str, environment: Option<&str>) -> Option<Problem> {
        let environment = environment.filter(|environment| {
            let production = [self.production.1, "production", "prod"];
            production.iter().any(|name| environment.eq_ignore_ascii_case(name))
        })?;
        let what = format!("{what} is thrown away, because {who} says {environment}.");
        Some(Problem::failed(Code::Production, what))
    }

    /// Refuses databases that must not be thrown away. Each comes with the stamp that it has.
    ///
    /// # Errors
    /// All reasons, for all databases.
    pub(crate) fn check<'t>(
        &self,
        databases: impl IntoIterator<Item = (&'t Target<'t>, Option<Stamp>)>,
    ) -> Result<(), Problems> {
        let databases = databases.into_iter();
        Problems(databases.flat_map(|(target, stamp)| self.reasons(target, stamp)).collect()).into_result()
    }

    /// Refuses a server on which other databases must not be thrown away: those of another checkout that is there, and those of
    /// production.
    ///
    /// # Errors
    /// All reasons, for all databases.
    pub(crate) fn check_others(&self, others: &[Other]) -> Result<(), Problems> {
        let mut reasons = Vec::new();
        for Other { name, stamp, .. } in others {
            let Some(stamp) = stamp else { continue };
            reasons.extend(self.production_says(
                &format!("Nothing of {name}"),
                "its stamp",
                stamp.environment.as_deref(),
            ));
            if self.claim.is_others(stamp) {
                let what = format!("{name} belongs to another checkout, so its server isn't deleted: {stamp}.");
                reasons.push(Problem::unavailable(Code::OtherCheckout, what).detail("Nothing was deleted."));
            }
        }
        Problems(reasons).into_result()
    }

    fn reasons(&self, target: &Target<'_>, stamp: Option<Stamp>) -> Vec<Problem> {
        let url = &target.url;
        let name = url.kept_name();
        let environment = stamp.as_ref().and_then(|stamp| stamp.environment.as_deref());
        let production = self.production_says(&format!("Nothing of {name}"), "its stamp", environment);
        let mut reasons: Vec<_> = production.into_iter().collect();
        match self.claim.whose(stamp.clone(), &url.address) {
            Whose::Ours => {}
            Whose::Free(None) => {
                let what =
                    format!("{name} carries no stamp of a checkout, so it may be anybody's and isn't thrown away.");
                reasons.push(Problem::failed(Code::NotOurs, what).remedy(format!(
                    "If it is this checkout's: cargo xtask db-setup, then the same command again. If that fails because of \
                     its history, drop it yourself: cargo xtask sqlx {} database drop, then cargo xtask db-setup",
                    target.database.name
                )));
            }
            Whose::Shared | Whose::Free(Some(_)) | Whose::Remote(_) | Whose::Others(_) => {
                let whose = stamp.map(|stamp| stamp.to_string()).unwrap_or_default();
                let what = format!("{name} belongs to another checkout, so it isn't thrown away: {whose}.");
                let code = Code::OtherCheckout;
                reasons.push(Problem::unavailable(code, what).remedy(
                    "Run the command in that checkout. If it is gone, take the database over first: cargo xtask db-setup",
                ));
            }
        }
        reasons
    }
}
