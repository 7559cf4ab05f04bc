//! The commands of docs/mkosi.md: Debian's mkosi builds a disk, and firmware starts the unified kernel image on it.

use std::fs;
use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::stopped_vm::DEFAULT_PCR;
use test_vm::{Bank, Builder, Bus, DocPage, Guest, Place, Result, Vm, ensure, predict, tool};

/// Gives mkosi the packages that `test-vm/images` has installed.
const KEPT: &str = "mkdir /var/cache/kept
    tar --extract --file=/checkout/target/test-vm/mkosi-packages/cache.tar --directory=/var/cache/kept\n";

/// What the test needs in addition: the probe as a service, and a console.
const LOCAL: &str = "units=mkosi.extra/etc/systemd/system
    install -D -t mkosi.extra/usr/lib/measureroot /checkout/target/test-vm/probe/x86_64-unknown-linux-gnu/release/probe
    install -D --mode=0644 -t $units /checkout/test-vm/lib/probe.service
    mkdir $units/multi-user.target.wants && ln -s ../probe.service $units/multi-user.target.wants/
    printf '%s\\n' '[Content]' 'KernelCommandLine=console=ttyS0 panic=1 measureroot.onfail=poweroff' \\
        '[Build]' Incremental=yes CacheDirectory=/var/cache/kept >mkosi.local.conf\n";

fn page() -> Result<DocPage> {
    DocPage::open("docs/mkosi.md")
}

/// The page's build, with `more` before the call of mkosi.
fn build(more: &str) -> Result<String> {
    let (page, build) = (page()?, page()?.block("mkosi build")?);
    let (copy, mkosi) = build.split_once("mkosi build").ok_or("no mkosi build")?;
    Ok(format!("{}{KEPT}{copy}\n{more}\nmkosi build{mkosi}", page.block("apt-get")?))
}

/// The firmware's log with measureroot's events behind its own, as tpm2_eventlog shows it.
fn events(guest: &mut Guest) -> Result<String> {
    let log = guest.bytes("/run/measureroot/binary_bios_measurements")?.content;
    let scratch = Scratch::new()?;
    fs::write(scratch.path("log"), log)?;
    tool::output(Duration::from_secs(60), "tpm2_eventlog", [scratch.path("log")])
}

/// True if an event of this PCR has this digest.
fn has_event(events: &str, pcr: u8, digest: &str) -> bool {
    let of_pcr = |event: &&str| event.lines().any(|line| line.trim() == format!("PCRIndex: {pcr}"));
    events.split("- EventNum:").filter(of_pcr).any(|event| event.contains(digest))
}

#[test]
fn firmware_starts_the_unified_kernel_image_and_the_disk_boots_measured() -> Result<()> {
    let builder = Builder::mkosi()?;
    // pesign comes with mkosi. It computes the digest that firmware measures of a program.
    let said = builder.run(&(build(LOCAL)? + "\npesign --hash --in measured.efi >measured.efi.hash"))?;
    let file = |name: &str| builder.file(&format!("my-image/measured.{name}"));
    let text = fs::read_to_string(file("pcr13")?)?;
    ensure!(said.contains(&format!("(measured.pcr13):\n{text}")), "mkosi does not print the PCR: {said}");
    let predicted = predict::read_pcrs(&text, DEFAULT_PCR)?;
    assert_eq!(predicted.len(), Bank::ALL.len());

    let mut guest = Vm::uefi().large().disk_file(Bus::Virtio, file("raw")?).boots()?;
    guest.write("/measured.pcr13", &text)?;
    let compare = page()?.block("tpm2_pcrread")?;
    let said = guest.run(&["sh", "-c", &format!("cd / && {compare}")])?;
    ensure!(said.ends_with("this is measured.raw"), "{compare}: {said}");
    guest.found_at(&Place::device("/dev/vda2"))?;
    ensure!(guest.status()?.measured, "status.json says that nothing was measured");
    guest.runs_well()?;

    // Before measureroot ran, the firmware measured the unified kernel image, and its stub measured its parts.
    let events = events(&mut guest)?;
    let hash = fs::read_to_string(file("efi.hash")?)?;
    let hash = hash.split_whitespace().find(|word| word.len() == 64).ok_or("no hash by pesign")?;
    ensure!(has_event(&events, 4, hash), "PCR 4 has no {hash}: {events}");
    let initramfs = Bank::Sha256.of_file(&file("initrd")?)?;
    ensure!(has_event(&events, 11, &initramfs), "PCR 11 has no {initramfs}: {events}");

    // What started the agent is in the TPM as the build tells it. systemd runs in the booted system, and measures its phases.
    let [chain] = &predict::boots(&fs::read_to_string(file("chain.json")?)?)?[..] else {
        return Err("one boot".into());
    };
    assert_eq!(chain.keys().copied().collect::<Vec<_>>(), [4, 8, 9, 11, 12, 13, 14]);
    for (pcr, values) in chain {
        let answers = predict::answers(values, &guest.pcrs(*pcr)?, *pcr)?;
        ensure!(*pcr != 11 || answers.concat() != "systemd has reached no phase", "systemd measured no phase");
    }

    let vm = guest.power_off()?;
    assert_eq!(vm.pcrs(DEFAULT_PCR)?, predicted);
    predict::holds(&vm, chain)
}

/// A build that must fail.
struct Refusal {
    /// The shell commands that change something before it.
    change: &'static str,
    /// A part of the message.
    message: &'static str,
}

/// Builds a copy of the configuration after each change. Each build must fail with its message.
fn refuses(prepare: &str, cases: &[Refusal]) -> Result<()> {
    // The page's installation restores the files that an earlier change removed or broke.
    let install = page()?.block("apt-get")?;
    let fresh = format!("cd /folder\n{install}rm -rf case; cp -r initramfs/installed/mkosi case; cd case\n{prepare}");
    let build = "echo; echo CASE; if mkosi build 2>&1; then echo 'was built'; fi";
    let steps = cases.iter().map(|Refusal { change, .. }| format!("{fresh}\n{change}\n{build}\n"));
    let script: String = [KEPT.to_owned()].into_iter().chain(steps).collect();
    let said = Builder::mkosi()?.run(&script)?;
    let said: Vec<_> = said.split("\nCASE\n").skip(1).collect();
    assert_eq!(said.len(), cases.len());
    for (Refusal { change, message }, said) in cases.iter().zip(said) {
        ensure!(said.contains(message) && !said.contains("was built"), "{change}: not {message:?} but {said}");
    }
    Ok(())
}

#[test]
fn a_wrong_configuration_is_refused_before_the_build() -> Result<()> {
    let cases = [
        Refusal {
            change: "rm /usr/lib/measureroot/init",
            message: "measureroot: /usr/lib/measureroot/init is missing: install the package measureroot",
        },
        Refusal {
            change: "cp /bin/true /usr/lib/measureroot/init",
            message: "/init is not the agent, it needs shared libraries",
        },
        Refusal {
            change: "rm /usr/lib/measureroot/boot-modules.sh",
            message: "/boot-modules.sh is missing: install the package measureroot",
        },
        Refusal {
            change: "rm /usr/bin/measureroot",
            message: "measureroot: measureroot is missing: install the package measureroot",
        },
        Refusal { change: "sed -i s/^Format=.*/Format=tar/ mkosi.conf", message: "write Format=disk into mkosi.conf" },
        Refusal {
            change: "sed -i s/^Bootable=.*/Bootable=auto/ mkosi.conf",
            message: "write Bootable=yes into mkosi.conf",
        },
        Refusal { change: "sed -i /^Bootloader=/d mkosi.conf", message: "write Bootloader=uki into mkosi.conf" },
        Refusal {
            change: "sed -i s/^SplitArtifacts=.*/SplitArtifacts=kernel/ mkosi.conf",
            message: "write SplitArtifacts=uki into mkosi.conf",
        },
        Refusal {
            change: "printf '[Output]\\nCompressOutput=zstd\\n' >mkosi.local.conf",
            message: "write CompressOutput=no into mkosi.conf",
        },
        Refusal {
            change: "touch other && printf '[Content]\\nInitrds=other\\n' >mkosi.local.conf",
            message: "Initrds= names another initramfs",
        },
        Refusal {
            change: "sed -i /^KernelModulesInitrd=/d mkosi.conf",
            message: "write KernelModulesInitrd=no into mkosi.conf",
        },
        // This is the last one: no later installation restores jq.
        Refusal { change: "rm /usr/bin/jq", message: "measureroot: jq is missing: install the package jq" },
    ];
    refuses("", &cases)
}

/// What mkosi needs of a Debian. It is faster than a whole one.
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
fn an_image_that_would_not_boot_measured_is_refused_during_the_build() -> Result<()> {
    let label = "sed -i s/^Label=.*/Label=other/ mkosi.repart/10-root.conf";
    let btrfs = "sed -i -e s/^Format=.*/Format=btrfs/ -e /^Compression=/d -e s/^Minimize=.*/Minimize=guess/ \
                 mkosi.repart/10-root.conf";
    let cases = [
        Refusal {
            change: "echo 'RemoveFiles=/usr/lib/modules/*/vmlinuz' >>mkosi.local.conf",
            message: "measureroot: no kernel is in the image: add one",
        },
        Refusal {
            change: "install -D small.tar mkosi.extra/usr/lib/modules/6.1.0-other/vmlinuz",
            message: "measureroot: several kernels are in the image",
        },
        Refusal {
            change: "printf '[Build]\\nEnvironment=\"measureroot_modules=overlay nowhere|elsewhere\"\\n' >>mkosi.local.conf",
            message: "has no nowhere, no elsewhere, neither as a module nor built in: take another kernel",
        },
        Refusal {
            change: "install -D small.tar mkosi.extra/x && printf '[Content]\\nPostInstallationScripts=other\\n' >>mkosi.local.conf
             printf '#!/bin/sh\\nmkdir -p $ARTIFACTDIR/io.mkosi.initrd; echo >$ARTIFACTDIR/io.mkosi.initrd/other' >other
             chmod +x other",
            message: "measureroot: the unified kernel image has another initramfs beside measureroot's",
        },
        Refusal {
            change: "echo KernelCommandLine=measureroot.sael=ram >>mkosi.local.conf",
            message: "measureroot.sael=ram: unknown parameter",
        },
        Refusal {
            change: "echo KernelCommandLine=measureroot=off >>mkosi.local.conf",
            message: "measureroot: measureroot=off boots unmeasured",
        },
        Refusal {
            change: "sed -i s/PARTLABEL=.*/LABEL=x/ mkosi.conf",
            message: "measureroot: only a partition of this disk is predicted",
        },
        Refusal {
            change: label,
            message: "measureroot: root=PARTLABEL=measured-root is not one partition of this disk: give one this Label=",
        },
        Refusal {
            change: btrfs,
            message: "measureroot: root=PARTLABEL=measured-root is no root image: write Format=squashfs, or erofs",
        },
    ];
    refuses(SMALL, &cases)
}

/// Adds a partition for dm-verity's tree to the disk, as the page describes it.
const VERITY: &str = "printf 'Verity=data\\nVerityMatchKey=root\\n' >>mkosi.repart/10-root.conf
    printf '%s\\n' '[Partition]' Type=root-verity Verity=hash VerityMatchKey=root Minimize=best >mkosi.repart/20-root-verity.conf";

#[test]
fn the_same_input_gives_the_same_disk_and_its_root_hash_is_predicted() -> Result<()> {
    let copy = "cp -r initramfs/installed/mkosi my-image; cd my-image";
    let twice = "mkosi build; mv measured.raw first.raw; mkosi --force build; cmp first.raw measured.raw";
    let hash = "hash=$(ukify inspect measured.efi --json=short | jq --raw-output '.[\".cmdline\"].text' | grep -o '^roothash=[^ ]*')
        measureroot predict --roothash ${hash#*=} | cmp - measured.pcr13";
    let installed = page()?.block("apt-get")? + KEPT + copy;
    Builder::mkosi()?.run(&[&installed, SMALL, twice, VERITY, "mkosi --force build", hash].join("\n")).map(drop)
}

#[test]
fn a_test_runs_each_block_of_the_page() -> Result<()> {
    page()?.has_only(&["apt-get", "mkosi build", "tpm2_pcrread"])
}
