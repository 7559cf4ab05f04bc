//! The commands of docs/updates.md, in their order, on a machine that boots one release after the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;
mod evidence;
mod swtpm;

use common::{Ran, shell, squashfs};
use evidence::{Machine, Measured, log};
use measureroot::internal::measure::{PcrIndex, measurement};
use measureroot::internal::tpm::EsysPcrs;

/// TPM2_Startup(TPM_SU_CLEAR) (TPM 2.0 Library, Part 3, section 9.3).
const STARTUP: [u8; 12] = [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0];

/// TPM2_Shutdown(TPM_SU_CLEAR), which Linux sends when the machine ends. Without it, the TPM may count a wrong password.
const SHUTDOWN: [u8; 12] = [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x45, 0, 0];

/// Makes each of tpm2-tools flush its objects: this TPM has no resource manager. Gives the device and the log to `attest`.
const FLUSH: &str = "
    for tool in loadexternal policyauthorize createprimary create load verifysignature policypcr policyor unseal; do
        eval \"tpm2_$tool() { command tpm2_$tool \\\"\\$@\\\" && command tpm2_flushcontext -t; }\"
    done
    measureroot() {
        case \"$1\" in
            attest) command measureroot \"$@\" --tpm \"${TPM2TOOLS_TCTI#device:}\" --log log ;;
            *) command measureroot \"$@\" ;;
        esac
    }
";

/// The one block of commands with `part` in it.
fn block(part: &str) -> String {
    let found: Vec<_> = common::blocks("docs/updates.md").into_iter().filter(|block| block.contains(part)).collect();
    assert_eq!(found.len(), 1, "blocks with {part:?}");
    found.concat()
}

fn run(machine: &Machine, commands: &str) -> Ran {
    shell(&(FLUSH.to_owned() + commands), &machine.path(""), &[("TPM2TOOLS_TCTI", &machine.swtpm.tcti())])
}

fn release(number: u32) -> Vec<u8> {
    squashfs(format!("release {number}").as_bytes())
}

/// A machine that is switched off, with the images of three releases.
fn machine() -> Machine {
    let machine = Machine::booted(&[]);
    for number in [7, 8, 9] {
        machine.write(&format!("root-{number}.squashfs"), &release(number));
    }
    machine
}

/// Switches the machine off and on, and boots the image of a release.
fn boot(machine: &Machine, number: u32) {
    assert_eq!(machine.swtpm.run(&SHUTDOWN)[6..10], [0; 4], "TPM2_Shutdown");
    machine.swtpm.reset(&STARTUP);
    let events = [Measured::other(4, "kernel"), Measured::image(&release(number))];
    let mut tpm = EsysPcrs::open(&machine.swtpm.device).unwrap();
    for event in &events {
        let pcr = PcrIndex::try_from(u8::try_from(event.pcr).unwrap()).unwrap();
        measurement::extend(&mut tpm, pcr, &event.digests).unwrap();
    }
    machine.write("log", &log(&events));
}

/// What the verifier says of the machine as it is now.
fn verified(machine: &Machine) -> Ran {
    let block = block("measureroot verify");
    // The register has the key from an earlier enrolment.
    let (ask, verify) = block.split_once("measureroot verify").unwrap();
    let key = "jq -r .key evidence | tr a-f A-F | basenc --base16 --decode > machine.key\n";
    run(machine, &format!("{ask}{key}measureroot verify{verify}"))
}

#[test]
fn a_test_runs_each_block() {
    let known = [
        "--name \"release 7\"",
        "measureroot verify",
        "dd if=",
        "openssl genpkey",
        "tpm2_create ",
        "--format policy",
        "tpm2_unseal",
        "tpm2_createpolicy",
        "tpm2_policyor",
        "--until 2020-01-01",
    ];
    for block in common::blocks("docs/updates.md") {
        assert_eq!(known.iter().filter(|part| block.contains(**part)).count(), 1, "{block}");
    }
}

#[test]
fn both_releases_are_trusted_until_the_old_one_is_revoked() {
    let machine = machine();
    run(&machine, &block("--name \"release 7\"")).printed();
    for number in [7, 8] {
        boot(&machine, number);
        let out = verified(&machine).printed();
        assert!(out.starts_with(&format!("trusted: release {number}, until 2099-12-31\n")), "{out}");
    }
    run(&machine, &block("--until 2020-01-01")).printed();
    assert!(verified(&machine).printed().starts_with("trusted: release 8, "));
    boot(&machine, 7);
    let ran = verified(&machine);
    assert!(ran.code == 3 && ran.out.contains("2020-01-01"), "{ran:?}");
    boot(&machine, 9);
    assert_eq!(verified(&machine).code, 3);
}

#[test]
fn the_slot_has_the_image_although_a_longer_one_was_there() {
    let machine = machine();
    run(&machine, &block("--name \"release 7\"")).printed();
    machine.write("slot-b", &vec![0x55; 1 << 20]);
    run(&machine, &block("dd if=")).printed();
    machine.write("root-8.squashfs", &squashfs(b"another image"));
    assert_ne!(
        run(&machine, "measureroot predict --device slot-b | cmp - <(measureroot predict root-8.squashfs)").code,
        0
    );
}

/// A machine with a secret that follows the releases that the key of the page signs: 7 and 8.
fn with_a_secret() -> Machine {
    let machine = machine();
    for part in ["openssl genpkey", "tpm2_create ", "--format policy"] {
        run(&machine, &block(part)).printed();
    }
    machine
}

/// Opens the secret with the policy of a release.
fn unseal(machine: &Machine, release: u32) -> Ran {
    run(machine, &format!("RELEASE={release}\n{}", block("tpm2_unseal")))
}

/// Opens the secret with the policy of the whole boot of a release.
fn unseal_whole(machine: &Machine, release: u32, pcrs: &str) -> Ran {
    let block = block("tpm2_unseal").replace("sha256:13", pcrs).replace("root-$RELEASE", "whole-$RELEASE");
    run(machine, &format!("RELEASE={release}\n{block}"))
}

#[test]
fn a_secret_follows_from_one_release_to_the_next_and_no_other_image_opens_it() {
    let machine = with_a_secret();
    for number in [7, 8] {
        boot(&machine, number);
        let out = unseal(&machine, number).printed();
        assert!(out.ends_with("the key of the data"), "{out}");
    }
    // Release 9 is not signed, and no policy of another release is its own.
    for (booted, policy) in [(9, 7), (9, 8), (8, 7)] {
        boot(&machine, booted);
        let ran = unseal(&machine, policy);
        let refused = ran.err.contains("Esys_PolicyAuthorize") || ran.err.contains("tpm2_policyauthorize");
        assert!(ran.code != 0 && refused && !ran.out.contains("the key"), "{ran:?}");
    }
    // Another key signs release 9.
    let forge = "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out update.key\n";
    let sign = block("--format policy").replace("7 8", "9");
    run(&machine, &format!("{forge}{sign}")).printed();
    boot(&machine, 9);
    let ran = unseal(&machine, 9);
    assert!(ran.code != 0 && ran.err.contains("VerifySignature") && !ran.out.contains("the key"), "{ran:?}");
}

#[test]
fn a_policy_of_the_whole_boot_refuses_the_image_after_another_loader() {
    const PCRS: &str = "sha256:4,7,9,11,12,13";
    let machine = with_a_secret();
    boot(&machine, 8);
    run(&machine, &block("tpm2_createpolicy")).printed();
    boot(&machine, 8);
    assert!(unseal_whole(&machine, 8, PCRS).printed().ends_with("the key of the data"));
    let mut tpm = EsysPcrs::open(&machine.swtpm.device).unwrap();
    let other = Measured::other(4, "another loader");
    measurement::extend(&mut tpm, PcrIndex::try_from(4).unwrap(), &other.digests).unwrap();
    drop(tpm);
    let ran = unseal_whole(&machine, 8, PCRS);
    assert!(ran.code != 0 && !ran.out.contains("the key"), "{ran:?}");
}

#[test]
fn a_policy_of_two_releases_is_that_of_the_library() {
    let machine = with_a_secret();
    run(&machine, &block("tpm2_policyor")).printed();
    // TPM 2.0 Library, Part 3, TPM2_PolicyOR: H(0...0 || TPM_CC_PolicyOR || the digests).
    let digests = [machine.read("root-7.policy"), machine.read("root-8.policy")].concat();
    let bytes = [[0; 32].as_slice(), &[0, 0, 1, 0x71], &digests].concat();
    let expected = measureroot::internal::hash::Bank::Sha256.digest(&bytes);
    assert_eq!(machine.read("either.policy"), expected.as_bytes());
}
