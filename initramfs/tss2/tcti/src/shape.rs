//! Whether an answer is as long as its content. tpm2-tss does not check that: it reads what is missing from its own buffer, where bytes
//! of an earlier answer are, and it ignores what is left over (tpm2-tss, src/tss2-sys/sysapi_util.c, `CommonComplete`: the limit is
//! that of the buffer, not of the answer).

/// The bytes of an answer that were not looked at yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.get(bytes..)?;
        Some(())
    }

    /// A big-endian number of so many bytes.
    fn number(&mut self, bytes: usize) -> Option<usize> {
        let number = self.0.get(..bytes)?.iter().fold(0, |number, &byte| number << 8 | usize::from(byte));
        self.skip(bytes).map(|()| number)
    }

    /// A buffer with its length in two bytes (`TPM2B`).
    fn buffer(&mut self) -> Option<()> {
        let bytes = self.number(2)?;
        self.skip(bytes)
    }

    /// A list with the number of its elements in four bytes (`TPML`). An element takes at least one byte, which bounds the work.
    fn list(&mut self, element: fn(&mut Self) -> Option<()>) -> Option<()> {
        for _ in 0..self.number(4)? {
            element(self)?;
        }
        Some(())
    }

    /// `TPMS_PCR_SELECTION`: the hash, and a bitmap with its length in one byte.
    fn selection(&mut self) -> Option<()> {
        self.skip(2)?;
        let bytes = self.number(1)?;
        self.skip(bytes)
    }

    /// `TPMT_SIGNATURE`: the algorithm, its hash, one number of RSA or two of ECDSA.
    #[cfg(feature = "attest")]
    fn signature(&mut self) -> Option<()> {
        let algorithm = self.number(2)?;
        self.skip(2)?;
        self.buffer()?;
        match algorithm {
            // TPM_ALG_RSASSA, TPM_ALG_RSAPSS, TPM_ALG_ECDSA (TCG Algorithm Registry 1.34, table 3).
            0x14 | 0x16 => Some(()),
            0x18 => self.buffer(),
            _ => None,
        }
    }

    /// The same as [`Self::parameters`], for the commands of `measureroot attest`.
    #[cfg(feature = "attest")]
    fn parameters_of_attest(&mut self, code: usize) -> Option<()> {
        match code {
            // TPM2_ActivateCredential: certInfo. TPM2_NV_Read: data.
            0x147 | 0x14e => self.buffer(),
            // TPM2_PolicySecret: timeout, policyTicket.
            0x151 => {
                self.buffer()?;
                self.skip(6)?;
                self.buffer()
            }
            // TPM2_Quote: quoted, signature.
            0x158 => {
                self.buffer()?;
                self.signature()
            }
            // TPM2_NV_ReadPublic: nvPublic, nvName.
            0x169 => {
                self.buffer()?;
                self.buffer()
            }
            // TPM2_ReadPublic: outPublic, name, qualifiedName.
            0x173 => {
                self.buffer()?;
                self.buffer()?;
                self.buffer()
            }
            _ => None,
        }
    }

    /// The agent sends no other commands.
    #[cfg(not(feature = "attest"))]
    #[allow(clippy::unused_self)]
    fn parameters_of_attest(&mut self, _: usize) -> Option<()> {
        None
    }

    /// The parameters of the answer to a command with this code (TPM 2.0 Library, Part 3).
    fn parameters(&mut self, code: usize) -> Option<()> {
        match code {
            // TPM2_CreatePrimary: outPublic, creationData, creationHash, creationTicket, name.
            0x131 => {
                for _ in 0..3 {
                    self.buffer()?;
                }
                self.skip(6)?;
                self.buffer()?;
                self.buffer()
            }
            // TPM2_StartAuthSession: nonceTPM.
            0x176 => self.buffer(),
            // TPM2_FlushContext, TPM2_PCR_Extend.
            0x165 | 0x182 => Some(()),
            // TPM2_GetCapability: moreData, and TPM_CAP_HANDLES or TPM_CAP_PCRS.
            0x17a => {
                self.skip(1)?;
                match self.number(4)? {
                    1 => self.list(|rest| rest.skip(4)),
                    5 => self.list(Self::selection),
                    _ => None,
                }
            }
            // TPM2_PCR_Read: pcrUpdateCounter, pcrSelectionOut, pcrValues.
            0x17e => {
                self.skip(4)?;
                self.list(Self::selection)?;
                self.list(Self::buffer)
            }
            other => self.parameters_of_attest(other),
        }
    }

    /// What follows the header of an answer to a command with this code.
    fn body(&mut self, code: usize, has_session: bool) -> Option<()> {
        // The handle of the object or session that the command has made.
        if matches!(code, 0x131 | 0x176) {
            self.skip(4)?;
        }
        if !has_session {
            return self.parameters(code);
        }
        let (bytes, before) = (self.number(4)?, self.0.len());
        self.parameters(code)?;
        if before - self.0.len() != bytes {
            return None;
        }
        // TPM2_ActivateCredential has a session for each of its two keys, any other command has one: its nonce, its attributes, its HMAC.
        for _ in 0..if cfg!(feature = "attest") && code == 0x147 { 2 } else { 1 } {
            self.buffer()?;
            self.skip(1)?;
            self.buffer()?;
        }
        Some(())
    }
}

/// Whether the answer to this command has all of its content, and no byte more. An answer that is an error has only a header (TPM 2.0
/// Library, Part 1, "Response Header").
#[must_use]
pub fn is_whole(command: &[u8], answer: &[u8]) -> bool {
    let whole = || {
        let code = Rest(command.get(6..)?).number(4)?;
        let mut rest = Rest(answer);
        // TPM_ST_SESSIONS (TPM 2.0 Library, Part 2, section 6.9).
        let has_session = rest.number(2)? == 0x8002;
        rest.skip(4)?;
        if rest.number(4)? == 0 {
            rest.body(code, has_session)?;
        }
        rest.0.is_empty().then_some(())
    };
    whole().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(code: u32) -> Vec<u8> {
        [&[0x80, 1, 0, 0, 0, 10][..], &code.to_be_bytes()].concat()
    }

    fn answer(tag: u8, code: u8, body: &[&[u8]]) -> Vec<u8> {
        [&[0x80, tag, 0, 0, 0, 0, 0, 0, 0, code][..], &body.concat()].concat()
    }

    #[test]
    fn an_answer_is_whole_only_at_its_full_length() {
        let (handle, buffer, auth) = ([0x80, 0, 0, 0], [0, 2, 7, 7], [0, 1, 9, 0, 0, 1, 8]);
        let selections = [0, 0, 0, 1, 0, 0x0b, 3, 0, 0x20, 0];
        let ticket = [0x80, 0x21, 0x40, 0, 0, 7];
        let public: &[&[u8]] = &[&[0, 0, 0, 26], &buffer, &buffer, &buffer, &ticket, &buffer, &buffer];
        let table = [
            (0x131, answer(2, 0, &[&handle, &public.concat(), &auth])),
            (0x131, answer(1, 0, &[&handle, &public[1..].concat()])),
            (0x176, answer(1, 0, &[&handle, &buffer])),
            (0x165, answer(1, 0, &[])),
            (0x182, answer(2, 0, &[&[0; 4], &auth])),
            (0x182, answer(1, 0, &[])),
            (0x17a, answer(1, 0, &[&[0, 0, 0, 0, 5], &selections])),
            (0x17a, answer(2, 0, &[&[0, 0, 0, 15], &[0, 0, 0, 0, 5], &selections, &auth])),
            (0x17a, answer(1, 0, &[&[0, 0, 0, 0, 1], &[0, 0, 0, 1], &handle])),
            (0x17e, answer(1, 0, &[&[0; 4], &selections, &[0, 0, 0, 1], &buffer])),
            (0x17e, answer(1, 1, &[])),
        ];
        #[cfg(feature = "attest")]
        let table = table.into_iter().chain([
            (0x147, answer(2, 0, &[&[0, 0, 0, 4], &buffer, &auth, &auth])),
            (0x14e, answer(2, 0, &[&[0, 0, 0, 4], &buffer, &auth])),
            (0x151, answer(2, 0, &[&[0, 0, 0, 14], &buffer, &ticket, &buffer, &auth])),
            (0x158, answer(2, 0, &[&[0, 0, 0, 16], &buffer, &[0, 0x18, 0, 0x0b], &buffer, &buffer, &auth])),
            (0x158, answer(2, 0, &[&[0, 0, 0, 12], &buffer, &[0, 0x14, 0, 0x0b], &buffer, &auth])),
            (0x169, answer(1, 0, &[&buffer, &buffer])),
            (0x173, answer(1, 0, &[&buffer, &buffer, &buffer])),
        ]);
        for (code, whole) in table {
            let is_whole = |answer: &[u8]| is_whole(&command(code), answer);
            assert!(is_whole(&whole), "0x{code:x}: {whole:?}");
            assert!(!is_whole(&[&whole[..], &[0]].concat()), "0x{code:x}: a byte too much");
            for length in 0..whole.len() {
                assert!(!is_whole(&whole[..length]), "0x{code:x}: {length} bytes of {whole:?}");
            }
        }
    }

    #[test]
    fn a_length_that_a_part_does_not_have_is_refused() {
        let auth = [0, 0, 1, 0, 0];
        let table = [
            // The parameters have another length than the answer says.
            (0x182, answer(2, 0, &[&[0, 0, 0, 1], &auth])),
            (0x17a, answer(1, 0, &[&[0, 0, 0, 0, 5], &[0xff; 4]])),
            (0x17a, answer(1, 0, &[&[0, 0, 0, 0, 6], &[0; 4]])),
            (0x176, answer(1, 0, &[&[0; 4], &[0xff; 2]])),
            // An error has only a header, and no command of the agent is TPM2_GetRandom.
            (0x176, answer(1, 1, &[&[0]])),
            (0x17b, answer(1, 0, &[&[0, 1, 7]])),
        ];
        for (code, malformed) in table {
            assert!(!is_whole(&command(code), &malformed), "0x{code:x}: {malformed:?}");
        }
        assert!(!is_whole(&[], &answer(1, 0, &[])));
    }
}
