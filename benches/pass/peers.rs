//! The tools that do the same without this program: both digests and the tree, with the image in the page cache.

use std::path::Path;
use std::process::{Command, Stdio};

/// A name for the table, and a script. `$1` is the image, `$2` a file for the tree.
pub(crate) const PEERS: [(&str, &str); 3] = [
    ("coreutils, then veritysetup", r#"sha1sum "$1" && sha256sum "$1" && veritysetup format "$1" "$2""#),
    (
        "openssl, then veritysetup",
        r#"openssl dgst -sha1 "$1" && openssl dgst -sha256 "$1" && veritysetup format "$1" "$2""#,
    ),
    (
        "tee >(sha1sum) | sha256sum, then veritysetup",
        r#"tee >(sha1sum) <"$1" | sha256sum && veritysetup format "$1" "$2""#,
    ),
];

/// Runs a script. `false` if a tool is missing or fails.
pub(crate) fn run(script: &str, image: &Path) -> bool {
    let tree = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    // veritysetup is not on an ordinary user's path.
    let script = format!("PATH=$PATH:/usr/sbin:/sbin; set -o pipefail; {script}");
    let mut bash = Command::new("bash");
    bash.args(["-c", &script, "bash"]).args([image, tree.path()]).stdout(Stdio::null()).stderr(Stdio::null());
    bash.status().is_ok_and(|status| status.success())
}
