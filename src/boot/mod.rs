//! The boot: its sequence, the machine that it runs on, and its report.

mod clock;
mod device_io;
mod device_reading;
mod device_watch;
mod end;
mod fail;
#[cfg(test)]
mod fake_call;
#[cfg(test)]
mod fake_machine;
#[cfg(test)]
mod fake_power;
#[cfg(test)]
mod fake_rtmr;
#[cfg(test)]
mod fake_tpm;
mod firmware_log;
pub(crate) mod firmware_tpm;
mod linux;
mod machine;
mod panic_hook;
pub(crate) mod pid1;
mod power;
mod root_devices;
mod rtmr_device;
#[cfg(test)]
mod rtmr_tests;
mod sequence;
#[cfg(test)]
mod sequence_tests;
pub(crate) mod shown_tpms;
mod status;
pub(crate) mod step;
mod tpm_device;
mod tpm_wait;
#[cfg(feature = "cli")]
pub(crate) mod trial;
