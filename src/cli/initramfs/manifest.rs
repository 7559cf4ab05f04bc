//! The list of what is in every initramfs: initramfs/manifest, in the syntax of the kernel's gen_init_cpio.

use super::archive::{Content, Entry};
use crate::error::{Error, Result};

/// The list, from the time when this program was built.
const MANIFEST: &str = include_str!("../../../initramfs/manifest");

/// The entries of the list, with these bytes as the agent.
pub(super) fn entries(agent: &[u8]) -> Result<Vec<Entry>> {
    parse(MANIFEST, &|source| match source {
        "${agent}" => Ok(agent.to_owned()),
        _ => Err(Error::new(source, "unknown source; only ${agent} is known")),
    })
}

fn parse(text: &str, read: &dyn Fn(&str) -> Result<Vec<u8>>) -> Result<Vec<Entry>> {
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(|(i, line)| entry(i, line, read)).collect()
}

fn entry(number: usize, line: &str, read: &dyn Fn(&str) -> Result<Vec<u8>>) -> Result<Entry> {
    let malformed = || Error::new(format!("initramfs/manifest, line {number}"), format!("malformed: {line}"));
    let mode = |text: &str| u32::from_str_radix(text, 8).map_err(|_| malformed());
    let words: Vec<_> = line.split_whitespace().collect();
    let (path, mode, content) = match words.as_slice() {
        ["dir", path, bits, "0", "0"] => (path, mode(bits)?, Content::Folder),
        ["nod", path, bits, "0", "0", "c", major, minor] => {
            let number = |text: &str| text.parse().map_err(|_| malformed());
            (path, mode(bits)?, Content::CharDevice(number(major)?, number(minor)?))
        }
        ["file", path, source, bits, "0", "0"] => (path, mode(bits)?, Content::File(read(source)?)),
        _ => return Err(malformed()),
    };
    Ok(Entry { path: path.strip_prefix('/').ok_or_else(malformed)?.to_owned(), mode, content })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_the_agent_the_console_and_the_null_device() {
        let entries = parse(MANIFEST, &|_| Ok(b"agent".to_vec())).unwrap();
        let find = |path: &str| entries.iter().find(|entry| entry.path == path).unwrap();
        assert_eq!((find("init").mode, &find("init").content), (0o755, &Content::File(b"agent".to_vec())));
        assert_eq!(find("dev/console").content, Content::CharDevice(5, 1));
        assert_eq!(find("dev/null").content, Content::CharDevice(1, 3));
    }

    #[test]
    fn the_error_names_a_malformed_line() {
        for line in ["dir /a 0755", "dir a 0755 0 0", "dir /a 0799 0 0", "nod /a 0600 0 0 c x 1", "sock /a 0600 0 0"] {
            let error = parse(line, &|_| Ok(Vec::new())).unwrap_err();
            assert_eq!(error.object(), "initramfs/manifest, line 1", "{line}");
        }
    }
}
