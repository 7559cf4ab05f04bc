//! The commands of a boot to a TPM.

/// A command, by what the boot does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Command {
    CreatePrimary,
    StartAuthSession,
    FlushContext,
    GetCapability,
    /// TPM2_PCR_Read or TPM_PCRRead before the extend.
    ReadBefore,
    Extend,
    /// The same after the extend.
    ReadAfter,
}

impl Command {
    /// The commands of a boot without a fault, from their codes (`TPM_CC`, TPM 2.0 Library, Part 2, section 6.5.2; TPM Main, Part 2,
    /// section 17). `None` if it has
    /// a command that no rule knows.
    pub(crate) fn of_boot(codes: &[u32]) -> Option<Vec<Self>> {
        let mut is_extended = false;
        let command = |&code: &u32| {
            let command = match code {
                0x131 => Self::CreatePrimary,
                0x176 => Self::StartAuthSession,
                0x165 => Self::FlushContext,
                0x17a | 0x65 => Self::GetCapability,
                0x17e | 0x15 if !is_extended => Self::ReadBefore,
                0x17e | 0x15 => Self::ReadAfter,
                0x182 | 0x14 => Self::Extend,
                _ => return None,
            };
            is_extended |= command == Self::Extend;
            Some(command)
        };
        codes.iter().map(command).collect()
    }

    /// The step of the boot that sends it, as `src/boot/step.rs` names it.
    pub(crate) fn step(self) -> &'static str {
        match self {
            Self::CreatePrimary | Self::StartAuthSession | Self::FlushContext => "wait for devices",
            Self::GetCapability => "ask the TPM for its banks",
            Self::ReadBefore | Self::Extend | Self::ReadAfter => "extend the PCR",
        }
    }

    /// Whether it starts the session.
    pub(crate) fn starts_session(self) -> bool {
        matches!(self, Self::CreatePrimary | Self::StartAuthSession)
    }
}
