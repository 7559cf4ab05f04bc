//! A machine proves to other programs which image it booted, and opens what was sealed to that image. tpm2-tools, systemd and
//! Keylime make, open and check it.

use std::fs;
use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::{
    Bank, Bus, Guest, Image, PackedInitramfs, Prediction, Result, RootFs, StandaloneTpm, Verdict, Vm, assets, bank,
    ensure, image, predict, tool,
};

/// The nonce of the quote. It is a text because Keylime's nonces are texts.
const NONCE: &str = "asked a moment ago";
/// The other PCRs of a boot. PCR 10 is missing: Linux's IMA extends it, and has its own log.
const OTHER_PCRS: &str = "sha256:0,1,2,3,4,5,6,7,8,9,11,12";
/// The sealed secret.
const SECRET: &str = "for the right image alone";

/// The modules for a root that opens encrypted volumes.
const MODULES: [&str; 8] =
    ["virtio_pci", "virtio_blk", "virtio_console", "loop", "squashfs", "overlay", "dm-verity", "dm-crypt"];

/// A secret and a volume that are sealed to an image before a machine boots it. That needs only the image and the machine's TPM.
struct Sealed {
    tpm: StandaloneTpm,
    initramfs: PackedInitramfs,
    scratch: Scratch,
}

impl Sealed {
    fn to(image: &Image) -> Result<Self> {
        let initramfs = PackedInitramfs::with_modules(&MODULES)?;
        let sealed = Self { tpm: StandaloneTpm::new(&Bank::ALL)?, initramfs, scratch: Scratch::new()? };
        let policy = predict::printed("policy", image.path())?.trim_end().to_owned();
        sealed.secret(&policy)?;
        sealed.volume(image, &policy)?;
        Ok(sealed)
    }

    /// tpm2-tools seal a secret under the predicted policy.
    fn secret(&self, policy: &str) -> Result<()> {
        let folder = self.scratch.folder();
        fs::write(folder.join("policy"), bank::bytes(policy)?)?;
        fs::write(folder.join("secret"), SECRET)?;
        self.tpm.tool(folder, &["tpm2_createprimary", "-Q", "-C", "o", "-G", "ecc", "-c", "srk.ctx"])?;
        let seal = ["tpm2_create", "-Q", "-C", "srk.ctx", "-L", "policy", "-i", "secret", "-u", "pub", "-r", "priv"];
        self.tpm.tool(folder, &seal).map(drop)
    }

    /// cryptsetup makes an encrypted volume with a small file system. systemd enrols it to the value of PCR 13, which is the
    /// predicted one.
    fn volume(&self, image: &Image, policy: &str) -> Result<()> {
        // openssl encrypts the file system itself, in one sector of 4096 bytes at the offset of the data: only root can open
        // the volume to write to it.
        let make = "mkdir content && echo \"$1\" >content/file && mksquashfs content data -all-root -quiet -no-progress
            head -c 32 /dev/urandom >key && printf password >password && truncate -s 24M volume
            PATH=$PATH:/usr/sbin cryptsetup luksFormat --batch-mode --type luks2 --cipher aes-cbc-plain64 --key-size 256 \\
                --sector-size 4096 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --offset 32768 \\
                --volume-key-file key --key-file password volume
            openssl enc -aes-256-cbc -nopad -K \"$(basenc --base16 --wrap=0 key)\" -iv \"$(printf %032d 0)\" -in data |
                dd of=volume bs=4096 seek=4096 conv=notrunc status=none";
        let mut shell = tool::limited(Duration::from_secs(60), "bash");
        tool::finish(shell.current_dir(self.scratch.folder()).args(["-euo", "pipefail", "-c", make, "-", SECRET]))?;

        let digest = &Prediction::of(image.path())?.banks[&Bank::Sha256].digest;
        self.tpm.tool(self.scratch.folder(), &["tpm2_pcrextend", &format!("13:sha256={digest}")])?;
        let mut enrol = tool::limited(Duration::from_secs(60), "systemd-cryptenroll");
        enrol.args([&format!("--tpm2-device={}", self.tpm.device()), "--tpm2-pcrs=13", "volume"]);
        tool::finish(enrol.current_dir(self.scratch.folder()).env("PASSWORD", "password"))?;
        // systemd computed the same policy.
        let mut dump = tool::limited(Duration::from_secs(60), "/usr/sbin/cryptsetup");
        let dumped = tool::finish(
            dump.args(["token", "export", "--token-id", "0", "volume"]).current_dir(self.scratch.folder()),
        )?;
        ensure!(dumped.contains(&format!("\"tpm2-policy-hash\":\"{policy}\"")), "not {policy}: {dumped}");
        Ok(())
    }

    /// Boots an image in a machine with this TPM and the volume. The initramfs has the module that opens encrypted volumes,
    /// because the image has no modules.
    fn boots(&self, image: &Image) -> Result<Guest> {
        let vm = Vm::new("root=/dev/vda").large().initramfs(self.initramfs.file()).tpm(&self.tpm).disk(image);
        vm.disk_file(Bus::Virtio, self.scratch.path("volume")).boots()
    }

    /// True if the guest's TPM unseals the secret.
    fn unseals(&self, guest: &mut Guest) -> Result<bool> {
        for name in ["pub", "priv"] {
            let hex = bank::hex(&fs::read(self.scratch.path(name))?).to_uppercase();
            guest.write(&format!("/run/{name}.hex"), &hex)?;
        }
        let unseal = "cd /run && for name in pub priv; do basenc --base16 --decode $name.hex >$name; done
            tpm2_createprimary -Q -C o -G ecc -c srk.ctx && tpm2_load -Q -C srk.ctx -u pub -r priv -c secret.ctx
            tpm2_unseal -c secret.ctx -p pcr:sha256:13 2>&1 || true";
        let said = guest.run(&["sh", "-euc", unseal])?;
        ensure!(said == SECRET || said.contains("a policy check failed"), "tpm2_unseal: {said}");
        Ok(said == SECRET)
    }
}

/// True if the guest's systemd opens the volume with the guest's TPM.
fn opens(guest: &mut Guest) -> Result<bool> {
    let open = "/lib/systemd/systemd-cryptsetup attach data /dev/vdb - tpm2-device=auto,headless=true,read-only 2>&1 &&
        mount -t squashfs -o ro /dev/mapper/data /mnt && cat /mnt/file || true";
    let said = guest.run(&["sh", "-c", open])?;
    let denied = said.contains("Current policy digest does not match stored policy digest");
    ensure!(said.ends_with(SECRET) != denied, "systemd-cryptsetup: {said}");
    Ok(!denied)
}

/// The evidence that a machine sends.
struct Evidence(Scratch);

impl Evidence {
    /// A guest makes an attestation key, and a quote with it.
    fn of(guest: &mut Guest) -> Result<Self> {
        let attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign";
        let quote = format!(
            "mkdir /run/evidence && cd /run/evidence
            tpm2_createprimary -Q -C e -G ecc256:ecdsa-sha256:null -a '{attributes}' -c /run/ak.ctx
            tpm2_readpublic -Q -c /run/ak.ctx -o ak.pub && tpm2_readpublic -Q -c /run/ak.ctx -f pem -o ak.pem
            tpm2_pcrread {OTHER_PCRS} >known && tpm2_quote -Q -c /run/ak.ctx -l {OTHER_PCRS},13 -q {} -m quote -s signature -o pcrs
            cp /run/measureroot/binary_bios_measurements log && cp /run/log/systemd/tpm2-measure.log systemd",
            bank::hex(NONCE.as_bytes())
        );
        guest.run(&["sh", "-euc", &quote])?;
        let evidence = Self(Scratch::new()?);
        for name in guest.list("/run/evidence")? {
            let bytes = guest.bytes(format!("/run/evidence/{name}"))?.content;
            fs::write(evidence.0.path(&name), bytes)?;
        }
        Ok(evidence)
    }

    /// `measureroot verify` judges the evidence. `image` is the trusted one.
    fn judged(&self, image: &Image) -> Result<Verdict> {
        let mut verify = tool::measureroot(Duration::from_secs(60))?;
        verify.args(["verify", "--quote", "quote", "--signature", "signature", "--key", "ak.pub"]);
        // An event that is in both logs counts once.
        verify.args(["--log", "log", "systemd", "--expect", "known"]);
        verify.args(["--nonce", &bank::hex(NONCE.as_bytes()), "--image"]).arg(image.path());
        Verdict::of(verify.current_dir(self.0.folder()))
    }

    /// tpm2_checkquote accepts signature, nonce, PCRs and log.
    fn is_accepted_by_tpm2_tools(&self) -> Result<()> {
        let mut check = tool::limited(Duration::from_secs(60), "tpm2_checkquote");
        check.args(["-u", "ak.pem", "-m", "quote", "-s", "signature", "-f", "pcrs", "-e", "log"]);
        check.args(["-g", "sha256", "-q", &bank::hex(NONCE.as_bytes())]);
        tool::finish(check.current_dir(self.0.folder())).map(drop)
    }

    /// The failures that Keylime's verifier finds. `image` is the one of its policy.
    fn failures_by_keylime(&self, image: &Image) -> Result<String> {
        fs::write(self.0.path("policy"), predict::printed("keylime", image.path())?.trim_end())?;
        let check = assets::checkout().join("test-vm/keylime/check");
        let mut python =
            tool::limited(Duration::from_secs(120), assets::product("test-vm/keylime/venv/bin")?.join("python"));
        python.arg(check).args(["quote", "signature", "pcrs", "ak.pub", NONCE, "log", "policy"]);
        let done = python.current_dir(self.0.folder()).output()?;
        let (found, said) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        ensure!(done.status.code() == Some(i32::from(!found.is_empty())), "Keylime: {}: {found}{said}", done.status);
        // It compared all PCRs.
        let compared = "Compared PCRs 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13 against measured boot log";
        ensure!(said.contains(compared), "Keylime did not print {compared:?}: {said}");
        Ok(found.into_owned())
    }
}

#[test]
fn only_the_right_image_is_trusted_and_unseals_what_was_sealed_to_it() -> Result<()> {
    let image = Image::debian(RootFs::Squashfs)?;
    let changed = image.flipped(image::SQUASHFS_TIME)?;
    let sealed = Sealed::to(&image)?;
    for (booted, other) in [(&image, &changed), (&changed, &image)] {
        let mut guest = sealed.boots(booted)?;
        let is_right = std::ptr::eq(booted, &raw const image);
        assert_eq!(sealed.unseals(&mut guest)?, is_right);
        assert_eq!(opens(&mut guest)?, is_right);
        let evidence = Evidence::of(&mut guest)?;
        guest.power_off()?;
        evidence.is_accepted_by_tpm2_tools()?;
        evidence.judged(booted)?.is(0, "trusted: ")?;
        evidence.judged(other)?.is(3, "not trusted: an image was booted that is not known")?;
        assert_eq!(evidence.failures_by_keylime(booted)?, "");
        let found = evidence.failures_by_keylime(other)?;
        ensure!(found.contains("pcr_validation.invalid_pcr_13"), "Keylime: {found}");
    }
    Ok(())
}
