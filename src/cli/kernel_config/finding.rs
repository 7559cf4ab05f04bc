//! The difference between an option that a fragment asks for and the kernel's configuration.

use std::fmt;

use super::configuration::{Configuration, Version};
use super::fragment::Request;
use crate::error::one_line;

/// One line of the report. If the kernel has the option with the requested value, there is no line.
#[derive(Debug)]
pub(in crate::cli) enum Finding<'a> {
    /// The kernel is older than the option.
    Newer { request: &'a Request, since: Version, kernel: Version },
    /// The fragment asks for y, and the kernel has a module.
    Module(&'a Request),
    /// The kernel has a module, and the reason refuses modules.
    RefusedModule(&'a Request),
    /// The kernel has it switched off, or does not know it.
    Missing(&'a Request),
    /// The kernel has it with this other value.
    Differs(&'a Request, &'a str),
}

impl<'a> Finding<'a> {
    /// `None` if the kernel has the option with the requested value.
    pub(in crate::cli) fn of(configuration: &'a Configuration, request: &'a Request) -> Option<Self> {
        if let (Some(since), Some(kernel)) = (request.since(), configuration.version)
            && kernel < since
        {
            return Some(Self::Newer { request, since, kernel });
        }
        let found = configuration.value(&request.symbol);
        match (request.wanted.as_str(), found) {
            (wanted, found) if wanted == found => None,
            ("m", "y") => None,
            ("y", "m") if request.must_be_built_in() => Some(Self::RefusedModule(request)),
            ("y", "m") => Some(Self::Module(request)),
            (_, "n") => Some(Self::Missing(request)),
            _ => Some(Self::Differs(request, found)),
        }
    }

    /// Whether the kernel fails the check.
    pub(in crate::cli) fn fails(&self) -> bool {
        matches!(self, Self::RefusedModule(_) | Self::Missing(_) | Self::Differs(..))
    }
}

impl fmt::Display for Finding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = match self {
            Self::Newer { request: Request { symbol, fragment, .. }, since, kernel } => {
                format!("newer:   CONFIG_{symbol} came with Linux {since}, this is {kernel} ({fragment})")
            }
            Self::Module(Request { symbol, fragment, .. }) => {
                format!("module:  CONFIG_{symbol}: the initramfs must carry it ({fragment})")
            }
            Self::RefusedModule(Request { symbol, fragment, reason, .. }) => {
                format!("differs: CONFIG_{symbol} is a module and must be built in ({fragment}):{reason}")
            }
            Self::Missing(Request { symbol, wanted, fragment, reason }) => {
                format!("missing: CONFIG_{symbol}={wanted} ({fragment}):{reason}")
            }
            Self::Differs(Request { symbol, wanted, fragment, reason }, found) => {
                format!("differs: CONFIG_{symbol} is {found}, asked for {wanted} ({fragment}):{reason}")
            }
        };
        // Configurations and fragments are untrusted: their bytes must not control the terminal.
        f.write_str(&one_line(&line))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fragment;
    use super::*;

    #[test]
    fn each_pair_of_values_has_its_finding() {
        let table = [
            ("CONFIG_A=y", "CONFIG_A=y", None),
            ("CONFIG_A=m", "CONFIG_A=m", None),
            ("CONFIG_A=m", "CONFIG_A=y", None),
            ("# CONFIG_A is not set", "CONFIG_B=y", None),
            ("CONFIG_A=17", "CONFIG_A=17", None),
            ("CONFIG_A=y", "CONFIG_A=m", Some("module:  CONFIG_A: the initramfs must carry it (f.cfg)")),
            ("CONFIG_A=y", "CONFIG_B=y", Some("missing: CONFIG_A=y (f.cfg): why")),
            ("CONFIG_A=m", "# CONFIG_A is not set\nCONFIG_B=y", Some("missing: CONFIG_A=m (f.cfg): why")),
            ("CONFIG_A=18", "CONFIG_A=17", Some("differs: CONFIG_A is 17, asked for 18 (f.cfg): why")),
            ("# CONFIG_A is not set", "CONFIG_A=y", Some("differs: CONFIG_A is y, asked for n (f.cfg): why")),
            ("CONFIG_A=y", "CONFIG_A=\x1b[2J", Some("differs: CONFIG_A is \\u{1b}[2J, asked for y (f.cfg): why")),
        ];
        for (asked, has, line) in table {
            let configuration = Configuration::parse("c", has).unwrap();
            let requests = fragment::parse("f.cfg", &format!("# why\n{asked}\n")).unwrap();
            let finding = Finding::of(&configuration, &requests[0]);
            assert_eq!(finding.as_ref().map(ToString::to_string).as_deref(), line, "{asked}, {has}");
            let fails = line.is_some_and(|line| !line.starts_with("module:"));
            assert_eq!(finding.is_some_and(|finding| finding.fails()), fails, "{asked}, {has}");
        }
    }

    #[test]
    fn a_reason_can_refuse_modules() {
        let configuration = Configuration::parse("c", "CONFIG_A=m").unwrap();
        let requests = fragment::parse("f.cfg", "# built-in: why\nCONFIG_A=y\n").unwrap();
        let finding = Finding::of(&configuration, &requests[0]).unwrap();
        let line = "differs: CONFIG_A is a module and must be built in (f.cfg): built-in: why";
        assert!(finding.fails() && finding.to_string() == line, "{finding}");
    }

    #[test]
    fn only_a_kernel_that_is_known_to_be_older_may_lack_a_newer_option() {
        let requests = fragment::parse("f.cfg", "# since 6.10: why\nCONFIG_B=y\n").unwrap();
        for (heading, start) in [
            (
                "# Linux/x86 6.1.192 Kernel Configuration\n",
                "newer:   CONFIG_B came with Linux 6.10, this is 6.1 (f.cfg)",
            ),
            ("# Linux/x86 6.12.3 Kernel Configuration\n", "missing: CONFIG_B=y"),
            ("", "missing: CONFIG_B=y"),
        ] {
            let configuration = Configuration::parse("c", &format!("{heading}CONFIG_A=y\n")).unwrap();
            let finding = Finding::of(&configuration, &requests[0]).unwrap();
            assert!(finding.to_string().starts_with(start), "{finding}");
            assert_eq!(finding.fails(), !start.starts_with("newer"), "{finding}");
        }
    }
}
