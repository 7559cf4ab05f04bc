//! The generations of a program's components, which shim compares with the least ones that it wants (shim, SBAT.md; sbat.c).

use super::authority::Refusal::{self, Refused, Unknown};

/// The columns of a row of a program (shim, include/sbat.h, `SBAT_SECTION_COLUMNS`).
const COLUMNS: usize = 6;

/// Whether shim lets a program with this section `.sbat` run, with the level `level`. A program that shim itself loads must have the
/// section; a kernel, which a boot loader loads, need not (shim, pe.c, `verify_sbat_section`).
pub(super) fn is_new_enough(section: Option<&[u8]>, level: &[u8], must_have_it: bool) -> Result<(), Refusal> {
    let wanted: Vec<_> = rows(level).filter_map(|row| Some((*row.first()?, *row.get(1)?))).collect();
    let section = match section {
        _ if wanted.is_empty() => return Ok(()),
        None | Some([]) if must_have_it => return Err(Refused("it has no section .sbat".to_owned())),
        None => return Ok(()),
        Some(section) => section,
    };
    let own: Vec<_> = rows(section).collect();
    // One damaged row refuses the program (sbat.c, `parse_sbat_section`).
    if own.iter().any(|row| row.len() < COLUMNS || row.iter().any(|column| column.is_empty())) {
        return Err(Refused("its section .sbat is damaged".to_owned()));
    }
    for row in own {
        let (Some(name), Some(generation)) = (row.first(), row.get(1)) else { continue };
        // Of several rows of the level with one name, the first one counts (sbat.c, `verify_sbat_helper`).
        let Some((_, least)) = wanted.iter().find(|(component, _)| component == name) else { continue };
        let name = String::from_utf8_lossy(name);
        if number(generation, &name)? < number(least, &name)? {
            let least = String::from_utf8_lossy(least);
            return Err(Refused(format!("its generation of {name} is below {least} (SBAT)")));
        }
    }
    Ok(())
}

/// The rows of a text, up to its first zero, without empty ones; of each as many columns as count (csv.c, `parse_csv_data`).
fn rows(text: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let lines = text.split(|&byte| byte == b'\r' || byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| line.split(|&byte| byte == b',').take(COLUMNS).collect())
}

/// A generation. What shim's C makes of other text is not predicted (sbat.c, `verify_single_entry`: `atoi`, then 16 bits).
fn number(text: &[u8], name: &str) -> Result<u16, Refusal> {
    let digits = str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| Unknown(format!("the generation of {name} is no number of 16 bits (SBAT)")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVEL: &[u8] = b"sbat,1,2025021800\nshim,4\ngrub,5\ngrub,9\n";

    #[test]
    fn the_generations_are_compared_as_shim_compares_them() {
        let row = |generation: &str| format!("grub,{generation},Free Software Foundation,grub,2.12,https://gnu.org\n");
        let other = "grub.debian,1,Debian,grub2,2.12,https://debian.org\n";
        let refused = |why: &str| Err(Refused(why.to_owned()));
        let unknown = Err(Unknown("the generation of grub is no number of 16 bits (SBAT)".to_owned()));
        let old = refused("its generation of grub is below 5 (SBAT)");
        let damaged = refused("its section .sbat is damaged");
        for (section, expected) in [
            (row("5"), Ok(())),
            (row("6") + other, Ok(())),
            (other.to_owned() + &row("4"), old.clone()),
            // The second row of the level for GRUB does not count.
            (row("5").repeat(2), Ok(())),
            (row("5") + &row("4"), old.clone()),
            // A component that the level does not name.
            (other.to_owned(), Ok(())),
            // Text behind a zero does not count, an empty line and the end of the last one neither.
            (row("5") + "\0" + &row("1"), Ok(())),
            (format!("\r\n\n{}", row("4").trim_end()), old.clone()),
            (format!("\u{feff}{}", row("4")), old),
            (row("x"), unknown.clone()),
            (row("65536"), unknown.clone()),
            (row("-1"), unknown),
            ("grub,5\n".to_owned(), damaged.clone()),
            (row(""), damaged.clone()),
            (row("5") + "x", damaged),
            // More columns than six do not count.
            (row("5").replace(".org\n", ".org,\n"), Ok(())),
            ("\0".to_owned(), Ok(())),
        ] {
            assert_eq!(is_new_enough(Some(section.as_bytes()), LEVEL, true), expected, "{section:?}");
        }
    }

    #[test]
    fn only_what_shim_itself_loads_must_have_the_section() {
        let none = Err(Refused("it has no section .sbat".to_owned()));
        for (section, level, must_have_it, expected) in [
            (None, LEVEL, true, none.clone()),
            (Some(&b""[..]), LEVEL, true, none),
            (None, LEVEL, false, Ok(())),
            (Some(b""), LEVEL, false, Ok(())),
            // shim wants nothing.
            (None, b"", true, Ok(())),
        ] {
            assert_eq!(is_new_enough(section, level, must_have_it), expected, "{section:?} {must_have_it}");
        }
    }
}
