//! The state of each migration, of the files and of the history.

use super::super::texts;
use super::differences::Difference;
use super::{Applied, History};
use crate::report::status::{Migration, State};
use crate::workspace::Database;

impl History<'_> {
    /// Returns every migration of the files and of the rows, in the order of their versions. If one version was applied from
    /// another file, both are in it.
    pub(crate) fn migrations(&self, database: &Database, rows: &[Applied]) -> Vec<Migration> {
        let row_of = |version: i64| rows.iter().find(|row| row.version == version);
        let mut all = Vec::new();
        for file in &database.migrations {
            let version = file.migration.version;
            let state = self.state_of(version);
            let row = row_of(version).filter(|_| !matches!(state, State::Pending | State::OutOfOrder));
            all.push(migration(version, file.stem(), state, row));
        }
        for difference in &self.differences {
            let (version, description) = match difference {
                Difference::Missing(version, description) => (*version, description),
                Difference::Another(file, description) => (file.migration.version, description),
                _ => continue,
            };
            let name = texts::stem_of(database, version, description);
            all.push(migration(version, name, State::Missing, row_of(version)));
        }
        all.sort_by(|one, other| (one.version, &one.name).cmp(&(other.version, &other.name)));
        all
    }

    /// The state of the file with this version.
    fn state_of(&self, version: i64) -> State {
        let differs = self.differences.iter().find_map(|difference| {
            let (of, state) = match difference {
                Difference::Modified(file) | Difference::LineEndings(file) => (file.migration.version, State::Modified),
                Difference::Another(file, _) => (file.migration.version, State::Pending),
                Difference::Late(file, _) => (file.migration.version, State::OutOfOrder),
                Difference::Unfinished(version, _) => (*version, State::Unfinished),
                Difference::Missing(..) => return None,
            };
            (of == version).then_some(state)
        });
        let is_pending = self.pending.iter().any(|file| file.migration.version == version);
        differs.unwrap_or(if is_pending { State::Pending } else { State::Applied })
    }
}

fn migration(version: i64, name: String, state: State, row: Option<&Applied>) -> Migration {
    Migration {
        version,
        name,
        state,
        applied_at: row.map(|row| row.at.clone()),
        seconds: row.and_then(|row| row.took).map(|took| took.as_secs_f64()),
        branch: None,
        commit: None,
    }
}
