//! What a TPM can do instead of a right answer.

use super::cell::Session;

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    Retry,
    Yielded,
    Canceled,
    Testing,
    NvRate,
    Failure,
    Lockout,
    Initialize,
    Deactivated,
    Disabled,
    ObjectMemory,
    /// Bytes without a meaning, in the length that their header gives.
    Garbage,
    /// The header of a success, and bytes without a meaning.
    Nonsense,
    /// The right answer without its last byte, also in its header.
    Short,
    /// The right answer and one byte more, also in its header.
    Long,
    /// The right answer to another command.
    Other,
    /// No answer, and none to any later command.
    Silence,
    /// The TPM is gone, for example because swtpm was killed.
    Gone,
}

/// What faults have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// The TPM asks for the same command again.
    Busy,
    /// The TPM has no room for an object.
    Full,
    /// The TPM answers with another error.
    Refused,
    /// The answer is not one to the command.
    Malformed,
    /// No TPM is left.
    Lost,
}

impl Fault {
    pub(crate) const ALL: [Self; 18] = [
        Self::Retry,
        Self::Yielded,
        Self::Canceled,
        Self::Testing,
        Self::NvRate,
        Self::Failure,
        Self::Lockout,
        Self::Initialize,
        Self::Deactivated,
        Self::Disabled,
        Self::ObjectMemory,
        Self::Garbage,
        Self::Nonsense,
        Self::Short,
        Self::Long,
        Self::Other,
        Self::Silence,
        Self::Gone,
    ];

    /// The response code of a TPM 2.0 and of a TPM 1.2 (TPM 2.0 Library, Part 2, section 6.6.3; TPM Main, Part 2, section 16), if the
    /// fault is one. `None` for a TPM that does not have it.
    fn codes(self) -> Option<[Option<u32>; 2]> {
        Some(match self {
            Self::Retry => [Some(0x922), Some(0x800)],
            Self::Yielded => [Some(0x908), None],
            Self::Canceled => [Some(0x909), None],
            Self::Testing => [Some(0x90a), Some(0x802)],
            Self::NvRate => [Some(0x920), None],
            // TPM_RC_FAILURE, TPM_FAILEDSELFTEST.
            Self::Failure => [Some(0x101), Some(0x1c)],
            // TPM_RC_LOCKOUT, TPM_DEFEND_LOCK_RUNNING.
            Self::Lockout => [Some(0x921), Some(0x803)],
            // TPM_RC_INITIALIZE, TPM_INVALID_POSTINIT.
            Self::Initialize => [Some(0x100), Some(0x26)],
            Self::Deactivated => [None, Some(0x06)],
            Self::Disabled => [None, Some(0x07)],
            Self::ObjectMemory => [Some(0x902), None],
            _ => return None,
        })
    }

    /// Whether a TPM of this kind can have the fault.
    pub(crate) fn is_of(self, session: Session) -> bool {
        self.codes().is_none_or(|codes| codes[usize::from(session == Session::Version12)].is_some())
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Self::Retry | Self::Yielded | Self::Canceled | Self::Testing | Self::NvRate => Family::Busy,
            Self::ObjectMemory => Family::Full,
            Self::Failure | Self::Lockout | Self::Initialize | Self::Deactivated | Self::Disabled => Family::Refused,
            Self::Garbage | Self::Nonsense | Self::Short | Self::Long | Self::Other => Family::Malformed,
            Self::Silence | Self::Gone => Family::Lost,
        }
    }

    /// Whether it is made of the right answer, so that the TPM must run the command.
    pub(crate) fn needs_answer(self) -> bool {
        matches!(self, Self::Short | Self::Long)
    }

    /// The answer with this fault: `right` is the right one, `other` is the right one to another command. `None` if there is none.
    pub(crate) fn answer(self, session: Session, right: &[u8], other: &[u8]) -> Option<Vec<u8>> {
        let is_version12 = session == Session::Version12;
        // TPM_TAG_RSP_COMMAND, TPM_ST_NO_SESSIONS.
        let tag = if is_version12 { [0x00, 0xc4] } else { [0x80, 0x01] };
        if let Some(codes) = self.codes() {
            return codes[usize::from(is_version12)].map(|code| message(&tag, &code.to_be_bytes()));
        }
        match self {
            Self::Garbage => Some(message(&[0xa5; 2], &[0xa5; 60])),
            Self::Nonsense => Some(message(&tag, &[[0; 4].as_slice(), &[0xff; 100]].concat())),
            Self::Short => Some(message(&right[..2], &right[6..right.len() - 1])),
            Self::Long => Some(message(&right[..2], &[&right[6..], &[0]].concat())),
            Self::Other => Some(other.to_vec()),
            _ => None,
        }
    }
}

/// A message with its length between the tag and the rest (TPM 2.0 Library, Part 1, section 18.2).
fn message(tag: &[u8], rest: &[u8]) -> Vec<u8> {
    let length = u32::try_from(6 + rest.len()).unwrap();
    [tag, &length.to_be_bytes(), rest].concat()
}
