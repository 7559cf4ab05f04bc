//! The markup that the manual pages share.

use roff::{Inline, Roff, bold, roman};

/// The heading of a page: its name, its section, and the manual that it belongs to.
pub(super) fn titled(name: &str, section: &str) -> Roff {
    let mut page = Roff::new();
    let source = concat!("measureroot ", env!("CARGO_PKG_VERSION"));
    page.control("TH", [name, section, "", source, "System administration"]);
    page
}

/// Turns Markdown's `code` and **strong** into bold, which manual pages use for what the reader types.
pub(super) fn inline(markdown: &str) -> Vec<Inline> {
    let code = |(index, part): (usize, &str)| match index % 2 {
        0 => part.split("**").map(roman).collect(),
        _ => vec![bold(part)],
    };
    markdown.split('`').enumerate().flat_map(code).collect()
}
