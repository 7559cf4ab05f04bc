//! The arguments and the environment of the new init: those that the kernel gave to PID 1, without measureroot's own.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;

use crate::cmdline::own_names;

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
        let arguments = arguments.skip(1).filter_map(|argument| CString::new(argument.into_vec()).ok());
        Self {
            arguments: arguments.filter(|argument| !is_own(argument)).collect(),
            environment: environment.into_iter().filter(|variable| !is_own(variable)).collect(),
        }
    }
}

fn is_own(word: &CString) -> bool {
    let word = word.to_string_lossy();
    own_names::is_own(word.split('=').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_init_gets_all_but_our_own_parameters() {
        let words = ["/init", "measureroot", "single", "splash", "--", "-s"].map(OsString::from);
        let environment = ["HOME=/", "rootimg=/a", "TERM=linux", "measureroot.x=1"].map(|s| CString::new(s).unwrap());
        let for_init = InitArguments::new(words.into_iter(), environment.to_vec());
        let text = |list: Vec<CString>| list.into_iter().map(|it| it.into_string().unwrap()).collect::<Vec<_>>();
        assert_eq!(text(for_init.arguments), ["single", "splash", "--", "-s"]);
        assert_eq!(text(for_init.environment), ["HOME=/", "TERM=linux"]);
    }
}
