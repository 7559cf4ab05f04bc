//! The functions through which ESYS and tss-esapi reach the TPM (TCG TSS 2.0 TPM Command Transmission Interface API
//! Specification 1.0, section 3). This is the only file of the crate with `unsafe`.
//!
//! Their contract is that of tss2_tcti.h and tss2_tctildr.h: a pointer is null, or valid for its type, or valid for the number of
//! bytes that is given with it. A context is null, or `Tss2_TctiLdr_Initialize` has made it and `Tss2_TctiLdr_Finalize` has not
//! taken it. These functions refuse null; the rest cannot be checked.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::c_char;
use std::sync::Arc;
use std::{ptr, slice};

use tss_esapi_sys::{
    TSS2_BASE_RC_BAD_REFERENCE, TSS2_BASE_RC_BAD_SEQUENCE, TSS2_BASE_RC_INSUFFICIENT_BUFFER, TSS2_BASE_RC_IO_ERROR,
    TSS2_BASE_RC_NO_CONNECTION, TSS2_BASE_RC_NOT_IMPLEMENTED, TSS2_RC, TSS2_TCTI_CONTEXT, TSS2_TCTI_CONTEXT_COMMON_V1,
    TSS2_TCTI_INFO, size_t,
};

use crate::line::Line;
use crate::shape::is_whole;

const SUCCESS: TSS2_RC = 0;
/// The layer that returns the error (tss2_common.h, `TSS2_TCTI_RC_LAYER`).
const TCTI: TSS2_RC = 10 << 16;
const BAD_REFERENCE: TSS2_RC = TCTI | TSS2_BASE_RC_BAD_REFERENCE;
const BAD_SEQUENCE: TSS2_RC = TCTI | TSS2_BASE_RC_BAD_SEQUENCE;
const INSUFFICIENT_BUFFER: TSS2_RC = TCTI | TSS2_BASE_RC_INSUFFICIENT_BUFFER;
const IO_ERROR: TSS2_RC = TCTI | TSS2_BASE_RC_IO_ERROR;
const NO_CONNECTION: TSS2_RC = TCTI | TSS2_BASE_RC_NO_CONNECTION;
const NOT_IMPLEMENTED: TSS2_RC = TCTI | TSS2_BASE_RC_NOT_IMPLEMENTED;

/// Tells this TCTI's contexts from others. Any number does.
const MAGIC: u64 = 0x6d65_6173_7572_6572;

thread_local! {
    /// tss-esapi passes a text to `Tss2_TctiLdr_Initialize`, not an open line. So the line takes this way.
    static NEXT: Cell<Option<Arc<Line>>> = const { Cell::new(None) };
}

/// The next context that this thread initializes uses `line`, whatever it asks for.
pub fn use_next(line: Arc<Line>) {
    NEXT.set(Some(line));
}

/// What ESYS knows as a TCTI context.
#[repr(C)]
struct Connection {
    /// ESYS knows this part, so it must be the first.
    common: TSS2_TCTI_CONTEXT_COMMON_V1,
    line: Arc<Line>,
    answer: Option<Vec<u8>>,
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Tss2_TctiLdr_Initialize(_: *const c_char, context: *mut *mut TSS2_TCTI_CONTEXT) -> TSS2_RC {
    if context.is_null() {
        return BAD_REFERENCE;
    }
    let Some(line) = NEXT.take() else { return NO_CONNECTION };
    let common = TSS2_TCTI_CONTEXT_COMMON_V1 {
        magic: MAGIC,
        version: 1,
        transmit: Some(transmit),
        receive: Some(receive),
        finalize: None,
        cancel: None,
        getPollHandles: None,
        setLocality: None,
    };
    let connection = Box::new(Connection { common, line, answer: None });
    // SAFETY: valid for a pointer, and not null.
    unsafe { context.write(Box::into_raw(connection).cast()) };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn Tss2_TctiLdr_Finalize(context: *mut *mut TSS2_TCTI_CONTEXT) {
    if context.is_null() {
        return;
    }
    // SAFETY: valid for a pointer, and not null.
    let taken = unsafe { context.replace(ptr::null_mut()) };
    if !taken.is_null() {
        // SAFETY: `Tss2_TctiLdr_Initialize` made it from a box, and it is taken only once.
        drop(unsafe { Box::from_raw(taken.cast::<Connection>()) });
    }
}

/// There is no other TCTI that a program could ask about. But tss-esapi has code that asks, and GNU ld wants its functions even if nothing
/// calls that code, as when libFuzzer counts what runs.
#[unsafe(no_mangle)]
extern "C" fn Tss2_TctiLdr_GetInfo(_: *const c_char, _: *mut *mut TSS2_TCTI_INFO) -> TSS2_RC {
    NOT_IMPLEMENTED
}

#[unsafe(no_mangle)]
extern "C" fn Tss2_TctiLdr_FreeInfo(_: *mut *mut TSS2_TCTI_INFO) {}

/// Runs the whole command, so that [`receive`] never waits.
unsafe extern "C" fn transmit(context: *mut TSS2_TCTI_CONTEXT, size: size_t, command: *const u8) -> TSS2_RC {
    // SAFETY: this function's contract; ESYS uses a context in one thread at a time.
    let Some(connection) = (unsafe { context.cast::<Connection>().as_mut() }) else { return BAD_REFERENCE };
    let (false, Ok(size)) = (command.is_null(), usize::try_from(size)) else { return BAD_REFERENCE };
    // SAFETY: valid for `size` bytes, and not null.
    let command = unsafe { slice::from_raw_parts(command, size) };
    match connection.line.run(command) {
        Ok(answer) if is_whole(command, &answer) => {
            connection.answer = Some(answer);
            SUCCESS
        }
        Ok(_) | Err(_) => IO_ERROR,
    }
}

/// Without a buffer it tells the size of the answer, and with one it gives the answer.
unsafe extern "C" fn receive(context: *mut TSS2_TCTI_CONTEXT, size: *mut size_t, response: *mut u8, _: i32) -> TSS2_RC {
    // SAFETY: this function's contract; ESYS uses a context in one thread at a time.
    let (Some(connection), Some(size)) = (unsafe { (context.cast::<Connection>().as_mut(), size.as_mut()) }) else {
        return BAD_REFERENCE;
    };
    let Some(answer) = &connection.answer else { return BAD_SEQUENCE };
    let Ok(length) = size_t::try_from(answer.len()) else { return INSUFFICIENT_BUFFER };
    if !response.is_null() {
        if *size < length {
            return INSUFFICIENT_BUFFER;
        }
        // SAFETY: the caller's buffer has at least `size` bytes, and is not a part of our vector.
        unsafe { ptr::copy_nonoverlapping(answer.as_ptr(), response, answer.len()) };
        connection.answer = None;
    }
    *size = length;
    SUCCESS
}
