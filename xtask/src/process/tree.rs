//! The processes below a child, also those that have left its process group: tests, and what tests have started.
//!
//! A process whose parent has ended belongs to nobody that is known. So the processes are looked for while their parents
//! still run, or by a variable in their environment. Linux tells both in a file system, and other systems through `ps`.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long the processes may take to end by themselves when their parents have ended. Tests then remove what they made.
const ALONE: Duration = Duration::from_secs(2);

/// How long they may take after they were asked to end. A run of this program first ends its own children.
const ASKED: Duration = Duration::from_secs(15);

/// The pause between two looks.
const POLL: Duration = Duration::from_millis(20);

/// Processes, with the times of their starts. A number that the system has given to another process has another time.
#[derive(Default)]
pub(super) struct Tree(BTreeMap<i32, u64>);

/// What the system says of a process.
struct Stat {
    parent: i32,
    group: i32,
    started: u64,
}

impl Tree {
    /// The tree below these processes.
    pub(super) fn below(children: &[i32]) -> Self {
        let all = processes();
        let known = children.iter().filter_map(|child| Some((*child, all.get(child)?.started))).collect();
        let mut tree = Self(known);
        tree.grow(&all);
        tree
    }

    /// The processes whose environment has the mark in the variable, and the tree below them.
    pub(super) fn marked(variable: &str, mark: &str) -> Self {
        let (all, marked) = (processes(), with_mark(variable, mark));
        let mut tree =
            Self(marked.into_iter().filter_map(|number| Some((number, all.get(&number)?.started))).collect());
        tree.grow(&all);
        tree
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what the processes have started meanwhile. Returns whether one of them may still run in one of these groups.
    pub(super) fn look(&mut self, groups: &[i32]) -> bool {
        let all = processes();
        self.grow(&all);
        all.is_empty() || all.iter().any(|(number, stat)| self.0.contains_key(number) && groups.contains(&stat.group))
    }

    fn grow(&mut self, all: &BTreeMap<i32, Stat>) {
        loop {
            let is_known = |number: &i32| {
                self.0.get(number).is_some_and(|started| all.get(number).is_some_and(|stat| stat.started == *started))
            };
            let new: Vec<_> =
                all.iter().filter(|(number, stat)| !self.0.contains_key(*number) && is_known(&stat.parent)).collect();
            if new.is_empty() {
                return;
            }
            let new: Vec<_> = new.into_iter().map(|(number, stat)| (*number, stat.started)).collect();
            self.0.extend(new);
        }
    }

    /// Ends all that still run. The child itself must have ended.
    pub(super) fn end(mut self) {
        for (signal, patience) in [(None, ALONE), (Some(Signal::SIGTERM), ASKED), (Some(Signal::SIGKILL), ALONE)] {
            if let Some(signal) = signal {
                for number in self.left() {
                    let _ = kill(Pid::from_raw(number), signal);
                }
            }
            let deadline = Instant::now() + patience;
            while !self.left().is_empty() {
                if Instant::now() > deadline {
                    break;
                }
                std::thread::sleep(POLL);
            }
        }
    }

    /// Returns the processes that still run.
    fn left(&mut self) -> Vec<i32> {
        let all = processes();
        self.grow(&all);
        self.0.retain(|number, started| all.get(number).is_some_and(|stat| stat.started == *started));
        self.0.keys().copied().collect()
    }
}

/// Returns the processes that run. One that has ended and that nobody has waited for doesn't run.
fn processes() -> BTreeMap<i32, Stat> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let process = |entry: std::fs::DirEntry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        let text = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name, which stands in parentheses, may have any character in it.
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<_> = rest.split(' ').collect();
        let ended = ["Z", "X", "x"].contains(fields.first()?);
        let stat = Stat {
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        };
        (!ended).then_some((number, stat))
    };
    let all: BTreeMap<_, _> = entries.filter_map(process).collect();
    if all.is_empty() { from_ps(&ps(&["-axo", "pid=,ppid=,pgid=,stat=,lstart="])) } else { all }
}

/// Returns the processes whose environment has the mark in the variable.
fn with_mark(variable: &str, mark: &str) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers: Vec<i32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    if numbers.is_empty() {
        let shown = ps(&["-axEwwo", "pid=,command="]);
        let is_marked = |line: &&str| line.split_once(variable).is_some_and(|(_, rest)| rest.contains(mark));
        return shown
            .lines()
            .filter(is_marked)
            .filter_map(|line| line.split_whitespace().next()?.parse().ok())
            .collect();
    }
    let is_marked = |number: &i32| {
        let environment = std::fs::read(format!("/proc/{number}/environ")).unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        variables.any(|text| text.split_once('=').is_some_and(|(name, value)| name == variable && value.contains(mark)))
    };
    numbers.into_iter().filter(is_marked).collect()
}

/// What `ps` says about all processes. It says nothing if it can't be run.
fn ps(args: &[&str]) -> String {
    let output = std::process::Command::new("ps").args(args).env("LC_ALL", "C").output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// Reads the columns pid, ppid, pgid, stat and lstart. The time of the start is all that is asked of the last one, so a
/// hash of it is enough.
fn from_ps(text: &str) -> BTreeMap<i32, Stat> {
    let process = |line: &str| {
        let mut fields = line.split_whitespace();
        let number = fields.next()?.parse().ok()?;
        let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let ended = fields.next()?.starts_with('Z');
        let mut started = DefaultHasher::new();
        fields.for_each(|field| field.hash(&mut started));
        let started = started.finish();
        (!ended).then_some((number, Stat { parent, group, started }))
    };
    text.lines().filter_map(process).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    /// Where there is no /proc, `ps` has to tell the same.
    #[test]
    fn ps_tells_the_same() {
        let own = i32::try_from(std::process::id()).unwrap();
        let (one, other) =
            (super::processes(), super::from_ps(&super::ps(&["-axo", "pid=,ppid=,pgid=,stat=,lstart="])));
        assert_eq!((one[&own].parent, one[&own].group), (other[&own].parent, other[&own].group));
    }
}
