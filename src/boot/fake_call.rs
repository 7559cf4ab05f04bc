//! The calls of the boot to a machine that is not real, and what can go wrong.

use crate::config::failure_policy::FailureAction;

/// The calls of the boot to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    MountKernelFilesystems,
    CommandLine,
    ExpectFailure,
    CheckInitramfs,
    LoadModules,
    FinishModules,
    Tpm,
    TpmOfUnmeasured,
    LoadModulesToMark,
    TpmToMark,
    WaitForRoot,
    FindImage,
    FindTree,
    SealConditions,
    Progress,
    MountImage,
    MountOverlay,
    FindInit,
    WriteLog,
    WriteStatus,
    MoveMounts,
    SwitchRoot,
    Exec,
    Pause,
    Stop(FailureAction),
    RestartAtOnce,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Fault {
    /// Nothing.
    #[default]
    None,
    /// The machine fails this call.
    At(Call),
    /// The device of this call does not answer, and holds up the boot for ever.
    HangsForEver(Call),
    /// The TPM does not answer which banks are active.
    Banks,
    /// The TPM does not answer with the value of a PCR.
    Read,
    /// The TPM does not extend.
    Extend,
    /// From the first extend on, the TPM answers to nothing but extends, also while the failure is handled.
    ReadAfterExtend,
    /// The image is shorter than the length in its superblock.
    ShortImage,
    /// The TPM starts no session, before the failure and after it.
    Session,
    /// The RTMR is not extended.
    ExtendRtmr,
    /// A call of the failed boot hangs until the machine ends.
    Hangs(Call),
}
