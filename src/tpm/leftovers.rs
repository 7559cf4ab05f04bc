//! What an earlier user left in the TPM: a boot loader, tboot, the kernel before a kexec. On /dev/tpm0 nobody makes room.

use tss2_static::tcti::answer::Failure;
use tss2_static::tcti::line::Line;

use crate::cursor::Cursor;
use crate::error::Result;
use crate::tpm::command_error::no_answer;

/// `TPM_ST_NO_SESSIONS`, `TPM_CC_GetCapability`, `TPM_CC_FlushContext`, `TPM_CAP_HANDLES` (TPM 2.0 Library, Part 2, sections 6.9,
/// 6.5.2 and 6.12).
const NO_SESSIONS: [u8; 2] = [0x80, 0x01];
const GET_CAPABILITY: u32 = 0x17a;
const FLUSH_CONTEXT: u32 = 0x165;
const HANDLES: u32 = 1;

/// The types of handles that can be flushed (TPM 2.0 Library, Part 2, section 7.2): transient objects; sessions that are loaded,
/// and sessions that are saved. The handles in a list of sessions are those of HMAC sessions or of policy sessions.
const OBJECTS: u8 = 0x80;
const LOADED: u8 = 0x02;
const SAVED: u8 = 0x03;

/// No TPM has as many objects or sessions: a PC's TPM has room for 64 sessions at most. It bounds what a forged list can cost.
const MOST: u32 = 64;

/// What was flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flushed {
    pub(super) objects: usize,
    pub(super) sessions: usize,
}

/// Flushes all objects and sessions. Only for a program that is the only user of the TPM and has no session.
///
/// The commands go without a session, and an attacker on the bus can forge the lists. That harms nothing: there is nothing in
/// the TPM that the boot needs.
///
/// # Errors
/// If the TPM does not answer, or if a list is malformed.
pub(super) fn flush_all(line: &Line) -> Result<Flushed> {
    let objects = flush(line, OBJECTS)?;
    let sessions = flush(line, LOADED)? + flush(line, SAVED)?;
    Ok(Flushed { objects, sessions })
}

/// Flushes what the TPM lists of this type, and returns how many it flushed.
fn flush(line: &Line, kind: u8) -> Result<usize> {
    let first = u32::from(kind) << 24;
    let answer = run(line, GET_CAPABILITY, &[HANDLES, first, MOST])
        .map_err(|failure| no_answer("TPM2_GetCapability(HANDLES)", failure))?;
    let mut flushed = 0;
    for handle in handles(&answer, kind)? {
        // ESYS cannot flush a handle that it did not make: it reads the object's public area, which a hash sequence has not.
        let answer = run(line, FLUSH_CONTEXT, &[handle]).map_err(|failure| no_answer("TPM2_FlushContext", failure))?;
        // A handle that cannot be flushed must not keep the others from it.
        flushed += usize::from(answer.get(6..10) == Some(&[0; 4]));
    }
    Ok(flushed)
}

fn run(line: &Line, command: u32, parameters: &[u32]) -> std::result::Result<Vec<u8>, Failure> {
    let parameters: Vec<u8> = parameters.iter().flat_map(|parameter| parameter.to_be_bytes()).collect();
    let size = u32::try_from(10 + parameters.len()).unwrap_or(u32::MAX);
    line.run(&[&NO_SESSIONS, size.to_be_bytes().as_slice(), &command.to_be_bytes(), &parameters].concat())
}

/// The handles in the answer (TPM 2.0 Library, Part 2, `TPMS_CAPABILITY_DATA`, `TPML_HANDLE`). None if the TPM has refused.
fn handles(answer: &[u8], kind: u8) -> Result<Vec<u32>> {
    let mut answer = Cursor::new("TPM2_GetCapability(HANDLES)", answer);
    answer.take(6)?;
    if answer.u32_be()? != 0 {
        return Ok(Vec::new());
    }
    let _more = answer.u8()?;
    if answer.u32_be()? != HANDLES {
        return Err(answer.error("the answer is about another capability"));
    }
    let count = answer.u32_be()?;
    if count > MOST {
        return Err(answer.error(format_args!("the answer has {count} handles, and {MOST} were asked for")));
    }
    let mut handles = Vec::new();
    for _ in 0..count {
        let handle = answer.u32_be()?;
        let [found, ..] = handle.to_be_bytes();
        let expected = if kind == OBJECTS { found == OBJECTS } else { found == LOADED || found == SAVED };
        if !expected {
            return Err(answer.error(format_args!("0x{handle:08x} is not of the type that was asked for")));
        }
        handles.push(handle);
    }
    answer.end().map(|()| handles)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u32, capability: u32, count: u32, handles: &[u32]) -> Vec<u8> {
        let start = [&NO_SESSIONS, [0; 4].as_slice(), &code.to_be_bytes(), &[0]].concat();
        let numbers = [capability, count].into_iter().chain(handles.iter().copied());
        start.into_iter().chain(numbers.flat_map(u32::to_be_bytes)).collect()
    }

    #[test]
    fn only_handles_of_the_type_that_was_asked_for_are_taken() {
        let objects = [0x8000_0000, 0x80ff_ffff];
        assert_eq!(handles(&answer(0, 1, 2, &objects), OBJECTS).unwrap(), objects);
        let sessions = [0x0200_0000, 0x0300_0001];
        assert_eq!(handles(&answer(0, 1, 2, &sessions), LOADED).unwrap(), sessions);
        assert!(handles(&answer(0x101, 1, 2, &objects), OBJECTS).unwrap().is_empty());
        // A persistent object, a hierarchy, a PCR.
        for handle in [0x8100_0001, 0x4000_000b, 0x0000_000d] {
            for kind in [OBJECTS, LOADED, SAVED] {
                assert!(handles(&answer(0, 1, 1, &[handle]), kind).is_err(), "{handle:x}");
            }
        }
    }

    #[test]
    fn a_malformed_list_is_an_error() {
        let table = [
            answer(0, 5, 0, &[]),
            answer(0, 1, u32::MAX, &[]),
            answer(0, 1, MOST + 1, &[0x8000_0000; 65]),
            answer(0, 1, 2, &[0x8000_0000]),
            answer(0, 1, 1, &[0x8000_0000; 2]),
            vec![],
        ];
        for malformed in table {
            assert!(handles(&malformed, OBJECTS).is_err(), "{malformed:?}");
        }
    }
}
