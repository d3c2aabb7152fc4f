//! Events as JSON on stdout, one object on each line.

use std::io::Write;

use super::event::Event;

pub(super) fn show(event: &Event<'_>) {
    if let Ok(line) = serde_json::to_string(event) {
        // If the reader of the lines is gone, the work goes on without it.
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}
