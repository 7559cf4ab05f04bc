//! The functions that ESYS calls (tpm2-tss 4.1.3, src/tss2-esys/esys_crypto_mbed.h). This is the only file of the crate with
//! `unsafe`: it only reads values from pointers and writes values to pointers.
//!
//! Their contract is that of `ESYS_CRYPTO_CALLBACKS` in tss2_esys.h: until the function returns, a pointer is null, or valid for
//! its type, or valid for the number of bytes that is given with it. A context is null, or a start function has returned it and
//! no finish or abort function has taken it. These functions refuse null; the rest cannot be checked.
#![allow(unsafe_code, clippy::similar_names)]

use std::ffi::{c_char, c_void};
use std::{ptr, slice};

use tss_esapi_sys::{
    BYTE, TPM2_ALG_ID, TPM2_ECC_CURVE, TPM2B_DIGEST, TPM2B_ECC_PARAMETER, TPM2B_PUBLIC, TPMS_ECC_POINT,
    TSS2_BASE_RC_BAD_REFERENCE, TSS2_BASE_RC_BAD_SIZE, TSS2_BASE_RC_BAD_VALUE, TSS2_BASE_RC_GENERAL_FAILURE,
    TSS2_BASE_RC_NOT_IMPLEMENTED, TSS2_RC,
};

use crate::ecdh::{self, COORDINATE, Point};
use crate::hash::Hashing;

const SUCCESS: TSS2_RC = 0;
/// The layer that returns the error (tss2_common.h, `TSS2_ESYS_RC_LAYER`).
const ESYS: TSS2_RC = 7 << 16;
const GENERAL_FAILURE: TSS2_RC = ESYS | TSS2_BASE_RC_GENERAL_FAILURE;
const NOT_IMPLEMENTED: TSS2_RC = ESYS | TSS2_BASE_RC_NOT_IMPLEMENTED;
const BAD_REFERENCE: TSS2_RC = ESYS | TSS2_BASE_RC_BAD_REFERENCE;
const BAD_VALUE: TSS2_RC = ESYS | TSS2_BASE_RC_BAD_VALUE;
const BAD_SIZE: TSS2_RC = ESYS | TSS2_BASE_RC_BAD_SIZE;

/// TPM_ALG_SHA256, TPM_ALG_SHA384 and TPM_ECC_NIST_P256 (TCG Algorithm Registry 1.34, tables 3 and 4).
const SHA256: TPM2_ALG_ID = 0x000b;
#[cfg(feature = "attest")]
const SHA384: TPM2_ALG_ID = 0x000c;
const P256: TPM2_ECC_CURVE = 0x0003;

/// # Safety
/// `start` is null, or valid for `size` bytes as long as the result is used.
unsafe fn bytes<'a>(start: *const u8, size: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller guarantees it, and `start` is not null.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start, size) })
}

/// # Safety
/// That of the exports.
unsafe fn start(context: *mut *mut Hashing, is_known: bool, hashing: Option<Hashing>) -> TSS2_RC {
    if !is_known {
        return NOT_IMPLEMENTED;
    }
    let Some(hashing) = hashing.filter(|_| !context.is_null()) else { return BAD_REFERENCE };
    // SAFETY: valid for a pointer, and not null.
    unsafe { context.write(Box::into_raw(Box::new(hashing))) };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn iesys_cryptmbed_hash_start(
    context: *mut *mut Hashing,
    algorithm: TPM2_ALG_ID,
    _: *mut c_void,
) -> TSS2_RC {
    #[cfg(feature = "attest")]
    if algorithm == SHA384 {
        // SAFETY: this function's contract.
        return unsafe { start(context, true, Some(Hashing::long())) };
    }
    // SAFETY: this function's contract.
    unsafe { start(context, algorithm == SHA256, Some(Hashing::plain())) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn iesys_cryptmbed_hmac_start(
    context: *mut *mut Hashing,
    algorithm: TPM2_ALG_ID,
    key: *const u8,
    size: usize,
    _: *mut c_void,
) -> TSS2_RC {
    // SAFETY: this function's contract.
    unsafe { start(context, algorithm == SHA256, bytes(key, size).and_then(Hashing::keyed)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn iesys_cryptmbed_hash_update(
    context: *mut Hashing,
    buffer: *const u8,
    size: usize,
    _: *mut c_void,
) -> TSS2_RC {
    // SAFETY: this function's contract; ESYS uses a context in one thread at a time.
    let (Some(hashing), Some(bytes)) = (unsafe { (context.as_mut(), bytes(buffer, size)) }) else {
        return BAD_REFERENCE;
    };
    hashing.update(bytes);
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn iesys_cryptmbed_hmac_update(
    context: *mut Hashing,
    buffer: *const u8,
    size: usize,
    userdata: *mut c_void,
) -> TSS2_RC {
    // SAFETY: the same contract.
    unsafe { iesys_cryptmbed_hash_update(context, buffer, size, userdata) }
}

/// Takes the context, and leaves null in its place.
///
/// # Safety
/// That of the exports.
unsafe fn take(context: *mut *mut Hashing) -> Option<Box<Hashing>> {
    if context.is_null() {
        return None;
    }
    // SAFETY: valid for a pointer, and not null.
    let taken = unsafe { context.replace(ptr::null_mut()) };
    // SAFETY: a start function made it with `Box::into_raw`, and null in its place keeps it from being taken again.
    (!taken.is_null()).then(|| unsafe { Box::from_raw(taken) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn iesys_cryptmbed_hash_finish(
    context: *mut *mut Hashing,
    buffer: *mut u8,
    size: *mut usize,
    _: *mut c_void,
) -> TSS2_RC {
    if buffer.is_null() || size.is_null() {
        return BAD_REFERENCE;
    }
    // SAFETY: this function's contract.
    let Some(hashing) = (unsafe { take(context) }) else { return BAD_REFERENCE };
    let length = hashing.length();
    // SAFETY: valid for a number, and not null.
    if unsafe { size.read() } < length {
        return BAD_SIZE;
    }
    let digest = hashing.finish();
    // SAFETY: the buffer is valid for `size` bytes, which are enough; neither is null. The digest has `length` bytes or more.
    unsafe {
        buffer.copy_from_nonoverlapping(digest.as_ptr(), length);
        size.write(length);
    }
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn iesys_cryptmbed_hmac_finish(
    context: *mut *mut Hashing,
    buffer: *mut u8,
    size: *mut usize,
    userdata: *mut c_void,
) -> TSS2_RC {
    // SAFETY: the same contract.
    unsafe { iesys_cryptmbed_hash_finish(context, buffer, size, userdata) }
}

// ESYS aborts some HMACs by the function for hashes, and some hashes by the one for HMACs: both do the same.
#[unsafe(no_mangle)]
unsafe extern "C" fn iesys_cryptmbed_hash_abort(context: *mut *mut Hashing, _: *mut c_void) {
    // SAFETY: this function's contract.
    drop(unsafe { take(context) });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn iesys_cryptmbed_hmac_abort(context: *mut *mut Hashing, _: *mut c_void) {
    // SAFETY: this function's contract.
    drop(unsafe { take(context) });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn iesys_cryptmbed_random2b(nonce: *mut TPM2B_DIGEST, size: usize, _: *mut c_void) -> TSS2_RC {
    let mut random = TPM2B_DIGEST::default();
    let Some((part, size)) = random.buffer.get_mut(..size).zip(u16::try_from(size).ok()) else { return BAD_SIZE };
    if nonce.is_null() {
        return BAD_REFERENCE;
    }
    if getrandom::fill(part).is_err() {
        return GENERAL_FAILURE;
    }
    random.size = size;
    // SAFETY: valid for such a value, and not null.
    unsafe { nonce.write(random) };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn iesys_cryptmbed_get_ecdh_point(
    key: *const TPM2B_PUBLIC,
    room: usize,
    shared: *mut TPM2B_ECC_PARAMETER,
    ours: *mut TPMS_ECC_POINT,
    buffer: *mut BYTE,
    size: *mut usize,
    _: *mut c_void,
) -> TSS2_RC {
    // SAFETY: this function's contract.
    let Some(key) = (unsafe { key.as_ref() }) else { return BAD_REFERENCE };
    if shared.is_null() || ours.is_null() || buffer.is_null() || size.is_null() {
        return BAD_REFERENCE;
    }
    // SAFETY: ESYS calls this for keys of the type ECC only, and these are the parts of the unions for ECC.
    let (curve, theirs) = unsafe { (key.publicArea.parameters.eccDetail.curveID, &key.publicArea.unique.ecc) };
    if curve != P256 {
        return NOT_IMPLEMENTED;
    }
    let (Some(x), Some(y)) = (coordinate(&theirs.x), coordinate(&theirs.y)) else { return BAD_VALUE };
    let mut ephemeral = [0; COORDINATE];
    if getrandom::fill(&mut ephemeral).is_err() {
        return GENERAL_FAILURE;
    }
    // One in 2^32 random numbers is no key: the session then fails with the same error as for a bad point.
    let Some((Point { x, y }, secret)) = ecdh::exchange(&Point { x, y }, &ephemeral) else { return BAD_VALUE };
    let marshalled = ecdh::marshalled(&Point { x, y });
    if room < marshalled.len() {
        return BAD_SIZE;
    }
    // SAFETY: each is valid for a value of its type, the buffer for `room` bytes; none is null.
    unsafe {
        shared.write(parameter(&secret));
        ours.write(TPMS_ECC_POINT { x: parameter(&x), y: parameter(&y) });
        buffer.copy_from_nonoverlapping(marshalled.as_ptr(), marshalled.len());
        size.write(marshalled.len());
    }
    SUCCESS
}

/// A coordinate from the TPM. Like the kernel, it accepts only the full length (drivers/char/tpm/tpm2-sessions.c).
fn coordinate(parameter: &TPM2B_ECC_PARAMETER) -> Option<[u8; COORDINATE]> {
    parameter.buffer.get(..usize::from(parameter.size))?.try_into().ok()
}

fn parameter(coordinate: &[u8; COORDINATE]) -> TPM2B_ECC_PARAMETER {
    let mut parameter = TPM2B_ECC_PARAMETER::default();
    for (to, &from) in parameter.buffer.iter_mut().zip(coordinate) {
        *to = from;
        parameter.size += 1;
    }
    parameter
}

#[unsafe(no_mangle)]
extern "C" fn iesys_cryptmbed_init(_: *mut c_void) -> TSS2_RC {
    SUCCESS
}

// The agent's sessions never use these: RSA keys and encrypted parameters.

#[unsafe(no_mangle)]
extern "C" fn iesys_cryptmbed_pk_encrypt(
    _: *mut TPM2B_PUBLIC,
    _: usize,
    _: *mut BYTE,
    _: usize,
    _: *mut BYTE,
    _: *mut usize,
    _: *const c_char,
    _: *mut c_void,
) -> TSS2_RC {
    NOT_IMPLEMENTED
}

#[unsafe(no_mangle)]
extern "C" fn iesys_cryptmbed_sym_aes_encrypt(
    _: *mut u8,
    _: TPM2_ALG_ID,
    _: u16,
    _: TPM2_ALG_ID,
    _: *mut u8,
    _: usize,
    _: *mut u8,
    _: *mut c_void,
) -> TSS2_RC {
    NOT_IMPLEMENTED
}

#[unsafe(no_mangle)]
extern "C" fn iesys_cryptmbed_sym_aes_decrypt(
    _: *mut u8,
    _: TPM2_ALG_ID,
    _: u16,
    _: TPM2_ALG_ID,
    _: *mut u8,
    _: usize,
    _: *mut u8,
    _: *mut c_void,
) -> TSS2_RC {
    NOT_IMPLEMENTED
}

#[cfg(test)]
#[path = "exports_tests.rs"]
mod tests;
