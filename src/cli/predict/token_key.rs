//! A private key on a token that speaks PKCS #11, such as a smart card or an HSM. The command `openssl` signs with it: a program that is linked
//! statically cannot load the library of a token.

use std::env;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::error::{Context, Error, Result};
use crate::evidence::signer::Signer;
use crate::evidence::signer_key::SignerKey;
use crate::hash::bank::Bank;
use crate::seal::memory_file;

/// The command.
const OPENSSL: &str = "openssl";
/// Where the library of the token is: the variable that OpenSSL's engine reads (libp11), and that of its provider (pkcs11-provider).
const LIBRARY: [&str; 2] = ["PKCS11_MODULE_PATH", "PKCS11_PROVIDER_MODULE"];
const HINT: &str = "is the token there, and its key named so, as p11tool --list-all shows it? Is the PIN right, which ?pin-source=file:/PATH names? \
                    PKCS11_MODULE_PATH names the token's library";

/// How `openssl` reaches a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Through a provider, since OpenSSL 3.0.
    Provider,
    /// Through an engine, which OpenSSL 4.0 does not know any more.
    Engine,
}

impl Access {
    /// What this machine has. The provider comes first: the engine knows no Ed25519.
    fn of_this_machine() -> Result<Self> {
        if openssl(&["list", "-providers", "-provider", "pkcs11"], &[])?.status.success() {
            return Ok(Self::Provider);
        }
        if openssl(&["engine", "pkcs11"], &[])?.status.success() {
            return Ok(Self::Engine);
        }
        let cause = "the command has neither the provider nor the engine pkcs11, so it reaches no token";
        Err(Error::new(OPENSSL, cause).hint("install pkcs11-provider, or libengine-pkcs11-openssl"))
    }

    /// The arguments for this access. `form` is the command's option for the form of the key.
    fn arguments(self, form: &'static str) -> Vec<&'static str> {
        match self {
            // The default provider goes first: a token in software uses OpenSSL, and would wait for itself.
            Self::Provider => vec!["-provider", "default", "-provider", "pkcs11"],
            Self::Engine => vec!["-engine", "pkcs11", form, "engine"],
        }
    }
}

/// A private key on a token.
#[derive(Debug)]
pub(super) struct TokenKey {
    uri: String,
    access: Access,
    public: SignerKey,
}

/// Checks that the URI of a key does not have the PIN in it.
///
/// # Errors
/// If it has.
pub(super) fn check(uri: &str) -> Result<()> {
    if uri.split(['?', '&', ';']).any(|part| part.starts_with("pin-value=")) {
        let cause = "the URI has the PIN in it, and everybody on this machine can read the arguments of a program";
        return Err(Error::new("--sign pkcs11:", cause)
            .hint("write the PIN into a file that you alone can read, and put ?pin-source=file:/PATH behind the URI"));
    }
    Ok(())
}

impl TokenKey {
    /// Whether this names a key on a token (RFC 7512, section 2.3).
    pub(super) fn is_uri(text: &str) -> bool {
        text.starts_with("pkcs11:")
    }

    /// Finds the key on its token.
    ///
    /// # Errors
    /// If `openssl`, its access to tokens, the token or the key is missing, if the PIN is wrong, or if the key is of another type than those of
    /// [`SignerKey`].
    pub(super) fn find(uri: &str) -> Result<Self> {
        let access = Access::of_this_machine()?;
        let arguments = [&["pkey", "-pubout", "-in", uri], &access.arguments("-inform")[..]].concat();
        let output = openssl(&arguments, &[])?;
        // The exit code is not asked for: the library of some tokens crashes when all is done. `sign` checks what this key signs.
        if output.stdout.is_empty() {
            let cause = format!("openssl could not read the key: {}", told(&output));
            return Err(Error::new(uri, cause).hint(HINT));
        }
        let public = SignerKey::parse(&output.stdout).map_err(|error| error.on(uri))?;
        Ok(Self { uri: uri.to_owned(), access, public })
    }
}

impl Signer for TokenKey {
    fn public(&self) -> SignerKey {
        self.public.clone()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let mut arguments =
            [&["pkeyutl", "-sign", "-inkey", &self.uri], &self.access.arguments("-keyform")[..]].concat();
        let digest = |bank: Bank| bank.digest(message).as_bytes().to_vec();
        let input = match self.public {
            SignerKey::P256(_) => digest(Bank::Sha256),
            SignerKey::P384(_) => digest(Bank::Sha384),
            SignerKey::Ed25519(_) => {
                arguments.push("-rawin");
                message.to_vec()
            }
        };
        let output = openssl(&arguments, &input)?;
        if !self.public.signed(message, &output.stdout) {
            let cause = format!("openssl made no signature that fits the public key: {}", told(&output));
            return Err(Error::new(&self.uri, cause).hint(HINT));
        }
        Ok(output.stdout)
    }
}

/// Runs `openssl` with this input. If it needs a PIN, it asks for it at the terminal.
fn openssl(arguments: &[&str], input: &[u8]) -> Result<Output> {
    let mut command = Command::new(OPENSSL);
    command.args(arguments).stdin(Stdio::null());
    if !input.is_empty() {
        // Not a pipe: for Ed25519, openssl asks for the length first.
        let mut file = memory_file::create("message")?;
        file.write_all(input).about("memory file")?;
        command.args(["-in", "/dev/stdin"]).stdin(file);
    }
    for (one, other) in [(LIBRARY[0], LIBRARY[1]), (LIBRARY[1], LIBRARY[0])] {
        if let (None, Some(library)) = (env::var_os(one), env::var_os(other)) {
            command.env(one, library);
        }
    }
    command.output().about_hint(OPENSSL, "a key on a token needs this command: install openssl")
}

/// Why `openssl` failed, in its own words: the first line that is a sentence, and the first reason of its list of errors, whose lines are
/// `thread:error:number:library:function:reason:...` (ERR_print_errors(3ossl)).
fn told(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let is_listed = |line: &&str| line.split(':').nth(1) == Some("error");
    // What it says before it fails: that the engine is loaded, and the question for the PIN.
    let is_reason = |line: &&str| !is_listed(line) && !line.starts_with("Engine ") && !line.starts_with("Enter ");
    let sentence = text.lines().find(is_reason);
    let reason = text.lines().find(is_listed).and_then(|line| line.split(':').nth(5));
    let words: Vec<_> = sentence.into_iter().chain(reason).map(str::trim).filter(|words| !words.is_empty()).collect();
    if words.is_empty() { format!("it gave no reason ({})", output.status) } else { words.join(": ") }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    #[test]
    fn a_pin_in_the_uri_is_refused_and_a_file_with_it_is_not() {
        for good in ["pkcs11:token=a;object=pin-value=", "pkcs11:token=a?pin-source=file:/pin", "pkcs11:"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["pkcs11:token=a?pin-value=1234", "pkcs11:token=a?x-y=z&pin-value=1", "pkcs11:a=b;pin-value=1"] {
            let error = check(bad).unwrap_err().to_string();
            assert!(error.contains("the PIN in it") && !error.contains("1234"), "{error}");
        }
    }

    #[test]
    fn the_reason_is_told_as_openssl_gave_it() {
        let told_of = |stderr: &str| {
            let (stdout, stderr) = (Vec::new(), stderr.as_bytes().to_vec());
            told(&Output { status: ExitStatus::from_raw(139), stdout, stderr })
        };
        // The engine, then the provider, of Debian 12 and 13.
        let pin = "Engine \"pkcs11\" set.\nLogin failed\nLogin to token failed, returning NULL...\n\
                   40B7:error:418000A0:PKCS#11 module:ERR_CKR_error:PIN incorrect:p11_slot.c:208:\n";
        assert_eq!(told_of(pin), "Login failed: PIN incorrect");
        let asked = "Engine \"pkcs11\" set.\nEnter PKCS#11 token PIN for a:\nUI_process failed\n";
        assert_eq!(told_of(asked), "UI_process failed");
        let no_key = "Could not find private key of key from pkcs11:token=a;object=b\n";
        assert_eq!(told_of(no_key), no_key.trim_end());
        assert!(told_of("").starts_with("it gave no reason (signal: 11"), "{}", told_of(""));
    }
}
