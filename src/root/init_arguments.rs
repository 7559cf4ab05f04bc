//! The arguments and the environment of the new init: those that the kernel gave to PID 1, without measureroot's own.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;

use crate::cmdline::own_names;
use crate::cmdline::tokens::Token;

/// What the new init is started with.
#[derive(Debug)]
pub(crate) struct InitArguments {
    /// Its arguments, without its own name.
    pub(super) arguments: Vec<CString>,
    /// Its environment, each `KEY=VALUE`.
    pub(super) environment: Vec<CString>,
}

impl InitArguments {
    /// Takes what the kernel gave to PID 1. The first of `arguments` is our own name, which is left out.
    ///
    /// The kernel hands the words of the command line that it does not know to init: `KEY=VALUE` in the environment, others as
    /// arguments (init/main.c, `unknown_bootoption`).
    #[must_use]
    pub(crate) fn new(arguments: impl Iterator<Item = OsString>, environment: Vec<CString>) -> Self {
        let is_own = |variable: &CString| {
            let variable = variable.to_string_lossy();
            own_names::is_own(variable.split('=').next().unwrap_or_default())
        };
        Self {
            arguments: arguments.skip(1).filter_map(|argument| CString::new(argument.into_vec()).ok()).collect(),
            environment: environment.into_iter().filter(|variable| !is_own(variable)).collect(),
        }
    }

    /// Removes the arguments that the kernel made of our own parameters: one for each of `parameters` without a value. What stands
    /// behind `--` is init's alone, whatever it is called; it is not in `parameters`, and the kernel puts it last (init/main.c,
    /// `start_kernel`). So the first argument of that name is ours.
    pub(crate) fn remove(&mut self, parameters: &[Token]) {
        let is_own = |token: &&Token| token.value.is_none() && token.key().is_some_and(own_names::is_own);
        for token in parameters.iter().filter(is_own) {
            if let Some(at) = self.arguments.iter().position(|argument| argument.as_bytes() == token.key) {
                self.arguments.remove(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline::tokens;

    fn text(list: Vec<CString>) -> Vec<String> {
        list.into_iter().map(|it| it.into_string().unwrap()).collect()
    }

    /// The arguments of the new init, if the kernel has this command line and starts PID 1 with these arguments.
    fn arguments(line: &str, given: &str) -> String {
        let given = std::iter::once("/init").chain(given.split_whitespace()).map(OsString::from);
        let mut for_init = InitArguments::new(given, Vec::new());
        for_init.remove(&tokens::parse(line.as_bytes()));
        text(for_init.arguments).join(" ")
    }

    #[test]
    fn the_new_init_gets_all_but_our_own_parameters() {
        assert_eq!(
            arguments("measureroot single rootimg=/a splash -- -s", "measureroot single splash -s"),
            "single splash -s"
        );
        let environment = ["HOME=/", "rootimg=/a", "TERM=linux", "measureroot.x=1"].map(|s| CString::new(s).unwrap());
        let for_init = InitArguments::new(std::iter::empty(), environment.to_vec());
        assert_eq!(text(for_init.environment), ["HOME=/", "TERM=linux"]);
    }

    #[test]
    fn what_stands_behind_the_dashes_is_init_s_alone() {
        let own = "a rootimgpcr=9 measureroot.x=1 measureroot";
        assert_eq!(arguments(&format!("root=/dev/vda -- {own}"), own), own);
        assert_eq!(
            arguments(&format!("measureroot b measureroot -- {own}"), &format!("measureroot b measureroot {own}")),
            format!("b {own}")
        );
        // Another program started this one, and gave it no arguments.
        assert_eq!(arguments("measureroot -- a", ""), "");
    }
}
