//! Words that are probably not what their author wanted to write.

use crate::cmdline::own_names;
use crate::cmdline::tokens::Token;
use crate::config::failure_policy;
use crate::config::module_choice::ModuleChoice;

/// What is to say about the spelling of a word. `accepted`: the boot takes the command line, so no error says the same.
pub(super) fn note(token: &Token, accepted: bool) -> Option<String> {
    if token.ends_before_a_no_break_space() {
        Some("a no-break space stands behind it, of which the kernel takes one byte for a space: write a blank".into())
    } else if accepted && token.open {
        Some("a quote is not closed: all behind it is one word".into())
    } else if accepted && own_names::is_obeyed(&token.key) && is_placeholder(token.value.as_deref()?) {
        Some("looks like a placeholder that was not replaced".into())
    } else if let Some(name) = no_module(token) {
        Some(format!("{name} is no name of a module: write the names as lsmod prints them, with commas between them"))
    } else if token.is("panic") {
        panic(token)
    } else {
        None
    }
}

/// The first name that no module can have, of those that the parameter names.
fn no_module(token: &Token) -> Option<String> {
    let ModuleChoice { forbidden, wanted, .. } = ModuleChoice::of(std::slice::from_ref(token));
    let is_odd = |name: &String| !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    wanted.into_iter().chain(forbidden).find(is_odd)
}

/// Whether a value has a part such as `<name>` or `${name}`.
fn is_placeholder(value: &[u8]) -> bool {
    let value = String::from_utf8_lossy(value);
    let between = |first, last| value.split_once(first).is_some_and(|(_, rest)| rest.contains(last));
    between("<", ">") || between("${", "}")
}

/// What the kernel reads, where a person would read something else.
fn panic(token: &Token) -> Option<String> {
    let Some(seconds) = failure_policy::kernel_panic_of(token) else {
        return Some("malformed: the kernel ignores it, and so does this program".into());
    };
    let same = token.value.as_deref().is_some_and(|value| value == seconds.to_string().as_bytes());
    (!same).then(|| format!("the kernel, and this program, read this number as {seconds}"))
}
