//! The agents for PCs and for arm64 as ELF files. They need no dynamic loader and no libraries, because the initramfs has none.
//! RELRO is not checked: musl's start code for static programs does not apply it.
//!
//! The agents are those that `initramfs/build` leaves under target/initramfs. `MEASUREROOT_AGENTS` names another folder with the
//! same layout, so that the agents of another way of building can be checked: `init` for PCs, and `aarch64/init`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

use std::path::{Path, PathBuf};
use std::{env, fs};

use elf::ElfBytes;
use elf::abi::{DF_1_PIE, DT_FLAGS_1, DT_NEEDED, EM_AARCH64, EM_X86_64, ET_DYN, PF_W, PF_X};
use elf::abi::{PT_GNU_STACK, PT_INTERP, PT_LOAD};
use elf::endian::LittleEndian;
use elf::segment::ProgramHeader;

/// The checkout.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The agent for PCs and the one for arm64.
fn agents() -> [Vec<u8>; 2] {
    let built = || Path::new(ROOT).join("target/initramfs");
    let folder = env::var_os("MEASUREROOT_AGENTS").map_or_else(built, PathBuf::from);
    ["init", "aarch64/init"].map(|name| {
        let path = folder.join(name);
        let hint = "run initramfs/build, and initramfs/build --target aarch64-unknown-linux-musl";
        fs::read(&path).unwrap_or_else(|error| panic!("read {}: {error}: {hint}", path.display()))
    })
}

/// The most bytes of an agent, from `initramfs/build`: `std` is `rebuilt` or `prebuilt`, the kind of its standard library.
fn budget(std: &str) -> usize {
    let build = fs::read_to_string(Path::new(ROOT).join("initramfs/build")).unwrap();
    let (_, budgets) = build.split_once("\ndeclare -A budget=(").expect("the budgets in initramfs/build");
    let (budgets, _) = budgets.split_once(')').unwrap();
    let bytes = budgets.split(' ').find_map(|budget| budget.strip_prefix(&format!("[{std}]=")));
    bytes.expect("a budget for this standard library").parse().unwrap()
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
fn the_agents_are_position_independent_programs_for_their_machines() {
    for (agent, machine) in agents().iter().zip([EM_X86_64, EM_AARCH64]) {
        let header = parse(agent).ehdr;
        assert_eq!(header.e_machine, machine);
        assert_eq!(header.e_type, ET_DYN, "the addresses are the same at every boot, which helps an attacker");
        let flags = dynamic(agent, DT_FLAGS_1);
        assert!(
            flags.iter().any(|flags| flags & DF_1_PIE.cast_unsigned() != 0),
            "it is a shared library, not a program: {flags:x?}"
        );
    }
}

#[test]
fn the_agents_need_no_dynamic_loader_and_no_library() {
    for agent in agents() {
        assert!(segments(&agent).iter().all(|segment| segment.p_type != PT_INTERP), "it needs a dynamic loader");
        assert_eq!(dynamic(&agent, DT_NEEDED), [0; 0], "it needs shared libraries");
    }
}

#[test]
fn no_memory_of_the_agents_is_writable_and_executable() {
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
fn the_agents_are_stripped_and_within_their_budget() {
    for agent in agents() {
        let symbols = parse(&agent).symbol_table().expect("a readable symbol table");
        assert!(symbols.is_none(), "it is not stripped");
        // The panic messages of a prebuilt standard library contain paths of that library's build.
        let std = if contains(&agent, b"/rustc/") { "prebuilt" } else { "rebuilt" };
        let budget = budget(std);
        assert!(agent.len() <= budget, "{} bytes, at most {budget} with a {std} standard library", agent.len());
    }
}

#[test]
fn the_agents_do_not_contain_the_path_of_the_checkout() {
    for agent in agents() {
        assert!(!contains(&agent, ROOT.as_bytes()), "{ROOT} is in it: another checkout would give another agent");
    }
}
