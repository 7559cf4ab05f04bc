//! Reads the input as what is built into shim, as shim's variables, and as what shim judges of GRUB and the kernel: their section .sbat and
//! their certificate table.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::chain::{EfiVariables, Esp, Forecast, PeFile, Volume, authenticode};
use measureroot::internal::error::Result;
use measureroot::internal::hash::Bank;

#[path = "../../src/chain/grub/made_grub.rs"]
mod made_grub;
#[allow(dead_code)] // The tests use more of it.
#[path = "../../src/chain/made_pe.rs"]
mod made_pe;

use made_pe::MadePe;

const BANKS: [Bank; 1] = [Bank::Sha256];
const SBAT: &[u8] = b"sbat,1,SBAT Version,sbat,1,x\nshim,4,UEFI shim,shim,1,x\nshim.debian,1,Debian,shim,16.1,x\n";
/// The names of shim's sections that are too long for the table. `/4` and `/17` are their places.
const STRINGS: &[u8] = b"\0\0\0\0.vendor_cert\0.sbatlevel\0";
/// Where the headers of a PE file have the place of these names.
const SYMBOLS: usize = 0x4C;
/// What stands for the digests of GRUB and of the kernel in the seeds.
const MARKS: [&[u8; 32]; 2] = [b"the digest of GRUB is here......", b"the digest of Linux is here....."];
const GRUB: &str = "EFI/BOOT/grubx64.efi";

/// The files of a partition.
struct Partition([(&'static str, Vec<u8>); 4]);

impl Volume for Partition {
    fn read(&self, path: &str, _: u64) -> Result<Option<Vec<u8>>> {
        Ok(self.0.iter().find(|(own, _)| own.eq_ignore_ascii_case(path)).map(|(_, bytes)| bytes.clone()))
    }

    fn names(&self, folder: &str) -> Result<Vec<String>> {
        let of = |path: &'static str| path.rsplit_once('/').filter(|(own, _)| own.eq_ignore_ascii_case(folder));
        Ok(self.0.iter().filter_map(|(path, _)| of(path)).map(|(_, name)| name.to_owned()).collect())
    }

    fn has_folder(&self, _: &str) -> Result<bool> {
        Ok(true)
    }
}

/// A part of the input, behind its length.
fn part<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let Some((length, behind)) = rest.split_first_chunk() else { return &[] };
    let (part, behind) = behind.split_at(usize::from(u16::from_le_bytes(*length)).min(behind.len()));
    *rest = behind;
    part
}

fn digest(program: &[u8]) -> Vec<u8> {
    let file = PeFile::parse(program).expect("it is a program");
    authenticode::digests(&file, &BANKS).expect("it has a digest")[&Bank::Sha256].as_bytes().to_vec()
}

/// A signature list (UEFI 2.10, section 32.4.1) with the digest of a program.
fn list(digest: &[u8]) -> Vec<u8> {
    let sha256 = [0x26, 0x16, 0xC4, 0xC1, 0x4C, 0x50, 0x92, 0x40, 0xAC, 0xA9, 0x41, 0xF9, 0x36, 0x93, 0x43, 0x28];
    let numbers = [76_u32, 0, 48].map(u32::to_le_bytes);
    [&sha256[..], numbers.as_flattened(), &[7; 16], digest].concat()
}

fuzz_target!(|input: &[u8]| {
    let mut rest = input;
    let (sbat, table) = (part(&mut rest), part(&mut rest));
    let whole = made_grub::usual("2.06", "", "/EFI/debian", &[]);
    let modules = PeFile::parse(&whole).expect("it is a program").sections()[0].in_memory().expect("it is short");
    let grub = MadePe::new().exact(b"mods", &modules).exact(b".sbat", sbat).certificates(table).bytes();
    let kernel = MadePe::new().exact(b".text", b"kernel").certificates(table).bytes();
    let digests = [digest(&grub), digest(&kernel)];
    let with_digests = |part: &[u8]| {
        let mut part = part.to_vec();
        for (mark, digest) in MARKS.into_iter().zip(&digests) {
            while let Some(at) = part.windows(mark.len()).position(|part| part == mark) {
                part[at..at + mark.len()].copy_from_slice(digest);
            }
        }
        part
    };
    let [lists, levels, mok_list, mok_list_x, level, trusted] = [(); 6].map(|()| with_digests(part(&mut rest)));
    let place = u32::try_from(MadePe::table(4)).expect("the headers are short").to_le_bytes();
    let shim = MadePe::new().exact(b".strings", STRINGS).exact(b".sbat", SBAT);
    let shim = shim.exact(b"/4", &lists).exact(b"/17", &levels).at(SYMBOLS, &place).bytes();
    let db = list(&digest(&shim));
    let menu = b"linux /vmlinuz ro\n".to_vec();
    let files =
        Partition([("EFI/BOOT/BOOTX64.EFI", shim), (GRUB, grub), ("EFI/debian/grub.cfg", menu), ("vmlinuz", kernel)]);
    let variables = EfiVariables::read("folder", |name| {
        let value = match name.split('-').next() {
            Some("SecureBoot") => &[1],
            Some("db") => db.as_slice(),
            Some("dbx") => rest,
            Some("MokListRT") => &mok_list,
            Some("MokListXRT") => &mok_list_x,
            Some("SbatLevelRT") => &level,
            Some("MokListTrustedRT") => &trusted,
            _ => &[],
        };
        Ok((!value.is_empty()).then(|| [&[7, 0, 0, 0], value].concat()))
    });
    let esp = Esp::of(&files, &BANKS).expect("shim starts GRUB");
    for mut entry in esp.entries {
        variables.as_ref().expect("the variables are files").expect(&mut entry.forecasts, &BANKS);
        if let Forecast::Follows { parts, .. } = &entry.forecasts.pcrs[&7] {
            // Five variables, the separator, what allows shim, the level, and what allows GRUB and the kernel.
            assert!((9..=11).contains(&parts.len()), "{}", parts.len());
        }
    }
});
