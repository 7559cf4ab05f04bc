//! Calls the functions as ESYS does.

use super::*;

const NO_DATA: *mut c_void = ptr::null_mut();
/// TPM_ALG_SHA384, which the agent does not need, and TPM_ALG_SHA512, which nothing needs.
const LONG: TPM2_ALG_ID = 0x000c;
const SHA512: TPM2_ALG_ID = 0x000d;

/// Does with a context what ESYS does.
fn run(start: impl Fn(&mut *mut Hashing) -> TSS2_RC, room: usize) -> Result<Vec<u8>, TSS2_RC> {
    let (mut context, mut buffer, mut size) = (ptr::null_mut(), [0; 64], room);
    match start(&mut context) {
        SUCCESS => {}
        error => return Err(error),
    }
    // SAFETY: pointers to values that live here, and the context that was started.
    let code = unsafe {
        assert_eq!(iesys_cryptmbed_hmac_update(context, b"abc".as_ptr(), 3, NO_DATA), SUCCESS);
        let code = iesys_cryptmbed_hash_finish(&raw mut context, buffer.as_mut_ptr(), &raw mut size, NO_DATA);
        // It can be aborted whether or not it was finished, by both functions.
        iesys_cryptmbed_hmac_abort(&raw mut context, NO_DATA);
        iesys_cryptmbed_hash_abort(&raw mut context, NO_DATA);
        code
    };
    assert!(context.is_null());
    if code == SUCCESS { Ok(buffer[..size].to_vec()) } else { Err(code) }
}

#[test]
fn a_hash_and_an_hmac_are_computed() {
    // SAFETY: a pointer to a value that lives, and a key with its length.
    let hash = |algorithm| move |context: &mut _| unsafe { iesys_cryptmbed_hash_start(context, algorithm, NO_DATA) };
    let hmac = |context: &mut _| unsafe { iesys_cryptmbed_hmac_start(context, SHA256, b"key".as_ptr(), 3, NO_DATA) };
    let digest = run(hash(SHA256), 64).unwrap();
    assert_eq!(hex::encode(digest), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_ne!(run(hmac, 32), run(hash(SHA256), 32));
    assert_eq!(run(hash(SHA256), 31), Err(BAD_SIZE));
    assert_eq!(run(hash(SHA512), 64), Err(NOT_IMPLEMENTED));
    let long = run(hash(LONG), 64);
    if cfg!(feature = "attest") {
        assert_eq!((long.map(|digest| digest.len()), run(hash(LONG), 47)), (Ok(48), Err(BAD_SIZE)));
    } else {
        assert_eq!(long, Err(NOT_IMPLEMENTED));
    }
}

#[test]
fn null_is_refused() {
    let (mut none, mut buffer, mut size) = (ptr::null_mut::<Hashing>(), [0; 64], 64);
    // SAFETY: null, or pointers to values that live here.
    let codes = unsafe {
        [
            iesys_cryptmbed_hash_start(ptr::null_mut(), SHA256, NO_DATA),
            iesys_cryptmbed_hmac_start(&raw mut none, SHA256, ptr::null(), 0, NO_DATA),
            iesys_cryptmbed_hash_update(none, buffer.as_ptr(), 1, NO_DATA),
            iesys_cryptmbed_hash_finish(&raw mut none, buffer.as_mut_ptr(), &raw mut size, NO_DATA),
            iesys_cryptmbed_hash_finish(ptr::null_mut(), buffer.as_mut_ptr(), &raw mut size, NO_DATA),
            iesys_cryptmbed_random2b(ptr::null_mut(), 1, NO_DATA),
        ]
    };
    assert_eq!(codes, [BAD_REFERENCE; 6]);
}

#[test]
fn random_numbers_have_the_length_asked_for() {
    let mut nonce = TPM2B_DIGEST::default();
    // SAFETY: a pointer to a value that lives here.
    let mut random = |size| unsafe { (iesys_cryptmbed_random2b(&raw mut nonce, size, NO_DATA), nonce) };
    let (code, nonce) = random(32);
    assert_eq!((code, nonce.size), (SUCCESS, 32));
    assert!(nonce.buffer[..32] != [0; 32] && nonce.buffer[32..] == [0; 32]);
    assert_eq!((random(64).0, random(65).0), (SUCCESS, BAD_SIZE));
}

/// The generator of P-256 (FIPS 186-4, D.1.2.3) as the public key of a TPM.
fn key() -> TPM2B_PUBLIC {
    let coordinate = |hex: &str| parameter(&hex::decode(hex).unwrap().try_into().unwrap());
    let mut key = TPM2B_PUBLIC::default();
    key.publicArea.parameters.eccDetail.curveID = P256;
    key.publicArea.unique.ecc = TPMS_ECC_POINT {
        x: coordinate("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"),
        y: coordinate("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"),
    };
    key
}

fn exchange(key: &TPM2B_PUBLIC, room: usize) -> Result<(TPM2B_ECC_PARAMETER, TPMS_ECC_POINT, Vec<u8>), TSS2_RC> {
    let (mut shared, mut ours) = (parameter(&[0; 32]), TPMS_ECC_POINT::default());
    let (mut buffer, mut size) = ([0; 68], 0);
    // SAFETY: pointers to values that live here; the buffer has at least `room` bytes in every test.
    let code = unsafe {
        iesys_cryptmbed_get_ecdh_point(
            key,
            room,
            &raw mut shared,
            &raw mut ours,
            buffer.as_mut_ptr(),
            &raw mut size,
            NO_DATA,
        )
    };
    if code == SUCCESS { Ok((shared, ours, buffer[..size].to_vec())) } else { Err(code) }
}

#[test]
fn every_coordinate_has_its_full_length() {
    // If the other key is the generator, the shared coordinate is our own.
    let (shared, ours, sent) = exchange(&key(), 68).unwrap();
    assert_eq!((shared.size, ours.x.size, ours.y.size, sent.len()), (32, 32, 32, 68));
    assert!(shared.buffer == ours.x.buffer && sent[2..34] == ours.x.buffer[..32]);
    let zero = parameter(&[0; 32]);
    assert!(zero.size == 32 && coordinate(&zero) == Some([0; 32]));
}

#[test]
fn invalid_keys_are_refused() {
    let changed = |change: &dyn Fn(&mut TPM2B_PUBLIC)| {
        let mut key = key();
        change(&mut key);
        exchange(&key, 68).map(|_| ()).unwrap_err()
    };
    // SAFETY: `key` has set this part of the union.
    let theirs = |key: &mut TPM2B_PUBLIC, change: &dyn Fn(&mut TPMS_ECC_POINT)| unsafe {
        change(&mut key.publicArea.unique.ecc);
    };
    assert_eq!(changed(&|key| key.publicArea.parameters.eccDetail.curveID = 4), NOT_IMPLEMENTED);
    assert_eq!(changed(&|key| theirs(key, &|point| point.x.buffer[31] ^= 1)), BAD_VALUE);
    assert_eq!(changed(&|key| theirs(key, &|point| point.x.size = 31)), BAD_VALUE);
    assert_eq!(changed(&|key| theirs(key, &|point| point.y.size = 0)), BAD_VALUE);
    assert_eq!(changed(&|key| theirs(key, &|point| point.y.size = u16::MAX)), BAD_VALUE);
    assert_eq!(exchange(&key(), 67).map(|_| ()), Err(BAD_SIZE));
}

#[test]
fn functions_that_sessions_never_use_are_not_implemented() {
    let (byte, null) = (ptr::null_mut(), ptr::null_mut());
    let codes = [
        iesys_cryptmbed_pk_encrypt(ptr::null_mut(), 0, byte, 0, byte, ptr::null_mut(), ptr::null(), null),
        iesys_cryptmbed_sym_aes_encrypt(byte, 6, 128, 0x43, byte, 0, byte, null),
        iesys_cryptmbed_sym_aes_decrypt(byte, 6, 128, 0x43, byte, 0, byte, null),
    ];
    assert_eq!(codes, [NOT_IMPLEMENTED; 3]);
}
