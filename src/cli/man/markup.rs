//! What the manual pages share of roff, their markup.

use roff::{Inline, Roff, bold, roman};

/// The heading of a page: its name, section, and whose manual it is in.
pub(super) fn titled(name: &str, section: &str) -> Roff {
    let mut page = Roff::new();
    let source = concat!("measureroot ", env!("CARGO_PKG_VERSION"));
    page.control("TH", [name, section, "", source, "System administration"]);
    page
}

/// Markdown's `code` and **strong** in bold, as manual pages have what is to be typed.
pub(super) fn inline(markdown: &str) -> Vec<Inline> {
    let code = |(index, part): (usize, &str)| match index % 2 {
        0 => part.split("**").map(roman).collect(),
        _ => vec![bold(part)],
    };
    markdown.split('`').enumerate().flat_map(code).collect()
}
