//! Numbers on the command line.

/// Reads a number in decimal digits, without a sign and without a leading zero. The kernel reads `010` as eight (`kstrtoul`
/// with the base 0), most programs as ten: a number that two readers take for different ones is no number.
#[must_use]
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let padded = text.len() > 1 && text.starts_with('0');
    if digits && !padded { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        for number in [0, 1, 9, 10, 86_400, u64::MAX] {
            assert_eq!(decimal(&number.to_string()), Some(number));
        }
        let wrong =
            ["", "+9", "-0", "09", "010", "00", "0x9", "9 ", " 9", "9\n", "1_0", "\u{663}", "18446744073709551616"];
        for text in wrong {
            assert_eq!(decimal(text), None, "{text:?}");
        }
    }
}
