//! The environment block `grubenv`: variables that stay from boot to boot (grub-core/commands/loadenv.c, grub-core/lib/envblk.c).

use super::machine::Machine;
use super::stop::{Run, Stop};

/// How a block begins (include/grub/lib/envblk.h, `GRUB_ENVBLK_SIGNATURE`).
const SIGNATURE: &str = "# GRUB Environment Block\n";

/// `load_env`: opens the file, which measures it, and sets the variables, or those that are named.
pub(super) fn load(machine: &mut Machine<'_>, arguments: &[String]) -> Run<bool> {
    let wanted = names("load_env", arguments)?;
    let path = format!("{}/grubenv", machine.environment.get("prefix"));
    let Some((file, bytes)) = machine.read("the environment block", &path)? else { return Ok(false) };
    let text = str::from_utf8(&bytes).ok().and_then(|text| text.strip_prefix(SIGNATURE));
    let text = text.ok_or_else(|| Stop::new(format!("{file}: is no environment block, or not UTF-8")))?;
    for (name, value) in variables(text) {
        if wanted.is_empty() || wanted.iter().any(|wanted| *wanted == name) {
            machine.set(&name, &value)?;
        }
    }
    Ok(true)
}

/// `save_env`: it opens the file without a measurement, and writes to it. No command here reads it again but `load_env`.
pub(super) fn save(machine: &mut Machine<'_>, arguments: &[String]) -> Run<bool> {
    let names = names("save_env", arguments)?;
    if names.is_empty() {
        return Ok(false);
    }
    let path = format!("{}/grubenv", machine.environment.get("prefix"));
    if !machine.has(&path)? {
        return Ok(false);
    }
    let what = format!(
        "grubenv is as in the files: GRUB writes {} to it, so the next boot measures another one",
        names.join(", ")
    );
    machine.assumes.insert(what);
    Ok(true)
}

/// The names behind a command.
fn names<'a>(command: &str, arguments: &'a [String]) -> Run<Vec<&'a str>> {
    if let Some(option) = arguments.iter().find(|word| word.starts_with('-') && word.len() > 1) {
        return Err(Stop::new(format!("{command}: the option {option} is not predicted")));
    }
    Ok(arguments.iter().map(String::as_str).collect())
}

/// The variables of a block. A value ends with its line, where a backslash takes the next character as it is. A line that begins
/// with `#` is filling. A name may have the end of a line in it, as for GRUB.
fn variables(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let behind = if rest.starts_with('#') {
            rest
        } else {
            let Some((name, behind)) = rest.split_once('=') else { break };
            let Some((value, length)) = value(behind) else { break };
            found.push((name.to_owned(), value));
            &behind[length..]
        };
        rest = behind.split_once('\n').map_or("", |(_, rest)| rest);
    }
    found
}

/// The value, and where its line ends. `None` if it has no end.
fn value(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut rest = text.char_indices();
    while let Some((at, c)) = rest.next() {
        match c {
            '\n' => return Some((value, at)),
            '\\' => value.push(rest.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_variables_and_filling_becomes_none() {
        let table: [(&str, &[(&str, &str)]); 5] = [
            ("", &[]),
            ("a=b\nc=d=e\n####", &[("a", "b"), ("c", "d=e")]),
            ("a=b\\\nc\\\\d\n#x=y\nz=\n", &[("a", "b\nc\\d"), ("z", "")]),
            ("none\n=x\n\ny=1", &[("none\n", "x")]),
            ("a=\\", &[]),
        ];
        for (text, expected) in table {
            let found = variables(text);
            let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
