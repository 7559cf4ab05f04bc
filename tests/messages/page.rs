//! The messages and the steps that the page lists.

use std::fs;
use std::path::Path;

/// The cells of the first column of all tables whose first heading is `heading`, without their quotes.
pub(crate) fn first_column(root: &Path, heading: &str) -> Vec<String> {
    let text = fs::read_to_string(root.join("docs/troubleshooting.md")).unwrap();
    let (mut cells, mut is_inside) = (Vec::new(), false);
    for line in text.lines() {
        match line.strip_prefix("| ").and_then(|row| row.split(" | ").next()) {
            Some(first) if first == heading => is_inside = true,
            Some(first) if is_inside => {
                cells.extend(first.split("<br>").map(|cell| {
                    let inside = cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`'));
                    inside.unwrap_or_else(|| panic!("not in backticks: {cell}")).to_owned()
                }));
            }
            // The line under the heading.
            None if line.starts_with("|-") => {}
            _ => is_inside = false,
        }
    }
    cells
}
