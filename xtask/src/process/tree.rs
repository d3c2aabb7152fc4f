//! The processes below a child, also those that have left its process group: tests, and what tests have started.
//!
//! A process whose parent has ended belongs to nobody that is known. So the processes are looked for while their parents
//! still run. Only Linux tells the parents in a file system. Elsewhere, only the child's group is ended.

use std::collections::BTreeMap;
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
    entries.filter_map(process).collect()
}
