//! Events as JSON, one object a line, on stdout.

use std::io::Write;

use super::event::Event;

pub(super) fn show(event: &Event<'_>) {
    if let Ok(line) = serde_json::to_string(event) {
        // When the reader of the lines has gone away, the work goes on without it.
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}
