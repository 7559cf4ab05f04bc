//! `measureroot kernel-config`: the options that kernel fragments ask for, compared with a kernel's configuration.

pub(super) mod configuration;
pub(super) mod finding;
pub(super) mod fragment;
mod option;

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;

use super::stdout::{self, print};
use crate::count::counted;
use crate::error::{Error, Result};
use configuration::Configuration;
use finding::Finding;
use fragment::Request;

/// Find the options of a measured boot that a kernel's configuration lacks.
///
/// Each fragment asks for options, with a reason for each. Prints which of them are missing from the configuration, or
/// differ in it.
///
/// If a fragment asks for y and the kernel has a module, this is no failure. The option is listed, because the initramfs
/// must carry the module. A reason that begins with "built-in:" refuses modules. A reason that begins with "since X.Y:"
/// accepts older kernels, which do not have the option.
///
/// Exit codes: 0 nothing is missing, 1 something is missing or differs, 2 the arguments or a file cannot be read.
#[derive(Debug, Args)]
#[command(override_usage = "measureroot kernel-config [OPTIONS] <CONFIG> [FRAGMENT]...\n       \
                            measureroot kernel-config --list [FRAGMENT]...")]
pub(super) struct KernelConfig {
    /// A kernel's .config, plain or compressed by gzip (*.gz), or the word "running" for the kernel of this machine.
    #[arg(required_unless_present = "list")]
    config: Option<PathBuf>,
    /// A .cfg file, or a .scc file for all files that it names [default: measureroot.scc, what a measured boot needs].
    #[arg(value_name = "FRAGMENT")]
    fragments: Vec<PathBuf>,
    /// Print the .cfg files that the fragments name, in the order in which they are merged, and check nothing.
    #[arg(long)]
    list: bool,
    /// Print nothing about options that are modules or newer than the kernel.
    #[arg(short, long)]
    quiet: bool,
    /// The folder of the default fragment.
    #[arg(long, value_name = "FOLDER", default_value = "/usr/share/measureroot/kernel-fragments")]
    folder: PathBuf,
}

impl KernelConfig {
    /// Checks, or lists; whether nothing is missing.
    ///
    /// # Errors
    /// When the configuration or a fragment cannot be read or understood, or when the fragments ask for nothing.
    pub(super) fn run(mut self) -> Result<bool> {
        stdout::check()?;
        // `--list` takes no configuration: the first word is a fragment, too.
        if self.list {
            self.fragments.splice(0..0, self.config.take());
        }
        if self.fragments.is_empty() {
            self.fragments.push(self.folder.join("measureroot.scc"));
        }
        let mut lines = String::new();
        let Some(config) = &self.config else {
            for file in fragment::expand(&self.fragments)? {
                // Writing to memory does not fail.
                let _ = writeln!(lines, "{}", file.display());
            }
            return print(lines.as_bytes()).map(|()| true);
        };
        let configuration = Configuration::read(config)?;
        let requests = fragment::read(&self.fragments)?;
        let report = Report::of(&configuration, &requests);
        if report.checked == 0 {
            let names: Vec<_> = self.fragments.iter().map(|path| path.display().to_string()).collect();
            return Err(Error::new(names.join(" "), "the fragments ask for nothing"));
        }
        for finding in report.findings.iter().filter(|finding| !self.quiet || finding.fails()) {
            let _ = writeln!(lines, "{finding}");
        }
        if !self.quiet {
            let version = configuration.version.map_or("of unknown version".to_owned(), |version| version.to_string());
            let (checked, modules) = (counted(report.checked, "option"), counted(report.modules, "module"));
            let _ = writeln!(
                lines,
                "{checked} checked against {} (Linux {version}): {} missing or different, {modules}",
                config.display(),
                report.failed
            );
        }
        print(lines.as_bytes())?;
        if let Some(note) = report.note(&configuration) {
            log::warn!("{}: {note}", config.display());
        }
        Ok(report.failed == 0)
    }
}

/// The options that a configuration lacks, in the order of the requests, and the number of options that were checked.
struct Report<'a> {
    findings: Vec<Finding<'a>>,
    /// Without those that are newer than the kernel.
    checked: usize,
    failed: usize,
    modules: usize,
}

impl<'a> Report<'a> {
    fn of(configuration: &'a Configuration, requests: &'a [Request]) -> Self {
        let mut report = Self { findings: Vec::new(), checked: requests.len(), failed: 0, modules: 0 };
        for finding in requests.iter().filter_map(|request| Finding::of(configuration, request)) {
            report.checked -= usize::from(matches!(finding, Finding::Newer { .. }));
            report.modules += usize::from(matches!(finding, Finding::Module(_)));
            report.failed += usize::from(finding.fails());
            report.findings.push(finding);
        }
        report
    }

    /// A note about a file that leaves out options. Kconfig writes its heading into a `.config`, but not into a defconfig.
    fn note(&self, configuration: &Configuration) -> Option<&'static str> {
        (self.failed > 0 && configuration.version.is_none()).then_some(
            "has no heading with the kernel's version. A defconfig or a fragment leaves out options that have their default \
             value: give the .config that was made of it",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_are_newer_than_the_kernel_are_not_counted() {
        let configuration = Configuration::parse("c", "# Linux/x86 6.1.2 K\nCONFIG_A=m\nCONFIG_B=y\n").unwrap();
        let text = "# why\nCONFIG_A=y\nCONFIG_B=y\nCONFIG_C=y\n# since 6.2: why\nCONFIG_D=y\n";
        let requests = fragment::parse("f.cfg", text).unwrap();
        let report = Report::of(&configuration, &requests);
        assert_eq!((report.checked, report.failed, report.modules, report.findings.len()), (3, 1, 1, 3));
        assert_eq!(report.note(&configuration), None);
    }

    #[test]
    fn a_defconfig_that_lacks_an_option_may_only_not_list_it() {
        let defconfig = Configuration::parse("c", "CONFIG_LOCALVERSION=\"-v8\"\nCONFIG_B=y\n").unwrap();
        let requests = |text| fragment::parse("f.cfg", text).unwrap();
        let note = |text| Report::of(&defconfig, &requests(text)).note(&defconfig);
        assert!(
            note("# why\nCONFIG_A=y\n")
                .is_some_and(|note| note.contains("A defconfig or a fragment leaves out options"))
        );
        assert_eq!(note("# why\nCONFIG_B=y\n"), None);
    }
}
