//! Shows results as tables.

use comfy_table::{CellAlignment, Table, presets};

use crate::comparison::{Cpu, Results, Row};
use crate::programs::Missing;

/// The unit of all times in a table.
#[derive(Clone, Copy)]
enum Unit {
    Milliseconds,
    Seconds { decimals: usize },
}

impl Unit {
    /// Chooses the unit that fits the longest of these times.
    fn of(seconds: impl IntoIterator<Item = f64>) -> Self {
        match seconds.into_iter().fold(0.0, f64::max) {
            longest if longest < 0.9995 => Self::Milliseconds,
            longest if longest < 10.0 => Self::Seconds { decimals: 3 },
            longest if longest < 100.0 => Self::Seconds { decimals: 2 },
            _ => Self::Seconds { decimals: 1 },
        }
    }

    fn show(self, seconds: f64) -> String {
        match self {
            Self::Milliseconds => format!("{:.1} ms", seconds * 1000.0),
            Self::Seconds { decimals } => format!("{seconds:.decimals$} s"),
        }
    }
}

/// A table of one comparison with a heading. Each command has a line.
pub(super) fn long(results: &Results) -> String {
    let Results { subject, title, runs, rows, cpu, budget, .. } = results;
    let other = results.compared_to();
    let mut heading = format!("{subject}: {title}\n  ");
    heading.push_str(&match runs {
        1 => "1 run each".to_owned(),
        runs => format!("{runs} runs each, in turn"),
    });
    if let Some(other) = other {
        heading.push_str(&format!("; the ratio compares the medians with \"{}\"", other.name));
        if let Some(budget) = budget {
            heading.push_str(&format!("; its budget is {budget:.2}"));
        }
    }

    let unit = Unit::of(rows.iter().flat_map(|row| [row.wall.max, row.cpu.median]));
    let mut table = table();
    let mut titles = vec!["command", "min", "median", "max", "ratio"];
    match cpu {
        Cpu::Hidden => {}
        Cpu::Time => titles.extend(["CPU", "ratio"]),
        Cpu::Share => titles.push("cores busy"),
    }
    table.set_header(titles);
    for row in rows {
        let ratio = other.and_then(|other| row.wall.ratio(&other.wall));
        let mut cells = vec![row.name.clone()];
        cells.extend([row.wall.min, row.wall.median, row.wall.max].map(|time| unit.show(time)));
        cells.push(shown_ratio(ratio));
        match cpu {
            Cpu::Hidden => {}
            Cpu::Time => {
                cells.push(unit.show(row.cpu.median));
                cells.push(shown_ratio(other.and_then(|other| row.cpu.ratio(&other.cpu))));
            }
            Cpu::Share => cells.push(row.share().map_or_else(String::new, |share| format!("{:.0} %", 100.0 * share))),
        }
        table.add_row(cells);
    }
    format!("{heading}\n{}\n", finished(table, 1))
}

/// One table of all comparisons. Each command that has a peer has a line.
pub(super) fn short(all: &[Results]) -> String {
    let mut table = table();
    table.set_header(["what", "peer", "cargo xtask", "peer", "ratio"]);
    for results in all {
        let peer = results.rows.iter().find(|row| row.peer);
        for row in results.rows.iter().filter(|row| !row.peer) {
            let unit = Unit::of(peer.into_iter().chain([row]).map(|row| row.wall.median));
            let shown = |row: &Row| unit.show(row.wall.median);
            table.add_row([
                format!("{}: {}", results.subject, what(results, row)),
                peer.map_or_else(|| "not installed".to_owned(), |peer| peer.name.clone()),
                shown(row),
                peer.map_or_else(String::new, shown),
                shown_ratio(peer.and_then(|peer| row.wall.ratio(&peer.wall))),
            ]);
        }
    }
    format!("Medians, measured in turn; a ratio below 1 means that cargo xtask is faster\n{}\n", finished(table, 2))
}

/// The title, and the part of the command's name that differs from other commands of the comparison.
fn what(results: &Results, row: &Row) -> String {
    match row.name.split_once(", ") {
        Some((_, difference)) => format!("{}, {difference}", results.title),
        None => results.title.clone(),
    }
}

/// The lines about a command that can't be measured.
pub(super) fn missing(missing: &Missing) -> String {
    let Missing { command, why, remedies } = missing;
    let mut text = format!("  Not measured: {command}. {why}.");
    remedies.iter().for_each(|remedy| text.push_str(&format!("\n    → {remedy}")));
    text.push('\n');
    text
}

fn shown_ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"))
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

/// The table's text. All columns after the first `names` columns are aligned to the right.
fn finished(mut table: Table, names: usize) -> String {
    for column in table.column_iter_mut().skip(names) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.lines().map(|line| format!(" {}", line.trim_end())).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Unit, long, short};
    use crate::bench::Took;
    use crate::comparison::{Cpu, Results, Row};

    fn results(cpu: Cpu) -> Results {
        let row = |name: &str, peer: bool, times: [f64; 3]| {
            Row::of(name, peer, &times.map(|wall| Took { wall, cpu: wall * 2.0 })).unwrap()
        };
        Results {
            subject: "db-setup",
            case: "nothing".to_owned(),
            title: "nothing to do".to_owned(),
            revision: "8ce1ad90".to_owned(),
            runs: 3,
            cpu,
            compared: true,
            rows: vec![
                row("cargo xtask db-setup", false, [0.022, 0.020, 0.025]),
                row("sqlx-cli", true, [0.2, 0.1, 0.3]),
            ],
            budget: Some(0.3),
            missing: Vec::new(),
        }
    }

    #[test]
    fn a_line_for_each_command() {
        let text = long(&results(Cpu::Hidden));
        let lines: Vec<&str> = text.lines().collect();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(lines[0], "db-setup: nothing to do");
        assert!(lines[1].contains("3 runs each") && lines[1].contains("\"sqlx-cli\""), "{text}");
        assert!(lines[1].ends_with("; its budget is 0.30"), "{text}");
        assert_eq!(words(lines[2]), ["command", "min", "median", "max", "ratio"]);
        let numbers = ["20.0", "ms", "22.0", "ms", "25.0", "ms", "0.11"];
        assert_eq!(words(lines[3]), [&["cargo", "xtask", "db-setup"][..], &numbers].concat());
        assert_eq!(words(lines[4]).last().unwrap(), "1.00");
        // The columns stand below each other.
        assert_eq!(lines[3].len(), lines[4].len());
    }

    #[test]
    fn processor_time_has_columns_of_its_own() {
        assert!(long(&results(Cpu::Time)).contains("44.0 ms"));
        assert!(long(&results(Cpu::Share)).contains("cores busy"));
    }

    #[test]
    fn the_short_table_names_what_is_not_installed() {
        let mut alone = results(Cpu::Hidden);
        alone.rows.pop();
        let text = short(&[results(Cpu::Hidden), alone]);
        assert!(text.contains("22.0 ms") && text.contains("200.0 ms") && text.contains("0.11"), "{text}");
        assert!(text.contains("not installed"), "{text}");
    }

    #[test]
    fn the_unit_fits_the_longest_time() {
        let show = |times: &[f64]| Unit::of(times.iter().copied()).show(times[0]);
        assert_eq!(show(&[0.0123, 0.4]), "12.3 ms");
        assert_eq!(show(&[0.5, 1.5]), "0.500 s");
        assert_eq!(show(&[2.0, 151.0]), "2.0 s");
    }
}
