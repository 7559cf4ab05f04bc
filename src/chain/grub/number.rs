//! Numbers as GRUB reads them (grub-core/kern/misc.c, `grub_strtoull` with the base 0): `0x` is before a hexadecimal one, `0` before an
//! octal one, and what follows the digits does not matter.

/// What a text begins with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Number<'a> {
    /// A number, and what follows.
    Is(u64, &'a str),
    /// One that is too large.
    TooLarge,
    /// None.
    None,
}

/// The number at the start of a text.
pub(super) fn at_start(text: &str) -> Number<'_> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\x0B', '\x0C', '\r']);
    let (base, digits) = match text.as_bytes() {
        [b'0', b'x', ..] => (16, &text[2..]),
        [b'0', b'0'..=b'7', ..] => (8, text),
        _ => (10, text),
    };
    let end = digits.find(|c: char| !c.is_digit(base)).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    match u64::from_str_radix(digits, base) {
        Ok(number) => Number::Is(number, rest),
        Err(_) if digits.is_empty() => Number::None,
        Err(_) => Number::TooLarge,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_grub() {
        let table = [
            ("", Number::None),
            ("x", Number::None),
            ("-1", Number::None),
            ("+1", Number::None),
            ("0x", Number::None),
            ("0xg", Number::None),
            ("0", Number::Is(0, "")),
            ("0X1", Number::Is(0, "X1")),
            ("\t\x0B 12 3", Number::Is(12, " 3")),
            ("0xfFg", Number::Is(255, "g")),
            ("0178", Number::Is(15, "8")),
            ("08", Number::Is(8, "")),
            ("1\u{e9}", Number::Is(1, "\u{e9}")),
            ("\u{661}", Number::None),
            ("18446744073709551615", Number::Is(u64::MAX, "")),
            ("18446744073709551616x", Number::TooLarge),
        ];
        for (text, expected) in table {
            assert_eq!(at_start(text), expected, "{text:?}");
        }
    }
}
