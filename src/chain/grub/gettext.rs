//! The translation of GRUB's texts: a file of the language, which GRUB opens when the variables change
//! (grub-core/gettext/gettext.c, `grub_gettext_init_ext`).

use super::machine::Machine;
use super::stop::{Run, Stop};

/// How a translation begins (GNU gettext, "The Format of GNU MO Files"), in both byte orders.
const MAGIC: [[u8; 4]; 2] = [[0xDE, 0x12, 0x04, 0x95], [0x95, 0x04, 0x12, 0xDE]];
/// What GRUB tries behind the name of the language.
const ENDS: [&str; 3] = ["mo", "mo.gz", "gmo"];

/// Opens the translation again.
pub(super) fn read(machine: &mut Machine<'_>) -> Run<()> {
    let get = |name: &str| machine.environment.get(name).to_owned();
    let (language, folder, prefix) = (get("lang"), get("locale_dir"), get("prefix"));
    if !machine.has_module("gettext") || language.is_empty() || folder.is_empty() && prefix.is_empty() {
        return Ok(());
    }
    let folder = if folder.is_empty() { format!("{prefix}/locale") } else { folder };
    let short = language.split_once('_').map(|(short, _)| short.to_owned());
    for language in std::iter::once(language).chain(short) {
        for end in ENDS {
            let path = format!("{folder}/{language}.{end}");
            let Some((path, bytes)) = machine.read("a translation", &path)? else { continue };
            if !MAGIC.iter().any(|magic| bytes.starts_with(magic)) {
                return Err(Stop::new(format!(
                    "{path}: is no translation, or a compressed one, which is not predicted"
                )));
            }
            return Ok(());
        }
    }
    Ok(())
}
