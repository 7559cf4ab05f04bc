//! The agents, as `initramfs/build` leaves them for PCs and for arm64, read as ELF: nothing of them is looked up at run time,
//! for the initramfs has no loader and no libraries. RELRO is not asked for: musl's start code for static programs does not
//! apply it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test says what it found.

use std::path::{Path, PathBuf};
use std::{env, fs};

use elf::ElfBytes;
use elf::abi::{DF_1_PIE, DT_FLAGS_1, DT_NEEDED, EM_AARCH64, EM_X86_64, ET_DYN, PF_W, PF_X};
use elf::abi::{PT_GNU_STACK, PT_INTERP, PT_LOAD};
use elf::endian::LittleEndian;
use elf::segment::ProgramHeader;

/// Bytes; the same numbers as in `initramfs/build`.
const BUDGET_STD_REBUILT: usize = 524_288;
const BUDGET_STD_PREBUILT: usize = 819_200;

/// The agents, or the one that MEASUREROOT_AGENT names.
fn agents() -> Vec<Vec<u8>> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/initramfs");
    let named = env::var_os("MEASUREROOT_AGENT").map(PathBuf::from);
    let paths = named.map_or_else(|| vec![built.join("init"), built.join("aarch64/init")], |path| vec![path]);
    let read = |path: PathBuf| {
        let hint = "run initramfs/build, and initramfs/build --target aarch64-unknown-linux-musl";
        fs::read(&path).unwrap_or_else(|error| panic!("read {}: {error}: {hint}", path.display()))
    };
    paths.into_iter().map(read).collect()
}

fn parse(agent: &[u8]) -> ElfBytes<'_, LittleEndian> {
    ElfBytes::minimal_parse(agent).expect("an ELF file")
}

fn segments(agent: &[u8]) -> Vec<ProgramHeader> {
    parse(agent).segments().expect("program headers").iter().collect()
}

fn dynamic(agent: &[u8], tag: i64) -> Vec<u64> {
    let table = parse(agent).dynamic().expect("a readable dynamic section").expect("a dynamic section");
    table.iter().filter(|entry| entry.d_tag == tag).map(|entry| entry.d_val()).collect()
}

fn contains(agent: &[u8], bytes: &[u8]) -> bool {
    agent.windows(bytes.len()).any(|window| window == bytes)
}

#[test]
fn they_are_position_independent_programs_for_their_machines() {
    let agents = agents();
    for (agent, machine) in agents.iter().zip([EM_X86_64, EM_AARCH64]) {
        let header = parse(agent).ehdr;
        assert_eq!(header.e_machine, machine);
        assert_eq!(header.e_type, ET_DYN, "addresses that are the same at every boot help an attacker");
        let flags = dynamic(agent, DT_FLAGS_1);
        assert!(
            flags.iter().any(|flags| flags & DF_1_PIE.cast_unsigned() != 0),
            "a shared library, not a program: {flags:x?}"
        );
    }
}

#[test]
fn they_ask_for_no_interpreter_and_no_library() {
    for agent in agents() {
        assert!(segments(&agent).iter().all(|segment| segment.p_type != PT_INTERP), "it wants a dynamic loader");
        assert_eq!(dynamic(&agent, DT_NEEDED), [0; 0], "it wants shared libraries");
    }
}

#[test]
fn nothing_is_both_writable_and_executable() {
    for agent in agents() {
        let segments = segments(&agent);
        for segment in segments.iter().filter(|segment| segment.p_type == PT_LOAD) {
            assert_ne!(segment.p_flags & (PF_W | PF_X), PF_W | PF_X, "{segment:x?}");
        }
        // Without this header the kernel makes the stack executable.
        let stack = segments.iter().find(|segment| segment.p_type == PT_GNU_STACK).expect("a GNU_STACK header");
        assert_eq!(stack.p_flags & PF_X, 0, "its stack is executable");
    }
}

#[test]
fn they_are_stripped_and_within_their_budget() {
    for agent in agents() {
        let symbols = parse(&agent).symbol_table().expect("a readable symbol table");
        assert!(symbols.is_none(), "it is not stripped");
        // A prebuilt standard library has the path of the folder it was built in, far away, in its panic messages.
        let prebuilt = contains(&agent, b"/rustc/");
        let budget = if prebuilt { BUDGET_STD_PREBUILT } else { BUDGET_STD_REBUILT };
        assert!(
            agent.len() <= budget,
            "{} bytes, at most {budget} with a std that is prebuilt: {prebuilt}",
            agent.len()
        );
    }
}

#[test]
fn they_do_not_tell_where_they_were_built() {
    let folder = env!("CARGO_MANIFEST_DIR");
    for agent in agents() {
        assert!(!contains(&agent, folder.as_bytes()), "{folder} is in it: another checkout would give another agent");
    }
}
