//! A server gives a package only to a machine that runs the right image: the two scripts of docs/installer.md.

use std::fs;
use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::{
    Bank, Guest, Image, PackedInitramfs, Result, RootFs, StandaloneTpm, Vm, assets, bank, ensure, image, tool,
};

/// What the server hands out.
const PACKAGE: &str = "the package";
/// The address that QEMU's network leads to the server's script.
const SERVER: [&str; 2] = ["10.0.2.100", "7000"];

/// The scripts of the page: the server's and the machine's.
fn scripts() -> Result<[String; 2]> {
    let page = fs::read_to_string(assets::checkout().join("docs/installer.md"))?;
    let mut blocks =
        page.split("\n```bash\n").skip(1).filter_map(|rest| rest.split("```").next()).map(ToOwned::to_owned);
    match (blocks.next(), blocks.next(), blocks.next()) {
        (Some(give), Some(get), None) => Ok([give, get]),
        _ => Err("the page has not two scripts".into()),
    }
}

/// The server's folder, and the image that has the machine's script.
struct Server {
    image: Image,
    initramfs: PackedInitramfs,
    folder: Scratch,
}

impl Server {
    fn new() -> Result<Self> {
        let folder = Scratch::new()?;
        let [give, get] = scripts()?;
        fs::write(folder.path("give.page"), give)?;
        fs::write(folder.path("get"), get)?;
        fs::write(folder.path("package"), PACKAGE)?;
        fs::create_dir(folder.path("machines"))?;
        fs::copy(assets::product("release/measureroot")?, folder.path("measureroot"))?;
        fs::copy(Image::debian(RootFs::Squashfs)?.path(), folder.path("image"))?;
        // mksquashfs adds the folder `installer` to the root of the image.
        let make = "shellcheck give.page get
            openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signing.pem
            openssl dgst -sha256 -sign signing.pem -out package.sig package && tar --create --file package.tar package package.sig
            mkdir installer && openssl pkey -in signing.pem -pubout -out signed-by.pem
            install -t installer measureroot get signed-by.pem && mksquashfs installer image -keep-as-directory -all-root -quiet -no-progress
            { echo '#!/bin/bash' && printf 'exec 2>>%q\\nexport PATH=%q:$PATH\\n' $PWD/said $PWD && cat give.page; } >give
            chmod +x give && ./measureroot predict --format in-toto --sign signing.pem --allow-entry trusted.json --name installer \\
                --until 2099-12-31 image >trusted.dsse";
        let mut shell = tool::limited(Duration::from_secs(120), "bash");
        tool::finish(shell.current_dir(folder.folder()).args(["-euo", "pipefail", "-c", make]))?;
        let image = Image::at(folder.path("image"));
        let modules =
            ["virtio_pci", "virtio_blk", "virtio_console", "virtio_net", "loop", "squashfs", "overlay", "dm-verity"];
        Ok(Self { image, initramfs: PackedInitramfs::with_modules(&modules)?, folder })
    }

    /// A machine with this TPM, and a network that has the server alone.
    fn machine(&self, tpm: &StandaloneTpm, image: &Image) -> Vm {
        let vm = Vm::new("root=/dev/vda").large().initramfs(self.initramfs.file()).tpm(tpm).disk(image);
        vm.served_by(&SERVER.join(":"), self.folder.path("give"))
    }

    /// Registers a machine that has booted as it should.
    fn register(&self, guest: &mut Guest, name: &str) -> Result<()> {
        guest.run(&["/installer/measureroot", "attest", "--enroll", "--output", "/run/enrolment"])?;
        let enrolment: serde_json::Value = serde_json::from_str(&guest.read("/run/enrolment")?)?;
        for (field, extension) in [("key", "key"), ("endorsement_key", "ek")] {
            let hex = enrolment[field].as_str().ok_or("no such field")?;
            fs::write(self.folder.path(&format!("machines/{name}.{extension}")), bank::bytes(hex)?)?;
        }
        let known = guest.run(&["tpm2_pcrread", "sha256:0,2,4,8,9,12"])?;
        Ok(fs::write(self.folder.path(&format!("machines/{name}.pcrs")), known)?)
    }

    /// What the machine's script prints when it asks as the machine `name`, and what the server's script says about it.
    fn asked(&self, guest: &mut Guest, name: &str) -> Result<(String, String)> {
        fs::write(self.folder.path("said"), "")?;
        let get = format!(
            "mount -o remount,exec /run && export PATH=/installer:$PATH
            printf '[Match]\\nName=e*\\n[Network]\\nDHCP=ipv4\\n' >/etc/systemd/network/all.network
            systemctl start systemd-networkd && /lib/systemd/systemd-networkd-wait-online --ipv4 --timeout=60
            package=$(bash /installer/get {} {name} /installer/signed-by.pem 2>/run/said) && cat \"$package\" || echo nothing",
            SERVER.join(" ")
        );
        let got = guest.run(&["bash", "-c", &get])?;
        Ok((got, fs::read_to_string(self.folder.path("said"))?))
    }

    /// A machine asks as `name`, and gets nothing for this reason.
    fn refuses(&self, mut guest: Guest, name: &str, reason: &str) -> Result<()> {
        let (got, said) = self.asked(&mut guest, name)?;
        ensure!(got == "nothing" && said.contains(reason), "{got}\n{said}");
        guest.power_off().map(drop)
    }
}

#[test]
fn only_a_registered_machine_with_the_right_image_gets_the_package() -> Result<()> {
    let server = Server::new()?;
    let tpm = StandaloneTpm::new(&Bank::ALL)?;
    let mut guest = server.machine(&tpm, &server.image).boots()?;
    server.register(&mut guest, "one")?;
    let (got, said) = server.asked(&mut guest, "one")?;
    ensure!(got == PACKAGE && said.contains("trusted: installer"), "{got}\n{said}");
    server.refuses(guest, "two", "machines/two.key")?;

    let other = server.image.flipped(image::SQUASHFS_TIME)?;
    server.refuses(
        server.machine(&tpm, &other).boots()?,
        "one",
        "not trusted: an image was booted that is not known",
    )?;
    let unmeasured = server.machine(&tpm, &server.image).with("measureroot=off");
    server.refuses(unmeasured.boots()?, "one", "not trusted: ")?;
    // Another machine with the same image is not machine one.
    let other_tpm = StandaloneTpm::new(&Bank::ALL)?;
    let another = server.machine(&other_tpm, &server.image);
    server.refuses(another.boots()?, "one", "broken evidence")
}
