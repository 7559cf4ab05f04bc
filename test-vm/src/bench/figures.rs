//! Figures for people: medians, spreads, and the rows of a table.

/// The median; 0 of no values.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.get(middle) {
        None => 0.0,
        Some(upper) if sorted.len() % 2 == 1 => *upper,
        Some(upper) => f64::midpoint(sorted[middle - 1], *upper),
    }
}

/// The median, and the least and the most in brackets.
pub(super) fn spread(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    format!("{:.3} ({least:.3}-{most:.3})", median(values))
}

/// A row: `first` in 36 columns, each of `rest` in `width`.
pub(super) fn row(first: &str, rest: impl IntoIterator<Item = String>, width: usize) -> String {
    let line = rest.into_iter().fold(format!("  {first:<36}"), |line, cell| line + &format!("{cell:<width$}"));
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        for (values, expected) in
            [(vec![], 0.0), (vec![3.0], 3.0), (vec![9.0, 1.0, 2.0], 2.0), (vec![4.0, 1.0, 2.0, 9.0], 3.0)]
        {
            assert!((median(&values) - expected).abs() < 1e-9, "{values:?}");
        }
    }

    #[test]
    fn a_spread_has_the_least_and_the_most() {
        assert_eq!(spread(&[0.5, 0.25, 1.0]), "0.500 (0.250-1.000)");
    }

    #[test]
    fn a_row_has_columns_and_no_space_at_its_end() {
        assert_eq!(row("a", ["b".into(), "c".into()], 3), format!("  a{}b  c", " ".repeat(35)));
    }
}
