//! The logs of Linux's IMA, which are only recognized: they explain one PCR, mostly 10, and other tools read them.

use crate::cursor::Fields;
use crate::hash::bank::Bank;

/// Whether the bytes begin as a log of IMA does. In the binary form, a record is a PCR, a digest, and the length and the name of a
/// template such as `ima-ng`; in the other form, it is a line of text (kernel, security/integrity/ima/ima_fs.c).
pub(super) fn is_likely(bytes: &[u8]) -> bool {
    is_binary(bytes) || is_text(bytes)
}

/// The digest of a record is SHA-1, unless the file is that of another bank (Linux 6.11: `binary_runtime_measurements_sha256`).
fn is_binary(bytes: &[u8]) -> bool {
    let fields = Fields(bytes);
    Bank::ALL.into_iter().map(|bank| 4 + bank.digest_len()).any(|at| {
        let is_short = fields.u32_le(at).is_some_and(|length| (3..=16).contains(&length));
        is_short && fields.at::<3>(at + 4).is_some_and(|name| is_template(&name))
    })
}

fn is_text(bytes: &[u8]) -> bool {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ');
    let (pcr, digest, template) = (words.next(), words.next(), words.next());
    let all =
        |word: Option<&[u8]>, is: fn(&u8) -> bool| word.is_some_and(|word| !word.is_empty() && word.iter().all(is));
    all(pcr, u8::is_ascii_digit) && all(digest, u8::is_ascii_hexdigit) && template.is_some_and(is_template)
}

/// The names of templates (kernel, security/integrity/ima/ima_template.c).
fn is_template(name: &[u8]) -> bool {
    name.starts_with(b"ima") || name.starts_with(b"evm")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_each_template_are_recognized() {
        for template in ["ima", "ima-ng", "ima-ngv2", "ima-sig", "ima-sigv2", "ima-buf", "ima-modsig", "evm-sig"] {
            for bank in Bank::ALL {
                let (digest, length) = (bank.digest(b"record"), [u8::try_from(template.len()).unwrap(), 0, 0, 0]);
                let binary = [&[10, 0, 0, 0], digest.as_bytes(), &length, template.as_bytes(), &[0; 8]].concat();
                assert!(is_likely(&binary), "{template} {bank}");
                for pcr in [10, 11] {
                    assert!(is_likely(format!("{pcr} {digest} {template} sha256:00 /init\n").as_bytes()));
                }
            }
        }
        for other in ["", "10", "10 ", "10 ab", "10 xy ima-ng", "x ab ima", "10 ab boot", "10  ima", "imagine 10 ima"] {
            assert!(!is_likely(other.as_bytes()), "{other}");
        }
        assert!(!is_likely(&[0; 128]) && !is_likely(&[0xFF; 128]));
    }
}
