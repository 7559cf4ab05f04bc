//! What an earlier user can leave in a TPM.

use std::fs::File;
use std::io::{Read, Write};

use super::Swtpm;

/// What is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    Objects,
    /// Objects without a public area: hashes that were begun.
    Sequences,
    HmacSessions,
    PolicySessions,
    /// Sessions that were saved outside the TPM.
    SavedSessions,
}

/// TPM2_CreatePrimary of an ECC storage key below the null hierarchy; TPM2_HashSequenceStart with SHA-256;
/// TPM2_StartAuthSession without salt, with a nonce of 16 bytes; TPM2_ContextSave (TPM 2.0 Library, Part 3).
const CREATE_PRIMARY: &str = "8002000000430000013140000007000000094000000900000000000004000000\
                              00001a0023000b00030472000000060080004300100003001000000000000000000000";
const HASH_SEQUENCE: &str = "80010000000e000001860000000b";
const SESSION: &str = "80010000002b0000017640000007400000070010010203040506070809101112131415160000";
const CONTEXT_SAVE: &str = "80010000000e00000162";

impl Left {
    fn command(self) -> Vec<u8> {
        // Its kind, no symmetric algorithm, SHA-256.
        let session = |kind| format!("{SESSION}{kind}0010000b");
        let text = match self {
            Self::Objects => CREATE_PRIMARY.to_owned(),
            Self::Sequences => HASH_SEQUENCE.to_owned(),
            Self::HmacSessions | Self::SavedSessions => session("00"),
            Self::PolicySessions => session("01"),
        };
        hex::decode(text).unwrap()
    }
}

/// Leaves one more, and returns the response code.
pub(crate) fn one(swtpm: &Swtpm, left: Left) -> u32 {
    let mut device = File::options().read(true).write(true).open(&swtpm.device).unwrap();
    let made = run(&mut device, &left.command());
    let code = u32::from_be_bytes(made[6..10].try_into().unwrap());
    if code == 0 && left == Left::SavedSessions {
        let saved = run(&mut device, &[hex::decode(CONTEXT_SAVE).unwrap(), made[10..14].to_vec()].concat());
        assert_eq!(saved[6..10], [0; 4], "TPM2_ContextSave");
    }
    code
}

/// Leaves them until the TPM refuses another, and returns its response code.
pub(crate) fn fill(swtpm: &Swtpm, left: Left) -> u32 {
    (0..100).map(|_| one(swtpm, left)).find(|&code| code != 0).expect("a TPM that gets full")
}

fn run(device: &mut File, command: &[u8]) -> Vec<u8> {
    device.write_all(command).unwrap();
    let mut answer = vec![0; 4096];
    let length = device.read(&mut answer).unwrap();
    answer.truncate(length);
    answer
}
