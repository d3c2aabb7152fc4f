//! The snapshots of the databases, as a listing.

use super::event::ListedSnapshot;
use super::foreign::in_one_line;
use super::text::listing;

/// The lines for people.
pub(super) fn lines(snapshots: &[ListedSnapshot]) -> String {
    let rows = snapshots.iter().map(|snapshot| {
        let ListedSnapshot { name, branch, at, bytes, databases, missing, other_checkout } = snapshot;
        let lacks = if missing.is_empty() { String::new() } else { format!(", but not {}", missing.join(", ")) };
        let at = at.replace('T', " ").replace('Z', " UTC");
        let branch = branch.as_deref().unwrap_or_default();
        let other = other_checkout.as_deref().unwrap_or("this checkout");
        [name, branch, &at, &size(*bytes), &format!("{}{lacks}", databases.join(", ")), other].map(in_one_line)
    });
    let header = ["Name", "Branch", "Made", "Size", "Databases", "Belongs to"];
    listing("List of snapshots", header, &rows.collect::<Vec<_>>())
}

/// A number of bytes, as people read it: `7.9 MB`.
pub(super) fn size(bytes: i64) -> String {
    format!("{:.1} MB", bytes as f64 / f64::from(1 << 20))
}
