//! The system that this program runs on, and the commands that install or start something there. They are the only place that
//! knows the names of packages.

use std::env::consts::OS;

/// A kind of system, known by its package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Debian,
    Ubuntu,
    Fedora,
    /// Red Hat and what is built from it. It has no package of Docker.
    RedHat,
    Arch,
    Alpine,
    NixOs,
    MacOs,
    Windows,
    Other,
}

impl System {
    /// Finds out which system this is.
    pub(crate) fn this() -> Self {
        match OS {
            "macos" => Self::MacOs,
            "windows" => Self::Windows,
            _ => Self::of(&std::fs::read_to_string("/etc/os-release").unwrap_or_default()),
        }
    }

    /// Reads os-release: the system's own name, or else the names of those that it is built from.
    /// <https://www.freedesktop.org/software/systemd/man/latest/os-release.html>
    fn of(os_release: &str) -> Self {
        let value = |key: &str| {
            let line = os_release.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
        };
        let known = |name: &str| match name {
            "debian" => Some(Self::Debian),
            "ubuntu" => Some(Self::Ubuntu),
            "fedora" => Some(Self::Fedora),
            "rhel" | "centos" => Some(Self::RedHat),
            "arch" => Some(Self::Arch),
            "alpine" => Some(Self::Alpine),
            "nixos" => Some(Self::NixOs),
            _ => None,
        };
        let (id, like) = (value("ID"), value("ID_LIKE"));
        [id.as_str()].into_iter().chain(like.split_whitespace()).find_map(known).unwrap_or(Self::Other)
    }

    /// How PostgreSQL is installed.
    pub(crate) fn install_postgresql(self) -> String {
        match self {
            Self::Debian | Self::Ubuntu => as_root("apt-get install postgresql"),
            Self::Fedora | Self::RedHat => as_root("dnf install postgresql-server"),
            Self::Arch => as_root("pacman -S postgresql"),
            Self::Alpine => as_root("apk add postgresql"),
            Self::NixOs => "nix-shell -p postgresql, and run this command there".to_owned(),
            Self::MacOs => "brew install postgresql@17".to_owned(),
            Self::Windows => "winget install PostgreSQL.PostgreSQL.17".to_owned(),
            Self::Other => "https://www.postgresql.org/download/".to_owned(),
        }
    }

    /// How psql is installed, without a server.
    pub(crate) fn install_psql(self) -> String {
        match self {
            Self::Debian | Self::Ubuntu => as_root("apt-get install postgresql-client"),
            Self::Fedora | Self::RedHat => as_root("dnf install postgresql"),
            Self::Arch => as_root("pacman -S postgresql-libs"),
            Self::Alpine => as_root("apk add postgresql-client"),
            Self::MacOs => "brew install libpq && brew link --force libpq".to_owned(),
            Self::NixOs | Self::Windows | Self::Other => self.install_postgresql(),
        }
    }

    /// How Docker is installed, with compose.
    pub(crate) fn install_docker(self) -> String {
        match self {
            Self::Debian => as_root("apt-get install docker.io docker-compose"),
            Self::Ubuntu => as_root("apt-get install docker.io docker-compose-v2"),
            Self::Fedora => as_root("dnf install moby-engine docker-compose"),
            Self::Arch => as_root("pacman -S docker docker-compose"),
            Self::Alpine => as_root("apk add docker docker-cli-compose"),
            Self::NixOs => format!(
                "write virtualisation.docker.enable = true; into /etc/nixos/configuration.nix, then: {}",
                as_root("nixos-rebuild switch")
            ),
            Self::MacOs => "brew install --cask docker-desktop".to_owned(),
            Self::Windows => "winget install Docker.DockerDesktop".to_owned(),
            Self::RedHat | Self::Other => "https://docs.docker.com/get-started/get-docker/".to_owned(),
        }
    }

    /// How compose is added to a Docker that is there.
    pub(crate) fn install_compose(self) -> String {
        match self {
            Self::Debian => as_root("apt-get install docker-compose"),
            Self::Ubuntu => as_root("apt-get install docker-compose-v2"),
            Self::Fedora => as_root("dnf install docker-compose"),
            Self::Arch => as_root("pacman -S docker-compose"),
            Self::Alpine => as_root("apk add docker-cli-compose"),
            Self::MacOs => "brew install docker-compose".to_owned(),
            Self::NixOs | Self::Windows | Self::RedHat | Self::Other => {
                "https://docs.docker.com/compose/install/".to_owned()
            }
        }
    }

    /// How Docker's engine is started.
    pub(crate) fn start_docker(self) -> String {
        match self {
            Self::MacOs => "open -a Docker".to_owned(),
            Self::Windows => "start Docker Desktop".to_owned(),
            Self::Alpine => as_root("rc-service docker start"),
            _ => as_root("systemctl start docker"),
        }
    }

    /// How this user gets the permission to use Docker's engine.
    pub(crate) fn join_docker(self) -> String {
        match self {
            Self::Alpine => as_root("addgroup $USER docker"),
            _ => as_root("usermod --append --groups docker $USER"),
        }
    }
}

/// A command line for root, as this user has to type it.
fn as_root(command: &str) -> String {
    #[cfg(unix)]
    if nix::unistd::geteuid().is_root() {
        return command.to_owned();
    }
    match ["sudo", "doas"].into_iter().find(|program| which::which(program).is_ok()) {
        Some(program) => format!("{program} {command}"),
        None => format!("as root: {command}"),
    }
}

#[cfg(test)]
mod tests {
    use super::System;

    /// The lines of the systems' own files.
    #[test]
    fn systems_are_known_by_their_name_or_by_what_they_are_built_from() {
        for (os_release, system) in [
            ("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n", System::Debian),
            ("NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian\n", System::Ubuntu),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", System::Ubuntu),
            ("ID=raspbian\nID_LIKE=debian\n", System::Debian),
            ("ID=fedora\nVARIANT_ID=workstation\n", System::Fedora),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", System::RedHat),
            ("ID=manjaro\nID_LIKE=arch\n", System::Arch),
            ("ID=alpine\n", System::Alpine),
            ("ID=nixos\n", System::NixOs),
            ("ID=plan9\n", System::Other),
            ("", System::Other),
        ] {
            assert_eq!(System::of(os_release), system, "{os_release}");
        }
    }
}
