//! A secret that only the TPM and the agent know: Diffie-Hellman between a key of the TPM and a key that is used once (TPM 2.0
//! Library, Part 1, annex C.6.1).

use p256::elliptic_curve::point::AffineCoordinates;
use p256::{AffinePoint, NonZeroScalar, ProjectivePoint};

/// Bytes of a coordinate on P-256. Both sides hash coordinates, so both must keep leading zeros (Part 1, annex C.8). mbedTLS'
/// backend drops them, and one of its sessions in 256 fails.
pub const COORDINATE: usize = 32;

/// An affine point, big-endian. It may be a point that is not on the curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Point {
    pub x: [u8; COORDINATE],
    pub y: [u8; COORDINATE],
}

/// The public part of `secret`, for the TPM, and the x coordinate of the point that both sides compute.
///
/// `None` if `theirs` is not on the curve, because such a point can reveal the secret to the one who chose it; and if `secret`
/// is no key, because it is zero or not below the group's order.
#[must_use]
pub fn exchange(theirs: &Point, secret: &[u8; COORDINATE]) -> Option<(Point, [u8; COORDINATE])> {
    let theirs = AffinePoint::from_coordinates(&theirs.x.into(), &theirs.y.into()).into_option()?;
    let secret = NonZeroScalar::from_repr((*secret).into()).into_option()?;
    // Neither is the point at infinity: the group's order is prime.
    let ours = (ProjectivePoint::GENERATOR * *secret).to_affine();
    let shared = (ProjectivePoint::from(theirs) * *secret).to_affine();
    Some((Point { x: ours.x().into(), y: ours.y().into() }, shared.x().into()))
}

/// A point in the TPM's format: each coordinate after its length in two bytes (Part 2, `TPMS_ECC_POINT`).
#[must_use]
pub fn marshalled(point: &Point) -> Vec<u8> {
    let length = [0, 32].as_slice();
    [length, &point.x, length, &point.y].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coordinate(hex: &str) -> [u8; COORDINATE] {
        hex::decode(hex).unwrap().try_into().unwrap()
    }

    fn point(x: &str, y: &str) -> Point {
        Point { x: coordinate(x), y: coordinate(y) }
    }

    /// NIST, CAVS 14.1, ECC CDH Primitive Test, P-256, COUNT = 0.
    const NIST: [&str; 6] = [
        "700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287",
        "db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac",
        "7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534",
        "ead218590119e8876b29146ff89ca61770c4edbbf97d38ce385ed281d8a6b230",
        "28af61281fd35e2fa7002523acc85a429cb06ee6648325389f59edfce1405141",
        "46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b",
    ];
    /// Wycheproof, ecdh_secp256r1_test.json, tcId 3: the shared x coordinate is zero. OpenSSL 3 computed our own point.
    const WYCHEPROOF: [&str; 6] = [
        "58fd4168a87795603e2b04390285bdca6e57de6027fe211dd9d25e2212d29e62",
        "080d36bd224d7405509295eed02a17150e03b314f96da37445b0d1d29377d12c",
        "0a0d622a47e48f6bc1038ace438c6f528aa00ad2bd1da5f13ee46bf5f633d71a",
        "74618cbaaf69ff590f5fb58551ce4a948b5c7251d40e595a18b1ba6bbee6ada5",
        "bff403a8e99d53a70d3ce4610bfd05d4ba3a8855b6a0d363c81f7d078cdecd92",
        "0000000000000000000000000000000000000000000000000000000000000000",
    ];
    /// Computed by OpenSSL 3 with NIST's point. The shared x coordinate begins with a zero byte; in the second, our own does.
    const OPENSSL: [[&str; 6]; 2] = [
        [
            NIST[0],
            NIST[1],
            "000000000000000000000000000000000000000000000000000000000000012e",
            "fe76547ffa0dff5ccab41ce95c98cd7d994fa89df5aa79cb0f4c5c8a6c20d1f6",
            "3f48e5f1fb886f0052837bf7bde666a36d293a34932d749c6aaa6e7f0aa33e08",
            "0090ecae15bb98b6fb5dd140b47451c89773e3b939326062c0f3ef8a0f996fdb",
        ],
        [
            NIST[0],
            NIST[1],
            "000000000000000000000000000000000000000000000000000000000000017b",
            "005543894af3d00ed7d740abdbd75c96b06877b787db5f70eea78b90a8d7c00a",
            "bb4c85a3d8ea29efaafa24406912dd84d5b14dc32bf656ef6c6bd58a5d943f92",
            "922931e835a3ddcefe7017d6f56666324f36c41245702a54214079f3efd2af78",
        ],
    ];

    #[test]
    fn the_secret_is_the_same_as_in_published_vectors() {
        for [x, y, secret, our_x, our_y, shared] in [NIST, WYCHEPROOF, OPENSSL[0], OPENSSL[1]] {
            let exchanged = exchange(&point(x, y), &coordinate(secret)).unwrap();
            assert_eq!(exchanged, (point(our_x, our_y), coordinate(shared)));
        }
    }

    #[test]
    fn points_off_the_curve_and_invalid_keys_are_refused() {
        let [x, y, secret, ..] = NIST;
        let p = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
        let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
        let (zero, all) = ("00".repeat(32), "ff".repeat(32));
        for [x, y, secret] in [
            [x, x, secret],
            [&zero, &zero, secret],
            [x, p, secret],
            [p, y, secret],
            [&all, &all, secret],
            [x, y, &zero],
            [x, y, order],
            [x, y, &all],
        ] {
            assert_eq!(exchange(&point(x, y), &coordinate(secret)), None, "{x} {y} {secret}");
        }
    }

    #[test]
    fn a_marshalled_point_keeps_leading_zeros() {
        let bytes = marshalled(&point(OPENSSL[1][3], OPENSSL[1][4]));
        assert_eq!(hex::encode(bytes), format!("0020{}0020{}", OPENSSL[1][3], OPENSSL[1][4]));
    }
}
