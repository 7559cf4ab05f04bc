//! A line that sets an option, as kernel configurations and fragments have it.

/// Parses `CONFIG_SYMBOL=VALUE`: the symbol without `CONFIG_`, and the value.
pub(super) fn set(line: &str) -> Option<(&str, &str)> {
    let (symbol, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
    (is_symbol(symbol) && !value.is_empty()).then_some((symbol, value))
}

/// Parses `# CONFIG_SYMBOL is not set`: the symbol without `CONFIG_`.
pub(super) fn unset(line: &str) -> Option<&str> {
    let symbol = line.strip_prefix("# CONFIG_")?.strip_suffix(" is not set")?;
    is_symbol(symbol).then_some(symbol)
}

/// Letters of either case, digits and underscores.
fn is_symbol(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        assert_eq!(set("CONFIG_A_1=\"a = b\""), Some(("A_1", "\"a = b\"")));
        assert_eq!(unset("# CONFIG_A_1 is not set"), Some("A_1"));
    }

    #[test]
    fn everything_else_is_refused() {
        for line in ["", "CONFIG_A", "CONFIG_A=", "CONFIG_=y", "CONFIG_A B=y", "CONFIG_é=y", " CONFIG_A=y", "A=y"] {
            assert_eq!(set(line), None, "{line}");
        }
        for line in ["# CONFIG_A is set", "# CONFIG_ is not set", "#CONFIG_A is not set", "# CONFIG_A is not set."] {
            assert_eq!(unset(line), None, "{line}");
        }
    }
}
