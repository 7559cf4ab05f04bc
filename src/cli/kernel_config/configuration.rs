//! A kernel's configuration: its `.config`.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::option;
use crate::cli::input_file::Kinds;
use crate::cli::read_limited;
use crate::error::{Context, Error, Result};

/// The limit for a configuration in bytes, packed or unpacked: 16 MiB. Configurations of distributions have some 300 KiB.
const MOST: u64 = 16 << 20;

/// The first bytes of a gzip file (RFC 1952, section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The options that are on, and the version of the kernel.
#[derive(Debug)]
pub(in crate::cli) struct Configuration {
    values: BTreeMap<String, String>,
    /// From the line `# Linux/x86 6.1.0 Kernel Configuration`, if there is one.
    pub(in crate::cli) version: Option<Version>,
}

/// The first two numbers of a kernel's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) struct Version {
    major: u32,
    minor: u32,
}

impl Configuration {
    /// Reads a file, or with the word "running" the configuration of this machine's kernel.
    ///
    /// # Errors
    /// When there is no such file, when it cannot be read or unpacked, or when it is no configuration.
    pub(in crate::cli) fn read(path: &Path) -> Result<Self> {
        let path = if path == Path::new("running") { &running()? } else { path };
        let mut bytes = read_limited::read(path, MOST, Kinds::Stream)?;
        // Some systems leave out the ending `.gz`.
        if bytes.starts_with(&GZIP) || path.extension().is_some_and(|extension| extension == "gz") {
            let mut unpacked = Vec::new();
            let read = MultiGzDecoder::new(bytes.as_slice()).take(MOST + 1).read_to_end(&mut unpacked);
            read.about_hint(path.display(), "is it gzip-compressed?")?;
            if unpacked.len() as u64 > MOST {
                return Err(Error::new(path.display(), format!("longer than {MOST} bytes when it is unpacked")));
            }
            bytes = unpacked;
        }
        Self::parse(&path.display().to_string(), &String::from_utf8_lossy(&bytes))
    }

    /// Parses the text of the file `name`.
    ///
    /// # Errors
    /// When a line is not a line of a configuration, or when there is no option.
    pub(in crate::cli) fn parse(name: &str, text: &str) -> Result<Self> {
        let mut configuration = Self { values: BTreeMap::new(), version: None };
        for (number, line) in (1..).zip(text.lines()) {
            if let Some((symbol, value)) = option::set(line) {
                configuration.values.insert(symbol.to_owned(), value.to_owned());
            } else if line.starts_with('#') {
                configuration.version = version_in(line).or(configuration.version);
            } else if !line.is_empty() {
                let object = format!("{name}, line {number}");
                return Err(Error::new(object, format!("not a line of a kernel configuration: {line}")));
            }
        }
        if configuration.values.is_empty() {
            return Err(Error::new(name, "has no CONFIG_ line").hint("is it a kernel configuration?"));
        }
        Ok(configuration)
    }

    /// The value of an option; "n" if it is off or unknown.
    pub(in crate::cli) fn value(&self, symbol: &str) -> &str {
        self.values.get(symbol).map_or("n", String::as_str)
    }
}

impl Version {
    /// Parses a text such as "6.1" or "6.1.192-rc1".
    pub(in crate::cli) fn parse(text: &str) -> Option<Self> {
        let (major, rest) = text.split_once('.')?;
        let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The version in the heading that Kconfig writes: `# Linux/x86 6.1.0 Kernel Configuration`.
fn version_in(line: &str) -> Option<Version> {
    Version::parse(line.strip_prefix("# Linux/")?.split(' ').nth(1)?)
}

/// The file in which the kernel or the distribution keeps the configuration of the running kernel.
fn running() -> Result<PathBuf> {
    let release = nix::sys::utsname::uname().about("uname")?.release().to_string_lossy().into_owned();
    let places = [
        PathBuf::from("/proc/config.gz"),
        format!("/boot/config-{release}").into(),
        format!("/lib/modules/{release}/config").into(),
    ];
    let found = places.into_iter().find(|path| std::fs::File::open(path).is_ok());
    found.ok_or_else(|| {
        let cause = format!("neither /proc/config.gz nor /boot/config-{release} can be read");
        Error::new(format!("configuration of the running kernel {release}"), cause)
            .hint("name a file instead, or load the module \"configs\" for /proc/config.gz")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_the_version_are_read() {
        let text =
            "#\n# Linux/x86 6.1.192 Kernel Configuration\n#\n\nCONFIG_A=y\nCONFIG_B=\"b\"\n# CONFIG_C is not set";
        let configuration = Configuration::parse("c", text).unwrap();
        assert_eq!(["A", "B", "C", "D"].map(|symbol| configuration.value(symbol)), ["y", "\"b\"", "n", "n"]);
        assert_eq!(configuration.version, Version::parse("6.1"));
        let from_windows = Configuration::parse("c", &text.replace('\n', "\r\n")).unwrap();
        assert_eq!((from_windows.value("A"), from_windows.version), ("y", configuration.version));
    }

    #[test]
    fn versions_are_numbers() {
        let version = |text| Version::parse(text).unwrap();
        assert!(
            version("6.1") < version("6.10") && version("6.9") < version("6.10") && version("5.19") < version("6.0")
        );
        assert_eq!(version("6.12.0-rc1").to_string(), "6.12");
        for text in ["", "6", "6.", ".1", "6.x", "six.1", "-6.1", "99999999999.1"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }

    #[test]
    fn another_text_is_refused() {
        for (text, object) in
            [("", "c"), ("# only words\n", "c"), ("CONFIG_A=y\nhello\n", "c, line 2"), ("CONFIG_A=\n", "c, line 1")]
        {
            assert_eq!(Configuration::parse("c", text).unwrap_err().object(), object, "{text}");
        }
    }

    #[test]
    fn a_file_that_unpacks_to_more_than_the_limit_is_refused() {
        use std::io::{Write, copy, repeat};
        let file = tempfile::Builder::new().suffix(".gz").tempfile().unwrap();
        let mut gzip = flate2::write::GzEncoder::new(file.as_file(), flate2::Compression::best());
        copy(&mut repeat(b'#').take(MOST + 1), &mut gzip).unwrap();
        gzip.flush().unwrap();
        gzip.finish().unwrap();
        let error = Configuration::read(file.path()).unwrap_err().to_string();
        assert!(error.ends_with("longer than 16777216 bytes when it is unpacked"), "{error}");
    }
}
