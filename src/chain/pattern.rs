//! The pattern of `default` in loader.conf.

/// The longest pattern that is compared: a name on a FAT has 255 characters at most.
const LONGEST_PATTERN: usize = 1024;

/// Whether a pattern with `*` and `?` matches. One with `[` is not judged here.
pub(super) fn matches(pattern: &str, id: &str) -> bool {
    if pattern.len() > LONGEST_PATTERN {
        return false;
    }
    let (pattern, id): (Vec<_>, Vec<_>) = (pattern.to_lowercase().chars().collect(), id.chars().collect());
    // Which ends of the parts of `id` the pattern so far can have reached.
    let mut reached = vec![false; id.len() + 1];
    reached[0] = true;
    for c in pattern {
        let mut next = vec![false; id.len() + 1];
        for at in 0..=id.len() {
            next[at] = match c {
                '*' => reached[at] || (at > 0 && next[at - 1]),
                '[' => false,
                c => at > 0 && reached[at - 1] && (c == '?' || c == id[at - 1]),
            };
        }
        reached = next;
    }
    reached.last() == Some(&true)
}
