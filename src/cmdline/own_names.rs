//! The parameters that are measureroot's own.

/// Every `measureroot.*` parameter. Any other one is an error: it may be a misspelt parameter that matters.
pub(crate) const ALL: [&str; 9] = [
    "measureroot.timeout",
    "measureroot.onfail",
    "measureroot.overlaysize",
    "measureroot.seal",
    "measureroot.format",
    "measureroot.oncorrupt",
    "measureroot.hashdev",
    "measureroot.hashoffset",
    "measureroot.session",
];

/// Whether a parameter is meant for this program alone. The kernel does not know such a parameter, so it gives it to
/// PID 1 as an argument or an environment variable. The new init must not get it.
#[must_use]
pub(crate) fn is_own(key: &str) -> bool {
    matches!(key, "measureroot" | "rootimg" | "rootimgpcr") || key.starts_with("measureroot.")
}
