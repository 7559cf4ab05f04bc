//! measureroot.cmdline(7), made from README.md's chapter "Parameters", so that each parameter is described in one place.

use roff::{Roff, bold};

use super::markup::{inline, titled};

const README: &str = include_str!("../../../README.md");

/// The whole page.
pub(super) fn page() -> Roff {
    let mut page = titled("MEASUREROOT.CMDLINE", "7");
    page.control("SH", ["NAME"]);
    page.text(inline("measureroot.cmdline - the parameters of a measured boot on the kernel's command line"));
    page.control("SH", ["DESCRIPTION"]);
    page.text(inline("As PID 1 of an initramfs, measureroot reads these parameters from `/proc/cmdline`."));
    for part in chapter("Parameters").split("\n\n") {
        match table(part) {
            Some(rows) => parameters(&mut page, &rows),
            None => {
                page.control("PP", []).text(inline(&part.replace('\n', " ")));
            }
        }
    }
    page.control("SH", ["SEE ALSO"]);
    page.text(inline("`measureroot`(8), `kernel-command-line`(7), `bootparam`(7), `veritysetup`(8)"));
    page
}

/// The text under a heading, up to the next heading.
fn chapter(heading: &str) -> &'static str {
    let found = README.split("\n## ").find_map(|chapter| chapter.strip_prefix(heading));
    found.unwrap_or_default().trim()
}

/// The rows of a table, without its head; `None` if the part is not a table.
fn table(part: &str) -> Option<Vec<Vec<&str>>> {
    let mut rows = part.lines().map(|line| line.strip_prefix("| ")?.strip_suffix('|'));
    rows.next()??;
    Some(part.lines().skip(2).map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect())
}

fn parameters(page: &mut Roff, rows: &[Vec<&str>]) {
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
    fn each_parameter_of_the_readme_is_an_entry() {
        let rows = chapter("Parameters").lines().filter(|line| line.starts_with("| `")).count();
        let text = page().render();
        assert!(rows > 20, "{rows}");
        assert_eq!(text.lines().filter(|line| *line == ".TP").count(), rows, "{text}");
    }

    #[test]
    fn each_own_parameter_is_an_entry() {
        let text = page().to_roff();
        for name in crate::cmdline::own_names::ALL {
            let entry = |line: &str| line.starts_with("\\fB") && line.contains(&format!("{name}="));
            assert!(text.lines().any(entry), "{name}: {text}");
        }
    }
}
