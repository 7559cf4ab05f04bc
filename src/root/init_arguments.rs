//! What the kernel gave PID 1 and the new init shall have, less what was meant for us.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;

use crate::cmdline::own_names;

/// The kernel puts what it does not know of the command line into init's arguments, and `KEY=VALUE` into its environment
/// (init/main.c, `unknown_bootoption`). The first argument is our own name.
#[must_use]
pub fn for_init(arguments: impl Iterator<Item = OsString>, environment: Vec<CString>) -> (Vec<CString>, Vec<CString>) {
    let arguments = arguments.skip(1).filter_map(|argument| CString::new(argument.into_vec()).ok());
    (arguments.filter(|argument| !ours(argument)).collect(), environment.into_iter().filter(|it| !ours(it)).collect())
}

fn ours(word: &CString) -> bool {
    let word = word.to_string_lossy();
    own_names::is_own(word.split('=').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_init_gets_what_was_meant_for_it() {
        let words = ["/init", "measureroot", "single", "splash", "--", "-s"].map(OsString::from);
        let environment = ["HOME=/", "rootimg=/a", "TERM=linux", "measureroot.x=1"].map(|s| CString::new(s).unwrap());
        let (arguments, environment) = for_init(words.into_iter(), environment.to_vec());
        let text = |list: Vec<CString>| list.into_iter().map(|it| it.into_string().unwrap()).collect::<Vec<_>>();
        assert_eq!(text(arguments), ["single", "splash", "--", "-s"]);
        assert_eq!(text(environment), ["HOME=/", "TERM=linux"]);
    }
}
