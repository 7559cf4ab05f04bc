//! docs/mkosi.md, followed: Debian's mkosi builds a disk, and firmware starts the unified kernel image on it.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::{Bank, Builder, Bus, DocPage, Guest, Result, Vm, ensure, tool};

/// mkosi finds the packages as `test-vm/images` left them.
const KEPT: &str = "mkdir /var/cache/kept
    tar --extract --file=/checkout/target/test-vm/mkosi-packages/cache.tar --directory=/var/cache/kept\n";

/// What the test needs besides: the probe as a service, and a console.
const LOCAL: &str = "units=mkosi.extra/etc/systemd/system
    install -D -t mkosi.extra/usr/lib/measureroot /checkout/target/test-vm/probe/x86_64-unknown-linux-gnu/release/probe
    install -D --mode=0644 -t $units /checkout/test-vm/lib/probe.service
    mkdir $units/multi-user.target.wants && ln -s ../probe.service $units/multi-user.target.wants/
    printf '%s\\n' '[Content]' 'KernelCommandLine=console=ttyS0 panic=1 measureroot.onfail=poweroff' \\
        '[Build]' Incremental=yes CacheDirectory=/var/cache/kept >mkosi.local.conf\n";

/// A block of the page.
fn block(part: &str) -> Result<String> {
    Ok(DocPage::open("docs/mkosi.md")?.block(part)?.to_owned())
}

/// The page's build, with `more` before mkosi runs.
fn build(more: &str) -> Result<String> {
    let build = block("mkosi build")?;
    let (copy, mkosi) = build.split_once("mkosi build").ok_or("no mkosi build")?;
    Ok(format!("{}{KEPT}{copy}\n{more}\nmkosi build{mkosi}", block("apt-get")?))
}

/// The PCR that `measureroot predict` wrote for tpm2_pcrread's reader.
fn predicted(text: &str) -> Result<BTreeMap<Bank, String>> {
    let named = |name: &str| Bank::ALL.into_iter().find(|bank| bank.name() == name);
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let value = |pair: &[&str]| {
        let bank = named(pair[0].trim_end_matches(':')).ok_or("no bank")?;
        let value = pair[1].strip_prefix("13: 0x").ok_or("no PCR 13")?;
        Ok((bank, value.to_lowercase()))
    };
    lines.chunks_exact(2).map(value).collect()
}

/// What Linux has as the firmware's log, with measureroot's behind it, in the words of tpm2_eventlog.
fn events(guest: &mut Guest) -> Result<String> {
    let (_, log) = guest.bytes("/run/measureroot/binary_bios_measurements")?;
    let scratch = Scratch::new()?;
    fs::write(scratch.path("log"), log)?;
    tool::output(Duration::from_mins(1), "tpm2_eventlog", [scratch.path("log")])
}

/// Whether an event of this PCR has this digest.
fn has_event(events: &str, pcr: u8, digest: &str) -> bool {
    let of_pcr = |event: &&str| event.lines().any(|line| line.trim() == format!("PCRIndex: {pcr}"));
    events.split("- EventNum:").filter(of_pcr).any(|event| event.contains(digest))
}

#[test]
fn firmware_starts_the_unified_kernel_image_and_the_disk_boots_measured() -> Result<()> {
    let builder = Builder::mkosi()?;
    // pesign, which mkosi brings, is asked for the digest that firmware takes of a program.
    let said = builder.run(&(build(LOCAL)? + "\npesign --hash --in measured.efi >measured.efi.hash"))?;
    let file = |name: &str| builder.file(&format!("my-image/measured.{name}"));
    let text = fs::read_to_string(file("pcr13")?)?;
    ensure!(said.contains(&format!("(measured.pcr13):\n{text}")), "it does not print the PCR: {said}");
    let predicted = predicted(&text)?;
    assert_eq!(predicted.len(), Bank::ALL.len());

    let mut guest = Vm::uefi().large().disk_file(Bus::Virtio, file("raw")?).boots()?;
    guest.write("/measured.pcr13", &text)?;
    let compare = block("tpm2_pcrread")?;
    let said = guest.run(&["sh", "-c", &format!("cd / && {compare}")])?;
    ensure!(said.ends_with("this is measured.raw"), "{compare}: {said}");
    let status = guest.status()?;
    ensure!(status.measured && status.image.form == "device" && status.image.device == "/dev/vda2", "{status:?}");
    assert_eq!(guest.run(&["systemctl", "--failed", "--plain", "--no-legend"])?, "");

    // WrappedInitramfs measureroot: the firmware measured the file that it started, and that its parts.
    let events = events(&mut guest)?;
    let hash = fs::read_to_string(file("efi.hash")?)?;
    let hash = hash.split_whitespace().find(|word| word.len() == 64).ok_or("no hash by pesign")?;
    ensure!(has_event(&events, 4, hash), "PCR 4 has no {hash}: {events}");
    let initramfs = Bank::Sha256.of_file(&file("initrd")?)?;
    ensure!(has_event(&events, 11, &initramfs), "PCR 11 has no {initramfs}: {events}");

    let ended = guest.power_off()?;
    assert_eq!(ended.pcrs(13)?, predicted);
    for (bank, value) in ended.pcrs(11)? {
        ensure!(value != bank.zeros(), "{} PCR 11 is zero", bank.name());
    }
    Ok(())
}

/// Builds a copy of the configuration after each change, which must end with these words.
fn refuses(prepare: &str, cases: &[(&str, &str)]) -> Result<()> {
    // The page's installation mends what an earlier change broke of it.
    let fresh = format!("cd /folder\n{}rm -rf case; cp -r initramfs/mkosi case; cd case\n{prepare}", block("apt-get")?);
    let build = "echo; echo CASE; if mkosi build 2>&1; then echo 'was built'; fi";
    let steps = cases.iter().map(|(change, _)| format!("{fresh}\n{change}\n{build}\n"));
    let script: String = [KEPT.to_owned()].into_iter().chain(steps).collect();
    let said = Builder::mkosi()?.run(&script)?;
    let said: Vec<_> = said.split("\nCASE\n").skip(1).collect();
    assert_eq!(said.len(), cases.len());
    for ((change, words), heard) in cases.iter().zip(said) {
        ensure!(heard.contains(words) && !heard.contains("was built"), "{change}: not {words:?} but {heard}");
    }
    Ok(())
}

#[test]
fn what_would_not_boot_measured_is_refused_before_anything_is_built() -> Result<()> {
    let cases = [
        (
            "rm /usr/lib/measureroot/init",
            "measureroot: /usr/lib/measureroot/init is missing: install the package measureroot",
        ),
        ("cp /bin/true /usr/lib/measureroot/init", "/init is not the agent, it needs shared libraries"),
        ("rm /usr/lib/measureroot/boot-modules.sh", "/boot-modules.sh is missing: install the package measureroot"),
        ("rm /usr/bin/measureroot", "measureroot: measureroot is missing: install the package measureroot"),
        ("sed -i s/^Format=.*/Format=tar/ mkosi.conf", "write Format=disk into mkosi.conf"),
        ("sed -i s/^Bootable=.*/Bootable=auto/ mkosi.conf", "write Bootable=yes into mkosi.conf"),
        ("sed -i /^Bootloader=/d mkosi.conf", "write Bootloader=uki into mkosi.conf"),
        ("sed -i s/^SplitArtifacts=.*/SplitArtifacts=kernel/ mkosi.conf", "write SplitArtifacts=uki into mkosi.conf"),
        ("printf '[Output]\\nCompressOutput=zstd\\n' >mkosi.local.conf", "write CompressOutput=no into mkosi.conf"),
        ("touch other && printf '[Content]\\nInitrds=other\\n' >mkosi.local.conf", "Initrds= names another initramfs"),
        ("sed -i /^KernelModulesInitrd=/d mkosi.conf", "write KernelModulesInitrd=no into mkosi.conf"),
        // Last: nothing brings it back.
        ("rm /usr/bin/jq", "measureroot: jq is missing: install the package jq"),
    ];
    refuses("", &cases)
}

/// Instead of a Debian, which takes its time, what mkosi needs of one.
const SMALL: &str = "kept=/var/cache/kept/debian~trixie~x86-64.cache case=$PWD
    cd $kept
    tar --create --file=$case/small.tar --exclude=kernel/net --exclude=drivers/net bin lib lib64 sbin boot efi \\
        usr/bin/kmod usr/sbin/depmod usr/lib64 usr/lib/x86_64-linux-gnu/{ld-linux,libc.,libcrypto,libkmod,liblzma,libz}* \\
        usr/lib/modules usr/lib/os-release usr/lib/systemd/boot
    cd $case
    sed -i -e '/^Packages=/,/udev$/d' -e s/^Distribution=.*/Distribution=custom/ -e /^Release=/d mkosi.conf
    sed -i s/^Compression=.*/Compression=lz4/ mkosi.repart/10-root.conf
    printf '%s\n' '[Content]' BaseTrees=small.tar >mkosi.local.conf";

#[test]
fn what_would_not_boot_measured_is_refused_when_it_is_built() -> Result<()> {
    let label = "sed -i s/^Label=.*/Label=other/ mkosi.repart/10-root.conf";
    let btrfs = "sed -i -e s/^Format=.*/Format=btrfs/ -e /^Compression=/d -e s/^Minimize=.*/Minimize=guess/ mkosi.repart/10-root.conf";
    let cases = [
        ("echo 'RemoveFiles=/usr/lib/modules/*/vmlinuz' >>mkosi.local.conf", "measureroot: no kernel is in the image: add one"),
        (
            "install -D small.tar mkosi.extra/usr/lib/modules/6.1.0-other/vmlinuz",
            "measureroot: several kernels are in the image",
        ),
        (
            "printf '[Build]\\nEnvironment=\"measureroot_modules=overlay nowhere|elsewhere\"\\n' >>mkosi.local.conf",
            "has no nowhere, no elsewhere, neither as a module nor built in: take another kernel",
        ),
        (
            "install -D small.tar mkosi.extra/x && printf '[Content]\\nPostInstallationScripts=other\\n' >>mkosi.local.conf
             printf '#!/bin/sh\\nmkdir -p $ARTIFACTDIR/io.mkosi.initrd; echo >$ARTIFACTDIR/io.mkosi.initrd/other' >other
             chmod +x other",
            "measureroot: measureroot's is not the only initramfs in the unified kernel image",
        ),
        ("echo KernelCommandLine=measureroot.sael=ram >>mkosi.local.conf", "measureroot.sael=ram: unknown parameter"),
        ("echo KernelCommandLine=measureroot=off >>mkosi.local.conf", "measureroot: measureroot=off boots unmeasured"),
        ("sed -i s/PARTLABEL=.*/LABEL=x/ mkosi.conf", "measureroot: only a partition of this disk is predicted"),
        (label, "measureroot: root=PARTLABEL=measured-root is not one partition of this disk: give one this Label="),
        (btrfs, "measureroot: root=PARTLABEL=measured-root is no root image: write Format=squashfs, or erofs"),
    ];
    refuses(SMALL, &cases)
}

/// dm-verity's tree on the disk, as the page describes it.
const VERITY: &str = "printf 'Verity=data\\nVerityMatchKey=root\\n' >>mkosi.repart/10-root.conf
    printf '%s\\n' '[Partition]' Type=root-verity Verity=hash VerityMatchKey=root Minimize=best >mkosi.repart/20-root-verity.conf";

#[test]
fn the_same_input_gives_the_same_disk_and_a_root_hash_is_predicted() -> Result<()> {
    let copy = "cp -r initramfs/mkosi my-image; cd my-image";
    let twice = "mkosi build; mv measured.raw first.raw; mkosi --force build; cmp first.raw measured.raw";
    let hash = "hash=$(ukify inspect measured.efi --json=short | jq --raw-output '.[\".cmdline\"].text' | grep -o '^roothash=[^ ]*')
        measureroot predict --roothash ${hash#*=} | cmp - measured.pcr13";
    let installed = block("apt-get")? + KEPT + copy;
    Builder::mkosi()?.run(&[&installed, SMALL, twice, VERITY, "mkosi --force build", hash].join("\n")).map(drop)
}

#[test]
fn there_is_no_block_that_nobody_runs() -> Result<()> {
    DocPage::open("docs/mkosi.md")?.is_only(&["apt-get", "mkosi build", "tpm2_pcrread"])
}
