//! The two families of TPMs. Their commands and answers have the same header, with other numbers in it.

/// The family of a TPM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// TPM 1.2 (TCG, TPM Main, Level 2, Revision 116).
    V1_2,
    /// TPM 2.0 (TCG, TPM 2.0 Library).
    V2_0,
}

/// `TPM_TAG_RSP_COMMAND` (TPM Main, Part 2, section 6). A TPM 2.0 answers with it, too, if it does not know the tag of a command
/// (`TPM_ST_RSP_COMMAND`, TPM 2.0 Library, Part 2, section 6.9).
const RSP_COMMAND: u16 = 0x00c4;
/// `TPM_ST_NO_SESSIONS`, `TPM_ST_SESSIONS` (TPM 2.0 Library, Part 2, section 6.9).
const NO_SESSIONS: u16 = 0x8001;
const SESSIONS: u16 = 0x8002;

/// The last two bytes of the codes of commands (TPM Main, Part 2, section 17; TPM 2.0 Library, Part 2, section 6.5.2). The others
/// are zero.
const EXTEND: u16 = 0x0014;
const PCR_EXTEND: u16 = 0x0182;

impl Family {
    /// Why an answer with this tag is none of this family; `None` if it is one.
    pub(crate) fn fault_of_tag(self, tag: u16) -> Option<&'static str> {
        match (self, tag) {
            (Self::V1_2, RSP_COMMAND) | (Self::V2_0, NO_SESSIONS | SESSIONS) => None,
            (Self::V2_0, RSP_COMMAND) => Some("the answer is that of a TPM 1.2"),
            (Self::V1_2, NO_SESSIONS | SESSIONS) => Some("the answer is that of a TPM 2.0"),
            _ => Some("the answer has an unknown tag"),
        }
    }

    /// Whether the TPM asks with this code to send the same command again. It did not run the command.
    pub(crate) fn asks_again(self, code: u32) -> bool {
        match self {
            // TPM_RETRY, TPM_DOING_SELFTEST (TPM Main, Part 2, section 16).
            Self::V1_2 => matches!(code, 0x800 | 0x802),
            // TPM_RC_YIELDED, TPM_RC_CANCELED, TPM_RC_TESTING, TPM_RC_NV_RATE, TPM_RC_RETRY (TPM 2.0 Library, Part 2, section 6.6.3).
            Self::V2_0 => matches!(code, 0x908 | 0x909 | 0x90a | 0x920 | 0x922),
        }
    }

    /// Whether this command extends a PCR.
    pub(crate) fn extends(self, command: &[u8]) -> bool {
        let extend = match self {
            Self::V1_2 => EXTEND,
            Self::V2_0 => PCR_EXTEND,
        };
        code(command) == Some(extend)
    }

    /// The name of a command.
    pub(crate) fn name(self, command: &[u8]) -> &'static str {
        match (self, code(command)) {
            (Self::V1_2, Some(EXTEND)) => "TPM_Extend",
            (Self::V1_2, Some(0x0015)) => "TPM_PCRRead",
            (Self::V1_2, Some(0x0065)) => "TPM_GetCapability",
            (Self::V2_0, Some(0x0131)) => "TPM2_CreatePrimary",
            (Self::V2_0, Some(0x0165)) => "TPM2_FlushContext",
            (Self::V2_0, Some(0x0176)) => "TPM2_StartAuthSession",
            (Self::V2_0, Some(0x017a)) => "TPM2_GetCapability",
            (Self::V2_0, Some(0x017e)) => "TPM2_PCR_Read",
            (Self::V2_0, Some(PCR_EXTEND)) => "TPM2_PCR_Extend",
            _ => "command",
        }
    }
}

/// The last two bytes of a command's code.
fn code(command: &[u8]) -> Option<u16> {
    command.get(8..10).and_then(|code| code.try_into().ok()).map(u16::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Family; 2] = [Family::V1_2, Family::V2_0];

    #[test]
    fn an_answer_has_a_tag_of_its_family() {
        let table = [(0x00c4, true, false), (0x8001, false, true), (0x8002, false, true), (0x8003, false, false)];
        for (tag, version12, version20) in table {
            assert_eq!(BOTH.map(|family| family.fault_of_tag(tag).is_none()), [version12, version20], "{tag:x}");
        }
        // The tags of other answers of a TPM 1.2 have authorizations: no command here asks for one.
        assert!(Family::V1_2.fault_of_tag(0x00c5).is_some_and(|fault| fault.contains("unknown tag")));
    }

    #[test]
    fn a_family_has_its_own_codes() {
        for (code, version12, version20) in [(0x800, true, false), (0x802, true, false), (0x922, false, true)] {
            assert_eq!(BOTH.map(|family| family.asks_again(code)), [version12, version20], "{code:x}");
        }
        // TPM_NEEDS_SELFTEST, TPM_DEFEND_LOCK_RUNNING: the same command gets the same answer again.
        assert!([0, 6, 0x801, 0x803].iter().all(|&code| !Family::V1_2.asks_again(code)));
        let command = |code: u16| [&[0; 8], code.to_be_bytes().as_slice()].concat();
        assert_eq!(BOTH.map(|family| family.extends(&command(0x14))), [true, false]);
        assert_eq!(BOTH.map(|family| family.extends(&command(0x182))), [false, true]);
        assert_eq!(BOTH.map(|family| family.name(&command(0x14))), ["TPM_Extend", "command"]);
        assert_eq!(BOTH.map(|family| family.name(&command(0x165))), ["command", "TPM2_FlushContext"]);
        assert_eq!((code(&[0; 9]), Family::V1_2.name(&[])), (None, "command"));
    }
}
