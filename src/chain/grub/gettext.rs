//! The translation of GRUB's texts: a file of the language, which GRUB opens when the variables change
//! (grub-core/gettext/gettext.c, `grub_gettext_init_ext`).

/// How a translation begins (GNU gettext, "The Format of GNU MO Files"), in both byte orders.
const MAGIC: [[u8; 4]; 2] = [[0xDE, 0x12, 0x04, 0x95], [0x95, 0x04, 0x12, 0xDE]];
/// What GRUB tries behind the name of the language.
const ENDS: [&str; 3] = ["mo", "mo.gz", "gmo"];

/// The files that GRUB tries, in this order, with these variables: `lang`, `locale_dir`, `prefix`.
pub(super) fn paths(language: &str, folder: &str, prefix: &str) -> Vec<String> {
    if language.is_empty() || folder.is_empty() && prefix.is_empty() {
        return Vec::new();
    }
    let folder = if folder.is_empty() { format!("{prefix}/locale") } else { folder.to_owned() };
    let short = language.split_once('_').map(|(short, _)| short);
    let languages = std::iter::once(language).chain(short);
    languages.flat_map(|language| ENDS.map(|end| format!("{folder}/{language}.{end}"))).collect()
}

/// Whether GRUB takes a file for a translation.
pub(super) fn is_translation(bytes: &[u8]) -> bool {
    MAGIC.iter().any(|magic| bytes.starts_with(magic))
}
