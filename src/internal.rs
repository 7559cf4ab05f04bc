//! The parts of the rooms that the tests, the fuzz targets and the benchmarks use. It is no interface: it changes without notice.
#![allow(missing_docs)] // The items have their documentation where they are defined.

#[cfg(feature = "cli")]
pub mod boot {
    pub use crate::boot::trial::Trial;
}

#[cfg(feature = "chain")]
pub mod chain {
    pub use crate::chain::{
        authenticode, disk::Disk, disk::Start, efi_variables::EfiVariables, esp::Esp, forecast::Forecast,
        forecasts::Forecasts, kernel::Given, kernel::Kernel, kernel::Named, like::Like, partition::Partition,
        partition::Purpose, partition::Table, pe::PeFile, region::Region, root_image, root_on_disk::find as find_root,
        tboot, uki::Uki, volume::BootOption, volume::DiskVolume, volume::Places, volume::Volume,
    };
}

pub mod cmdline {
    pub use crate::cmdline::tokens;
}

pub mod config {
    pub use crate::config::{Config, failure_policy::FailurePolicy};
}

pub mod error {
    pub use crate::error::Result;
}

pub mod eventlog {
    pub use crate::eventlog::{
        Event, EventType, Log, PcrValues, ccel, cel, cel_tlv, claim::Claim, header::Header, parse, sequence, tcg,
        tcg_sha1, txt_container,
    };
}

#[cfg(feature = "evidence")]
pub mod evidence {
    pub use crate::evidence::{
        accepted::Accepted, accepted::AcceptedStart, allow_list::AllowList, check::Broken, check::Check,
        enrolment::Challenge, evidence_file::EvidenceFile, key::Key, quote::Quote, quoted_values, serialized_pcrs,
        signature::Signature, signer::Signer, signer_key::SignerKey, signing_key::SigningKey, submission::Submission,
        tpm12_values, trusted_image::TrustedImage, verdict::Verdict,
    };
}

pub mod hash {
    pub use crate::hash::{
        bank::Bank, block_pool::BLOCK, block_pool::BUFFERS, digest::Digest, digest::Digests, digest::digests_of,
        file_blocks::FileBlocks, merkle::TreeBuilder, pass::Blocks, pass::Tee, pass::digests, sha256_pair::Sha256Pair,
        sha256_state::START, tree_shape::TreeShape, tree_shape::largest_data_block,
    };
}

pub mod measure {
    pub use crate::measure::{
        image_digest, image_format::ImageFormat, measurement, pcr::Pcr, pcr::PcrIndex, pcrs::Pcrs, session::Session,
        session::SessionChoice, tpm_version::TpmVersion,
    };
}

pub mod media {
    pub use crate::media::{
        device_lookup::DeviceLookup, device_name::DeviceName, devices::Devices, image::Content, image::Found,
        image_device::length_on_device, medium_file::MountedMedium, partition_table, read_at::ReadAt,
        superblock::FileSystem, superblock::HEAD, superblock::Superblock, superblock::probe, superblock_reader,
        wait::Wait,
    };
}

pub mod seal {
    pub use crate::seal::{choice::SealKind, prepared_tree, seal_builder::SealBuilder};
}

pub mod sys {
    pub use crate::sys::{alias_pattern::matches as alias_matches, modules_alias::Aliases, modules_dep::Dependencies};
}

pub mod tpm {
    pub use crate::tpm::{EsysPcrs, Version12, is_version12};
}
