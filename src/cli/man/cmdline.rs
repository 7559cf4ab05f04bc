//! measureroot.cmdline(7), made from docs/parameters.md, so that each parameter is described in one place.

use roff::{Roff, bold};

use super::markup::{inline, titled};

const PARAMETERS: &str = include_str!("../../../docs/parameters.md");

/// The whole page.
pub(super) fn page() -> Roff {
    let mut page = titled("MEASUREROOT.CMDLINE", "7");
    page.control("SH", ["NAME"]);
    page.text(inline("measureroot.cmdline - the parameters of a measured boot on the kernel's command line"));
    page.control("SH", ["DESCRIPTION"]);
    page.text(inline("As PID 1 of an initramfs, measureroot reads these parameters from `/proc/cmdline`."));
    for (heading, text) in chapters() {
        page.control("SH", [heading.to_uppercase().as_str()]);
        for part in text.split("\n\n") {
            write(&mut page, &without_links(part));
        }
    }
    page.control("SH", ["SEE ALSO"]);
    page.text(inline("`measureroot`(8), `kernel-command-line`(7), `bootparam`(7), `veritysetup`(8)"));
    page
}

/// The headings, each with the text up to the next one. What stands before the first one is for readers of the other pages.
fn chapters() -> impl Iterator<Item = (&'static str, &'static str)> {
    let chapters = PARAMETERS.split("\n## ").skip(1).filter_map(|chapter| chapter.split_once('\n'));
    chapters.map(|(heading, text)| (heading, text.trim()))
}

/// Writes a paragraph, a list or a table.
fn write(page: &mut Roff, part: &str) {
    match table(part) {
        Some(rows) => entries(page, &rows),
        None => match part.strip_prefix("* ") {
            Some(items) => {
                for item in items.split("\n* ") {
                    page.control("IP", ["*", "2"]).text(inline(&in_one_line(item)));
                }
            }
            None => {
                page.control("PP", []).text(inline(&part.replace('\n', " ")));
            }
        },
    }
}

/// An item of a list: its further lines are indented.
fn in_one_line(item: &str) -> String {
    item.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// Leaves the words of each link, and drops where it leads: there are no pages beside a manual page.
fn without_links(markdown: &str) -> String {
    let mut parts = markdown.split("](");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if let Some(start) = text.rfind('[') {
            text.remove(start);
        }
        text += part.split_once(')').map_or(part, |(_, rest)| rest);
    }
    text
}

/// The rows of a table, without its head; `None` if the part is not a table.
fn table(part: &str) -> Option<Vec<Vec<&str>>> {
    let mut rows = part.lines().map(|line| line.strip_prefix("| ")?.strip_suffix('|'));
    rows.next()??;
    Some(part.lines().skip(2).map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect())
}

fn entries(page: &mut Roff, rows: &[Vec<&str>]) {
    for row in rows {
        let [name, meaning, rest @ ..] = row.as_slice() else { continue };
        page.control("TP", []).text([bold(name.replace('`', ""))]).text(inline(meaning));
        if let Some(default) = rest.first().filter(|default| !default.is_empty()) {
            page.control("IP", []).text(inline(&format!("Default: {default}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_of_each_table_is_an_entry() {
        let rows =
            |start: &str| chapters().flat_map(|(_, text)| text.lines()).filter(|line| line.starts_with(start)).count();
        // A table has a row of headings, and a line below it.
        let (rows, tables) = (rows("| "), rows("|---"));
        let text = page().render();
        assert!(rows > 50 && tables == 3, "{rows}, {tables}");
        assert_eq!(text.lines().filter(|line| *line == ".TP").count(), rows - tables, "{text}");
    }

    #[test]
    fn each_own_parameter_is_an_entry() {
        let text = page().to_roff();
        for name in crate::cmdline::own_names::ALL {
            let entry = |line: &str| line.starts_with("\\fB") && line.contains(&format!("{name}="));
            assert!(text.lines().any(entry), "{name}: {text}");
        }
    }

    #[test]
    fn each_heading_is_there_and_no_markdown_is_left() {
        let text = page().to_roff();
        for (heading, _) in chapters() {
            assert!(text.contains(&heading.to_uppercase()), "{heading}: {text}");
        }
        for markup in ["](", "[Mount", "**", "|---", ".md#"] {
            assert!(!text.contains(markup), "{markup}: {text}");
        }
    }

    #[test]
    fn a_link_leaves_its_words() {
        let table = [
            ("see [Mount options](#mount-options); others", "see Mount options; others"),
            ("[a](b.md) [c](d.md#e)", "a c"),
            ("array[0] has [none", "array[0] has [none"),
            ("cut [off](", "cut off"),
        ];
        for (markdown, text) in table {
            assert_eq!(without_links(markdown), text);
        }
    }
}
