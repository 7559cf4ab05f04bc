//! What a TPM can do instead of a right answer.

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
    pub(crate) const ALL: [Self; 16] = [
        Self::Retry,
        Self::Yielded,
        Self::Canceled,
        Self::Testing,
        Self::NvRate,
        Self::Failure,
        Self::Lockout,
        Self::Initialize,
        Self::ObjectMemory,
        Self::Garbage,
        Self::Nonsense,
        Self::Short,
        Self::Long,
        Self::Other,
        Self::Silence,
        Self::Gone,
    ];

    /// The response code (TPM 2.0 Library, Part 2, section 6.6.3), if the fault is one.
    fn code(self) -> Option<u32> {
        Some(match self {
            Self::Retry => 0x922,
            Self::Yielded => 0x908,
            Self::Canceled => 0x909,
            Self::Testing => 0x90a,
            Self::NvRate => 0x920,
            Self::Failure => 0x101,
            Self::Lockout => 0x921,
            Self::Initialize => 0x100,
            Self::ObjectMemory => 0x902,
            _ => return None,
        })
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Self::Retry | Self::Yielded | Self::Canceled | Self::Testing | Self::NvRate => Family::Busy,
            Self::ObjectMemory => Family::Full,
            Self::Failure | Self::Lockout | Self::Initialize => Family::Refused,
            Self::Garbage | Self::Nonsense | Self::Short | Self::Long | Self::Other => Family::Malformed,
            Self::Silence | Self::Gone => Family::Lost,
        }
    }

    /// Whether it is made of the right answer, so that the TPM must run the command.
    pub(crate) fn needs_answer(self) -> bool {
        matches!(self, Self::Short | Self::Long)
    }

    /// The answer with this fault: `right` is the right one, `other` is the right one to another command. `None` if there is none.
    pub(crate) fn answer(self, right: &[u8], other: &[u8]) -> Option<Vec<u8>> {
        if let Some(code) = self.code() {
            return Some(message(&[0x80, 0x01], &code.to_be_bytes()));
        }
        match self {
            Self::Garbage => Some(message(&[0xa5; 2], &[0xa5; 60])),
            Self::Nonsense => Some(message(&[0x80, 0x01], &[[0; 4].as_slice(), &[0xff; 100]].concat())),
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
