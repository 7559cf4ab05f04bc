//! What is measured before the agent, predicted from the files that the firmware and the boot loaders read. The bytes of a file
//! become events (`event`), the events become the values of PCRs (`forecast`). All bytes are hostile: they come from a medium.
//!
//! A *starter* is a program that starts the next one: the firmware (`firmware`), systemd-boot (`systemd_boot`), shim (`shim`), GRUB (`grub`), systemd's stub in a
//! unified kernel image (`uki`), the kernel's own EFI stub (`kernel`); firmware starts the last two also without a boot loader (`direct`). For each PCR that it extends, it adds events to the
//! [`forecasts::Forecasts`], or says why they do not follow from the files. A partition (`esp`) has one boot for each entry of its menu.
//! Another boot loader is another file here, with a function that adds its events between those of two starters.

pub mod authenticode;
mod authority;
mod boot_entry;
mod boot_menu;
#[cfg(test)]
mod cd_tests;
mod certificate;
mod certificate_table;
mod command_line;
mod companion_files;
mod der;
mod direct;
pub(crate) mod disk;
pub(crate) mod disk_device;
#[cfg(test)]
mod disk_tests;
mod doubts;
mod efi_variable;
pub(crate) mod efi_variables;
mod either;
mod el_torito;
pub(crate) mod entry;
mod entry_files;
pub(crate) mod esp;
#[cfg(test)]
mod esp_tests;
pub(crate) mod event;
#[cfg(feature = "cli")]
pub(crate) mod expectation;
mod ext;
mod fat;
mod fat_folder;
mod firmware;
mod firmware_program;
pub(crate) mod forecast;
pub(crate) mod forecasts;
mod frame;
mod gpt;
mod gpt_event;
pub(crate) mod grub;
#[cfg(test)]
mod hidden_esp_tests;
mod initrd;
mod iso9660;
mod joined;
#[cfg(test)]
mod judged_tests;
pub(crate) mod kernel;
pub(crate) mod like;
#[cfg(test)]
mod like_tests;
pub(crate) mod linux;
#[cfg(test)]
mod made_files;
#[cfg(test)]
mod made_machine;
#[cfg(test)]
pub(crate) mod made_pe;
mod mbr;
mod mok;
pub(crate) mod one_name;
pub(crate) mod partition;
mod partitions;
mod pattern;
pub(crate) mod pe;
mod phase;
mod policy;
pub(crate) mod region;
#[cfg(test)]
mod reported_tests;
pub mod root_image;
pub(crate) mod root_on_disk;
#[cfg(test)]
mod root_on_disk_tests;
mod rsa_signature;
#[cfg(test)]
mod same_names_tests;
mod sdmagic;
mod secure_boot;
mod shim;
mod shim_lists;
mod shim_policy;
mod shim_sbat;
mod shim_verification;
#[cfg(test)]
mod shim_verification_tests;
mod signature_list;
mod signed_data;
pub(crate) mod stretches;
mod stub;
mod stub_text;
mod systemd_boot;
pub mod tboot;
pub(crate) mod uki;
#[cfg(test)]
mod uki_tests;
pub(crate) mod volume;
