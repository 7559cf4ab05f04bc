//! The connection to a TPM 2.0.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tss_esapi::Context as Esys;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::tcti_ldr::{DeviceConfig, TctiNameConf};
use tss2_static::tcti::exports::use_next;
use tss2_static::tcti::family::Family;
use tss2_static::tcti::line::Line;

use crate::count::counted;
use crate::error::{Context, Error, Result};
use crate::measure::session::SessionChoice;
use crate::say;
use crate::tpm::command_error::command_error;
use crate::tpm::leftovers;
use crate::tpm::open_line;
use crate::tpm::salted::{self, SessionError};

/// The PCRs of an open TPM.
pub struct EsysPcrs {
    esys: Esys,
    /// The same line that ESYS uses. It keeps why a command had no answer.
    pub(super) line: Arc<Line>,
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
        Self::open_when_free(device, Duration::ZERO)
    }

    /// Opens the device as soon as no other program holds it, for example one that the initramfs before this one started. Waits
    /// for at most `patience`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) fn open_when_free(device: &Path, patience: Duration) -> Result<Self> {
        let line = Arc::new(open_line::open_when_free(device, Family::V2_0, patience)?);
        let esys = esys_on(&line).map_err(|error| error.renamed(device.display()))?;
        Ok(Self { esys, line, bus: Bus::Unprotected })
    }

    /// The same TPM, but no command may take longer than `patience`.
    #[must_use]
    pub fn within(self, patience: Duration) -> Self {
        self.line.set_patience(patience);
        self
    }

    /// The same TPM, with the session that `choice` asks for. `null_name` is the kernel's name of the key that salts the
    /// session, if the kernel has read that key. If the TPM has no room for the session, everything that others left in it is
    /// flushed: only PID 1 calls this, and it is the TPM's only user.
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
                say::error!("no HMAC session: commands to the TPM and its answers are not protected: {error}");
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
            let null_name = null_name.as_deref();
            *session = Some(match salted::start(&mut self.esys, &self.line, null_name) {
                Err(SessionError::Full(error)) => {
                    make_room(&self.line, &error).map_err(SessionError::Failed)?;
                    salted::start(&mut self.esys, &self.line, null_name)?
                }
                started => started?,
            });
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
        let session = match self.current_session() {
            Ok(session) => session.or(plain),
            Err(error) => {
                self.renew_if_stuck();
                return Err(error.into());
            }
        };
        let answer = match self.esys.execute_with_session(session, command) {
            Ok(answer) => answer,
            Err(error) => {
                let error = command_error(&self.line, name, error);
                self.renew_if_stuck();
                return Err(error);
            }
        };
        if let Bus::Protected { session, ends: ends @ true, .. } = &mut self.bus {
            *ends = false;
            session.take().into_iter().for_each(|session| salted::forget(&mut self.esys, session));
        }
        Ok(answer)
    }

    /// If a command had no answer, or a malformed one, ESYS refuses all later commands. A failed boot still has to be marked: so
    /// the next command gets a new ESYS and, if there shall be one, a new session.
    fn renew_if_stuck(&mut self) {
        let has_refused = self.line.last().is_ok_and(|code| code != 0);
        if has_refused {
            return;
        }
        if let Ok(esys) = esys_on(&self.line) {
            self.esys = esys;
            if let Bus::Protected { session, ends, .. } = &mut self.bus {
                (*session, *ends) = (None, false);
            }
        }
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

/// A new ESYS. It sends its commands over this line.
fn esys_on(line: &Arc<Line>) -> Result<Esys> {
    use_next(Arc::clone(line));
    // The device is open already. tss-esapi wants a name all the same.
    Esys::new(TctiNameConf::Device(DeviceConfig::default())).about("TPM")
}

/// Flushes what others left in the TPM. `full` is the error that makes it necessary.
fn make_room(line: &Line, full: &Error) -> Result<()> {
    say::warn!("{full}: flushes what an earlier user of the TPM left there");
    let leftovers::Flushed { objects, sessions } = leftovers::flush_all(line)?;
    say::warn!("flushed {} and {} of an earlier user", counted(objects, "object"), counted(sessions, "session"));
    Ok(())
}
