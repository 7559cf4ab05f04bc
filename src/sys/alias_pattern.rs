//! The patterns of modules.alias, as fnmatch(3) compares them for kmod: `*`, `?` and sets such as `[0-4A]`. libc's own function brings
//! tables of all the world's letters, which are larger than the rest of the loader.

/// Whether `pattern` describes the whole of `text`. The time is at most the product of both lengths.
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut rest, mut left) = (pattern, text);
    // After the last `*`: what follows it in the pattern, and the text that it has not taken yet.
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if let Some((b'*', after)) = rest.split_first() {
            star = Some((after, left));
            rest = after;
        } else if let Some((&byte, after)) = left.split_first() {
            if let Some(next) = one(rest, byte) {
                (rest, left) = (next, after);
            } else if let Some((next, [_, taken @ ..])) = star {
                // The `*` takes one byte more.
                star = Some((next, taken));
                (rest, left) = (next, taken);
            } else {
                return false;
            }
        } else {
            return rest.is_empty();
        }
    }
}

/// What follows in the pattern after its first part, if that part describes this byte.
fn one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    match pattern {
        [b'?', after @ ..] => Some(after),
        [b'[', set @ ..] => {
            let (set, after) = set.split_at_checked(set.iter().position(|end| *end == b']')?)?;
            has(set, byte).then(|| after.get(1..)).flatten()
        }
        [first, after @ ..] if *first == byte => Some(after),
        _ => None,
    }
}

/// Whether a set has this byte.
fn has(mut set: &[u8], byte: u8) -> bool {
    loop {
        let (found, after) = match set {
            [first, b'-', last, after @ ..] => ((*first..=*last).contains(&byte), after),
            [one, after @ ..] => (*one == byte, after),
            [] => return false,
        };
        if found {
            return true;
        }
        set = after;
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use super::*;

    const TEXTS: [&str; 12] = [
        "",
        "a",
        "ab",
        "b",
        "aab",
        "abab",
        "pci:v00001AF4d00001042sv00001AF4sd00001100bc01sc00i00",
        "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01",
        "acpi:MSFT0101:PNP0C31:",
        "cpu:type:x86,ven0002fam0017mod0031:feature:,0000,0001,0081,009B,",
        "of:NvirtioT(null)Cvirtio,mmio",
        "scsi:t-0x05",
    ];
    const PATTERNS: [&str; 22] = [
        "",
        "*",
        "**",
        "a*",
        "*b",
        "a*b",
        "?",
        "a?",
        "[ab]",
        "[a-b]b",
        "[a",
        "[]",
        "a*b*a*b",
        "pci:v00001AF4d*sv*sd*bc*sc*i*",
        "pci:v00001AF4d0000104[0-4]sv*sd*bc*sc*i*",
        "pci:v00001AF4d0000104[3-4]sv*sd*bc*sc*i*",
        "pci:v*d*sv*sd*bc01sc06i01*",
        "acpi*:PNP0C31:*",
        "acpi*:MSFT0101:*",
        "cpu:type:x86,ven*fam*mod*:feature:*009B*",
        "of:N*T*Cvirtio,mmioC*",
        "scsi:t-0x05*",
    ];

    /// kmod's own comparison is the C library's.
    #[test]
    #[allow(unsafe_code)] // Only this test calls it.
    fn a_pattern_matches_what_it_matches_for_the_c_library() {
        let mut matching = 0;
        for pattern in PATTERNS {
            for text in TEXTS {
                let (c_pattern, c_text) = (CString::new(pattern).unwrap(), CString::new(text).unwrap());
                // SAFETY: both are strings that end with a zero, and fnmatch(3) only reads them.
                let expected = unsafe { nix::libc::fnmatch(c_pattern.as_ptr(), c_text.as_ptr(), 0) } == 0;
                assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
                matching += usize::from(expected);
            }
        }
        assert!(matching > 40, "{matching}");
    }

    /// Its time must not grow with each `*`.
    #[test]
    fn many_stars_take_no_time() {
        let pattern = "*a".repeat(400);
        assert!(!matches(pattern.as_bytes(), "a".repeat(399).as_bytes()));
        assert!(matches(pattern.as_bytes(), "a".repeat(4000).as_bytes()));
        assert!(!matches(format!("{pattern}b").as_bytes(), "a".repeat(4000).as_bytes()));
    }
}
