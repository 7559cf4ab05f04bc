//! The commands of docs/evidence.md, in their order, on a machine that has booted the image.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;
mod evidence;
mod swtpm;
mod trousers;

use common::{Ran, shell, squashfs};
use evidence::{Machine, Measured, log};
use measureroot::internal::hash::Bank;

/// Makes each of tpm2-tools flush its objects and sessions: this TPM has no resource manager. Gives the device and the log to `attest`.
const FLUSH: &str = "
    for tool in createek createak quote createprimary create load unseal; do
        eval \"tpm2_$tool() {
            command tpm2_$tool \\\"\\$@\\\" && command tpm2_flushcontext -t && command tpm2_flushcontext -l
        }\"
    done
    measureroot() {
        case \"$1 $2\" in
            'attest --nonce') command measureroot \"$@\" --tpm \"${TPM2TOOLS_TCTI#device:}\" --log log ;;
            'attest '*) command measureroot \"$@\" --tpm \"${TPM2TOOLS_TCTI#device:}\" ;;
            *) command measureroot \"$@\" ;;
        esac
    }
";

/// The section for a TPM 1.2. All others are for a TPM 2.0.
const TPM12: &str = "A TPM 1.2";

/// The page's blocks of commands in these sections.
fn blocks_of(is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    // The machine was not really booted, so its log is a file of the test.
    let blocks = common::blocks_of("docs/evidence.md", is_wanted);
    let log = |block: String| {
        block.replace("cp /run/measureroot/binary_bios_measurements .", "cp log binary_bios_measurements")
    };
    blocks.into_iter().map(log).collect()
}

fn blocks() -> Vec<String> {
    blocks_of(|heading| heading != TPM12)
}

/// Puts a certificate of the endorsement key into the TPM, as its maker does (TCG EK Credential Profile: RSA at 0x01c00002).
const MAKER: &str = "
    openssl req -x509 -newkey rsa:2048 -noenc -subj '/CN=the maker' -keyout makers.key -out makers.pem
    tpm2_createek -G rsa -c made.ctx -f pem -u made.pem
    openssl x509 -new -force_pubkey made.pem -subj '/CN=a TPM' -CA makers.pem -CAkey makers.key -outform DER -out made.der
    tpm2_nvdefine -Q -C p -s $(stat --format=%s made.der) -a 'ownerread|authread|ppread|ppwrite|platformcreate|no_da' 0x01c00002
    tpm2_nvwrite -Q -C p -i made.der 0x01c00002
";

fn run(machine: &Machine, commands: &str) -> Ran {
    shell(&(FLUSH.to_owned() + commands), &machine.path(""), &[("TPM2TOOLS_TCTI", &machine.swtpm.tcti())])
}

/// A machine that booted an image with this content. It also has the file rootfs.squashfs with the content `image`.
fn booted(content: &[u8]) -> Machine {
    let events = [Measured::other(4, "kernel"), Measured::image(&squashfs(content))];
    let machine = Machine::booted(&events);
    machine.write("log", &log(&events));
    machine.write("rootfs.squashfs", &squashfs(b"image"));
    machine
}

#[test]
fn all_commands_work_on_a_machine_that_booted_the_image() {
    let machine = booted(b"image");
    run(&machine, MAKER).printed();
    let text = run(&machine, &blocks().concat()).printed();
    assert!(text.contains("\nek.pem: OK\n"), "{text}");
    assert!(text.contains("\ntrusted: rootfs.squashfs\n") && text.contains("\"verdict\": \"trusted\""), "{text}");
    assert!(text.ends_with("the key of the data"), "{text}");
}

#[test]
fn a_machine_that_booted_another_image_cannot_unseal_the_secret() {
    let machine = booted(b"another image");
    let blocks = blocks();
    let (unseal, sealing) = blocks.split_last().unwrap();
    let seal = sealing.last().unwrap();
    assert!(unseal.contains("tpm2_unseal") && seal.contains("--format policy"));
    run(&machine, seal).printed();
    let Ran { code, out, err } = run(&machine, unseal);
    assert!(code != 0 && err.contains("a policy check failed"), "{err}");
    assert!(!out.contains("the key of the data"));
}

#[test]
fn all_commands_for_a_tpm_1_2_work_on_a_machine_that_booted_the_image() {
    let mut machine = trousers::Machine::new();
    // A test of its own: an area is readable without this.
    machine.tool("tpm_nvdefine", &["--index=0xffffffff", "--size=0", "--permissions=OWNERWRITE"]);
    let boot = |image: &[u8]| {
        let started = [(0, "firmware"), (2, "driver"), (4, "kernel")].map(|(pcr, text)| Measured::other(pcr, text));
        [&started[..], &[Measured::image(&squashfs(image))]].concat()
    };
    let extend = |machine: &trousers::Machine, events: &[Measured]| {
        for event in events {
            machine.extend(event.pcr, event.digests[&Bank::Sha1].as_bytes());
        }
    };
    machine.write("log", &log(&boot(b"image")));
    machine.write("rootfs.squashfs", &squashfs(b"image"));
    extend(&machine, &boot(b"image"));
    let blocks = blocks_of(|heading| heading == TPM12);
    let run = |machine: &trousers::Machine, commands: &str| {
        let environment = machine.environment();
        shell(commands, &machine.path(""), &environment.each_ref().map(|(name, value)| (*name, value.as_str())))
    };
    let text = run(&machine, &blocks.concat()).printed();
    assert!(text.matches("trusted: rootfs.squashfs\n").count() == 2 && text.ends_with("the key of the data"), "{text}");
    machine.boot();
    extend(&machine, &boot(b"another image"));
    let (read, verify) = (blocks.last().unwrap(), blocks.iter().find(|block| block.contains("verify")).unwrap());
    let again = run(&machine, &format!("rm opened\n{read}"));
    assert!(again.code != 0 && !again.out.contains("the key of the data"), "{again:?}");
    let quote = run(&machine, &format!("tpm_getquote -p pcrs uuid nonce quote 4 13 && {verify}"));
    assert!(quote.code == 4 && quote.out.contains("logs: do not lead to the quoted PCRs"), "{quote:?}");
}
