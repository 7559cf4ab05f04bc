//! The connection to a TPM 2.0.

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use tss_esapi::Context as Esys;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::tcti_ldr::{DeviceConfig, TctiNameConf};
// Without this the static library is not linked.
use tss2_static as _;

use crate::error::{Context, Result};
use crate::measure::session::SessionChoice;
use crate::tpm::command_error::command_error;
use crate::tpm::salted::{self, SessionError};

/// The PCRs of an open TPM.
pub struct EsysPcrs {
    esys: Esys,
    pub(super) bus: Bus,
}

/// The bus to the TPM.
pub(super) enum Bus {
    /// Commands go without a session.
    Unprotected,
    /// Each command goes through a session. If there is none, it is started first.
    Protected {
        session: Option<AuthSession>,
        /// The next command is the session's last one.
        ends: bool,
        /// The kernel's name of the salt key, if it has one.
        null_name: Option<String>,
    },
}

impl EsysPcrs {
    /// Opens the device, for example /dev/tpm0. Commands go without a session.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(device: &Path) -> Result<Self> {
        // From a value: parsing the usual string form would bring a regular-expression engine into the initramfs.
        let device_config = DeviceConfig::from_str(&device.to_string_lossy()).about(device.display())?;
        let esys = Esys::new(TctiNameConf::Device(device_config))
            .about_hint(device.display(), "does another program hold the TPM?")?;
        Ok(Self { esys, bus: Bus::Unprotected })
    }

    /// The same TPM, with the session that `choice` asks for. `null_name` is the kernel's name of the key that salts the
    /// session, if the kernel has read that key.
    ///
    /// # Errors
    /// When the session cannot be started.
    pub fn protected(mut self, choice: SessionChoice, null_name: Option<String>) -> Result<Self> {
        if choice == SessionChoice::None {
            return Ok(self);
        }
        // If the kernel could create the key, the TPM supports sessions.
        let is_supported = null_name.is_some();
        self.bus = Bus::Protected { session: None, ends: false, null_name };
        match self.current_session() {
            Err(SessionError::Unsupported(error)) if choice == SessionChoice::Auto && !is_supported => {
                // An attacker on the bus may have forged this answer. So it is logged as an error, which is always shown.
                log::error!("no HMAC session: commands to the TPM and its answers are not protected: {error}");
                self.bus = Bus::Unprotected;
            }
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
        Ok(self)
    }

    fn current_session(&mut self) -> std::result::Result<Option<AuthSession>, SessionError> {
        let Bus::Protected { session, null_name, .. } = &mut self.bus else { return Ok(None) };
        if session.is_none() {
            *session = Some(salted::start(&mut self.esys, null_name.as_deref())?);
        }
        Ok(*session)
    }

    /// Runs a command through the session. Without a session, `plain` authorizes it.
    pub(super) fn run<T>(
        &mut self,
        name: impl Display,
        plain: Option<AuthSession>,
        command: impl FnOnce(&mut Esys) -> tss_esapi::Result<T>,
    ) -> Result<T> {
        let session = self.current_session()?.or(plain);
        let answer = self.esys.execute_with_session(session, command);
        let answer = answer.map_err(|error| command_error(name, error))?;
        if let Bus::Protected { session, ends: ends @ true, .. } = &mut self.bus {
            *ends = false;
            session.take().into_iter().for_each(|session| salted::forget(&mut self.esys, session));
        }
        Ok(answer)
    }

    /// Makes the next command the last one of the session.
    pub(super) fn end_session(&mut self) -> Result<()> {
        if let Bus::Protected { session: Some(session), ends, .. } = &mut self.bus {
            salted::set_attributes(&mut self.esys, *session, false)?;
            *ends = true;
        }
        Ok(())
    }
}
