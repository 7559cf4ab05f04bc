//! measureroot measures a read-only root image into a PCR of a TPM, and then makes exactly the measured bytes the root.
//! As PID 1 it is the `/init` of an initramfs and boots; started by a person, it predicts that PCR, builds the initramfs,
//! and judges what machines report.
//!
//! The interface is the program. This library exists for `main.rs`, the tests, the fuzz targets and the benchmarks.
//!
//! # The rooms
//!
//! A folder of `src/` is a room. This is their order, from top to bottom: a room may use the rooms below it, never one above
//! it. `tests/architecture.rs` checks the order. Only `boot` and `cli` get the whole `Config`; the rooms below get single
//! values of it.
//!
//! | room | what it does | what it may touch |
//! |---|---|---|
//! | `main.rs` | starts the boot as PID 1, else the commands | the arguments and the environment |
//! | `cli` | the commands for people: thin; they do not decide what is measured | files that the user names, the terminal, a TPM for `replay` and `attest` |
//! | `boot` | the order of the boot, the machine that it runs on, its steps, its report | the whole machine, through the trait `Machine` |
//! | `config` | tokens to a `Config`; what to do after a failure | text only |
//! | `chain` | what is measured before the agent, predicted from files; not in the agent | bytes in memory only |
//! | `evidence` | quotes, keys, lists of trusted images, verdicts; not in the agent | bytes in memory only |
//! | `eventlog` | writes, reads and replays event logs | the boot's logs in `/run`; a PCR, for each event that it records |
//! | `tpm` | the PCRs of a TPM 2.0, through tpm2-tss and an HMAC session, and of a TPM 1.2; the RTMRs of a TDX guest | the TPM; no other room names tss-esapi |
//! | `root` | the overlay, switching root, what the new init gets | mounts, the files of the initramfs, which it deletes |
//! | `seal` | later reads get only the bytes that were measured | memory files, loop devices, device-mapper |
//! | `measure` | what is measured, and into which PCR; the trait `Pcrs` | the open image; PCRs, through the trait |
//! | `media` | device names, devices, partition tables, superblocks, media, the image | block devices and media, only to read; their bytes are hostile |
//! | `hash` | banks, digests, one pass for many hashes, the Merkle tree; the traits `Blocks` and `Tee` | the open image, the file of the tree, threads |
//! | `cmdline` | text to tokens, with the kernel's quoting; the parameters of other live systems | text only |
//! | `console` | the log, the progress line | `/dev/kmsg`, `/dev/console` |
//! | `sys` | the operating system: mounts, modules, random numbers, ioctls | the kernel; the only room with `unsafe`, but for the SHA instructions in `hash` |
//! | `cursor`, `error`, `count` | the one reader for hostile bytes; an error has an object, a cause and a hint; a count with its noun | nothing |
//!
//! # Where to start reading
//!
//! 1. `src/boot/sequence.rs`: the boot from top to bottom, on one screen.
//! 2. `src/boot/machine.rs`: each step that touches the machine, as a trait. `src/boot/linux.rs` does it with Linux.
//! 3. `src/boot/fail.rs`: what happens after a failed step. `src/boot/sequence_tests.rs` lets each step fail.
//! 4. `src/measure/pcrs.rs` and `src/measure/measurement.rs`: the extend, and the check of it.
//! 5. `src/hash/pass.rs`: one pass over the image, for all banks and the seal.
//! 6. `src/seal/choice.rs`, `src/seal/seal_builder.rs`, `src/seal/sealed_image.rs`: the seal is chosen, built and used.
//! 7. `src/media/superblock.rs` and `src/media/image_device.rs`: where an image ends, from untrusted bytes;
//!    `src/media/superblock_reader.rs`: the checks that refuse a device without an image or a medium.
//! 8. `src/cmdline/tokens.rs` and `src/config/mod.rs`: the command line becomes a `Config`.
//! 9. `src/cli/predict/mod.rs`: the same measurement, with `src/measure/soft_pcrs.rs` in place of a TPM.
//! 10. `src/eventlog/recorder.rs`, then `src/evidence/verdict.rs`: what a boot reports, and how a verifier judges it.
//!
//! `docs/architecture.md` draws the way of the image's bytes and lists what must always hold. `docs/CONTRIBUTING.md` has
//! steps for the usual changes.
//!
//! # Glossary
//!
//! * **active bank**: a bank in which the TPM keeps the PCR (TPM 2.0 Library, Part 3, `TPM2_PCR_Allocate`).
//! * **agent**: this program without its commands, as it is in the initramfs.
//! * **bank**: all PCRs of a TPM that use one hash algorithm, such as SHA-256 (TPM 2.0 Library, Part 1, "PCR Operations").
//! * **claim**: what measureroot writes about its own event into a log; no PCR holds a hash of it (`src/eventlog/claim.rs`).
//! * **dialect**: the parameters of another live system, which are translated into measureroot's (`src/cmdline/dialects/`).
//! * **digest**: the result of a hash algorithm over some bytes (FIPS 180-4).
//! * **event log**: the list of the events with which PCRs were extended, in their order (TCG PC Client Platform Firmware
//!   Profile 1.05, section 10).
//! * **evidence**: what a machine sends to a verifier: a quote, its signature, the key, the logs.
//! * **extend**: the only way to change a PCR: its new value is H(old value || digest) (TPM 2.0 Library, Part 3,
//!   `TPM2_PCR_Extend`).
//! * **image**: the read-only file system that becomes the root: squashfs, erofs or ext4 (`FileSystem::is_image`); it is a block
//!   device or a file on a medium.
//! * **lane**: one thing that is done with every block: the hash of a bank, or the tee (`src/hash/pass.rs`).
//! * **list of trusted images**: the digests of the images that a verifier accepts (`src/evidence/allow_list.rs`).
//! * **medium**: a file system that has the image as a file, such as an ISO or a USB stick: vfat, iso9660, or one of an image.
//! * **Merkle tree**: a tree of hashes over the blocks of the image, against which dm-verity checks each read (kernel,
//!   Documentation/admin-guide/device-mapper/verity.rst).
//! * **nonce**: a number that the verifier chooses anew for each quote, so that an old quote does not pass.
//! * **null hierarchy**: the keys of a TPM that are new after each reset; one of them salts the session (TPM 2.0 Library,
//!   Part 1, "Hierarchies").
//! * **overlay**: the root that the system sees: a read-only lower layer, the image, and a writable upper layer, a tmpfs
//!   (kernel, Documentation/filesystems/overlayfs.rst).
//! * **PCR**: a register of the TPM that programs can only extend; most PCRs are reset only with the machine (TPM 2.0
//!   Library, Part 1, "PCR Operations").
//! * **prepared image**: an image for which veritysetup(8) made a Merkle tree; its root hash is measured, not its bytes.
//! * **prediction**: the value that a PCR will have after a boot of an image, computed where the image is built.
//! * **quote**: a TPM's signed statement about the values of its PCRs, with the verifier's nonce (TPM 2.0 Library, Part 3,
//!   `TPM2_Quote`).
//! * **replay**: to compute the PCR values that an event log leads to.
//! * **root hash**: the hash at the top of a Merkle tree; it stands for every block below it.
//! * **seal**: the protection against a later read that gets other bytes than the measured ones: a Merkle tree, a copy in
//!   RAM, or nothing.
//! * **session**: authenticates commands and answers on the bus to the TPM with an HMAC (TPM 2.0 Library, Part 3,
//!   `TPM2_StartAuthSession`; `src/tpm/salted.rs`).
//! * **step**: a part of the boot with a name, which the message of a failure contains (`src/boot/step.rs`).
//! * **superblock**: the start of a file system, which gives its type and its length.
//! * **switching root**: to make the overlay the root in place of the initramfs, and to start its init (switch_root(8)).
//! * **tee**: what takes the same bytes as the hashes, in the same pass (`src/hash/pass.rs`).
//! * **token**: one word of the command line, with the kernel's quoting (`src/cmdline/tokens.rs`).
//! * **verdict**: the result of `verify`: trusted, not trusted, or broken evidence.

mod boot;
#[cfg(feature = "chain")]
mod chain;
#[cfg(feature = "cli")]
mod cli;
mod cmdline;
mod config;
mod console;
mod count;
mod cursor;
mod error;
mod eventlog;
#[cfg(feature = "evidence")]
mod evidence;
mod hash;
#[doc(hidden)]
pub mod internal;
mod measure;
mod media;
mod root;
mod say;
mod seal;
mod sys;
mod tpm;

pub use boot::pid1::pid1;
#[cfg(feature = "cli")]
pub use cli::run as command_line;
pub use sys::pid_namespace::is_init_of_the_machine;
