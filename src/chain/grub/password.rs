//! The commands with which a configuration gives its users passwords (grub-core/commands/password.c, password_pbkdf2.c). They measure
//! nothing but themselves, and whoever lacks the password starts no entry.

/// How a hash begins.
const PBKDF2: &str = "grub.pbkdf2.sha512.";

/// Runs `password`. True if it has a user and a password.
pub(super) fn plain(arguments: &[String]) -> bool {
    arguments.len() == 2
}

/// Runs `password_pbkdf2`. True if it has a user and a hash.
pub(super) fn pbkdf2(arguments: &[String]) -> bool {
    let [_, hash] = arguments else { return false };
    let parts = hash.strip_prefix(PBKDF2).and_then(|rest| rest.split_once('.'));
    let Some((count, (salt, expected))) = parts.and_then(|(count, rest)| Some((count, rest.split_once('.')?))) else {
        return false;
    };
    let is_hex = |text: &str| text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    // Other numbers than decimal ones are not looked at: grub-mkpasswd-pbkdf2 writes none.
    !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit()) && is_hex(salt) && is_hex(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_one_that_grub_takes() {
        let table = [
            ("root grub.pbkdf2.sha512.10000.AB01.cdef", true),
            ("root grub.pbkdf2.sha512.10000.AB01", false),
            ("root grub.pbkdf2.sha512.10000.AB0.cdef", false),
            ("root grub.pbkdf2.sha512.10000.AB01.cdeg", false),
            ("root grub.pbkdf2.sha512.x.AB01.cdef", false),
            ("root grub.pbkdf2.sha256.10000.AB01.cdef", false),
            ("grub.pbkdf2.sha512.10000.AB01.cdef", false),
            ("root grub.pbkdf2.sha512.10000.AB01.cdef more", false),
        ];
        for (line, expected) in table {
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(pbkdf2(&words), expected, "{line}");
            assert_eq!(plain(&words), words.len() == 2, "{line}");
        }
    }
}
