//! What the owner of a machine told shim (mokutil), as far as Linux shows it: the copies that shim makes of its variables
//! (shim, mok.c, `mok_state_variables`).

use super::shim_lists::ShimLists;

/// The copies: what a file of /sys/firmware/efi/efivars begins with. Its vendor is shim's.
pub(super) const COPIES: [&str; 7] =
    ["MokListRT", "MokListXRT", "MokSBStateRT", "MokIgnoreDB", "SbatLevelRT", "MokListTrustedRT", "MokPolicyRT"];
/// The vendor in the names of files.
pub(super) const VENDOR: &str = "605dab50-e046-4300-abb6-3dd810dd8b23";

/// The variables, without what shim has built in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mok {
    pub(super) list: Vec<u8>,
    pub(super) list_x: Vec<u8>,
    pub(super) state: Option<Vec<u8>>,
    pub(super) ignores_db: bool,
    pub(super) level: Option<Vec<u8>>,
    /// What shim measures as MokListTrusted: one, if the variable is not there; nothing, if it is there.
    pub(super) trusted: Option<Vec<u8>>,
    pub(super) policy: Option<Vec<u8>>,
    /// The variables of the firmware.
    pub(super) db: Vec<u8>,
    pub(super) dbx: Vec<u8>,
}

impl Mok {
    /// Those of a machine whose owner told shim nothing.
    pub(super) fn untouched() -> Self {
        Self {
            list: Vec::new(),
            list_x: Vec::new(),
            state: None,
            ignores_db: false,
            level: None,
            trusted: Some(vec![1]),
            policy: None,
            db: Vec::new(),
            dbx: Vec::new(),
        }
    }

    /// Those that follow from the copies, in the order of [`COPIES`]. `None` if the copies of the lists are those of another shim.
    pub(super) fn of(copies: &[Option<Vec<u8>>], lists: &ShimLists) -> Option<Self> {
        let copy = |at: usize| copies.get(at).and_then(Option::as_deref);
        // Without a list, no shim has run.
        let Some(list) = copy(0) else { return Some(Self::untouched()) };
        let rest = |list: &[u8], own: &[u8]| {
            let rest = list.strip_prefix(super::shim_lists::measured(own, &[]).as_slice());
            rest.or_else(|| list.strip_prefix(own)).map(<[u8]>::to_vec)
        };
        Some(Self {
            list: rest(list, &lists.allowed)?,
            list_x: rest(copy(1).unwrap_or_default(), &lists.forbidden)?,
            state: copy(2).map(<[u8]>::to_vec),
            ignores_db: copy(3).is_some_and(|value| value != [0]),
            level: copy(4).map(<[u8]>::to_vec),
            trusted: copy(5).map(<[u8]>::to_vec),
            policy: copy(6).map(<[u8]>::to_vec),
            ..Self::untouched()
        })
    }

    /// Whether shim does not check programs as usual.
    pub(super) fn is_lenient(&self) -> bool {
        self.ignores_db || self.state.as_deref().is_some_and(|state| state == [1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copies_of_another_shim_are_refused() {
        let lists = ShimLists { allowed: b"own".to_vec(), ..ShimLists::default() };
        let copies = |list: &[u8]| {
            let mut copies = vec![None; COPIES.len()];
            copies[0] = Some(list.to_vec());
            copies[1] = Some(super::super::shim_lists::measured(&[], &[]));
            copies
        };
        assert_eq!(Mok::of(&vec![None; COPIES.len()], &lists), Some(Mok::untouched()));
        let found = Mok::of(&copies(b"ownadded"), &lists).unwrap();
        assert_eq!((found.list.as_slice(), found.list_x.as_slice(), found.trusted), (&b"added"[..], &b""[..], None));
        assert_eq!(Mok::of(&copies(b"other"), &lists), None);
        let mut lenient = copies(b"own");
        lenient[2] = Some(vec![1]);
        assert!(Mok::of(&lenient, &lists).unwrap().is_lenient());
    }
}
