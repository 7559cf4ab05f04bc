//! Command lines, and the configuration or the error that each gives.

use super::*;
use crate::cmdline::tokens;
use crate::media::device_name::DeviceName;

fn config(line: &str) -> Result<Config> {
    Config::parse(&tokens::parse(line.as_bytes()))
}

#[test]
fn defaults_apply_to_what_is_not_given() {
    let config = config("root=/dev/vda quiet BOOT_IMAGE=/vmlinuz panic=5").unwrap();
    assert!(config.measured && config.writable);
    assert_eq!(config.source, ImageSource::Device(DeviceName::Node("/dev/vda".into())));
    assert_eq!((config.pcr.get(), &config.overlay_size), (13, &OverlaySize::HalfOfAvailable));
    assert_eq!((config.timeout, config.root_wait.limit), (DEFAULT_TIMEOUT, Some(DEFAULT_TIMEOUT)));
    assert_eq!((config.init, config.root_wait.delay), (None, Duration::ZERO));
}

#[test]
fn each_parameter_has_its_effect() {
    let seconds = Duration::from_secs;
    let of = |words: &str| config(&format!("root=/dev/vda {words}")).unwrap();
    assert_eq!(of("rootimgpcr=9").pcr.get(), 9);
    assert!(!of("ro").writable && of("ro rw").writable && !of("rw ro").writable);
    assert_eq!(of("rootwait").root_wait.limit, None);
    assert_eq!(of("rootwait=7").root_wait.limit, Some(seconds(7)));
    assert_eq!(of("rootwait measureroot.timeout=3").root_wait.limit, Some(seconds(3)));
    assert_eq!((of("rootwait").timeout, of("measureroot.timeout=3").timeout), (DEFAULT_TIMEOUT, seconds(3)));
    let limits = [of(""), of("rootwait"), of("measureroot.timeout=86400"), of("measureroot.timeout=0")];
    assert_eq!(limits.map(|config| config.read_limit.as_secs()), [240, 240, 86400, 10]);
    assert_eq!(of("rootdelay=2").root_wait.delay, seconds(2));
    assert_eq!(of("init=/bin/a init=/bin/b").init.as_deref(), Some("/bin/b"));
    assert_eq!(of("rootfstype=ext3,erofs").fstypes, [FileSystem::Ext4, FileSystem::Erofs]);
    assert!(of("rootfstype=auto").fstypes.is_empty() && of("rootfstype=ext4,auto").fstypes.is_empty());
    assert_eq!(of("rootflags=threads=multi,ro,noatime").flags.to_string(), "threads=multi,noatime");
    assert_eq!(of("measureroot.overlaysize=512m").overlay_size, OverlaySize::Asked("512m".to_owned()));
    assert!(of("measureroot").measured && !of("measureroot=off").measured);
    assert!(of("quiet debug").debug && !of("quiet").debug && !of("debug=1").debug);
    assert_eq!(
        of("loop.max_loop=3 virtio-blk.x").modules.parameters,
        [("loop".to_owned(), "max_loop=\"3\"".to_owned()), ("virtio_blk".to_owned(), "x".to_owned())]
    );
    assert!(of("systemd.unit=a rd.live.check modprobe.blacklist=a").modules.parameters.is_empty());
    assert!(of("\"a b.c=1\" \"a.b c\" .d=1 a\"b.c").modules.parameters.is_empty());
    let words = "module_blacklist=vfat,nls-utf8 modprobe.blacklist=a rd.driver.blacklist=b,,c rd.driver.blacklist=d module_blacklist=";
    assert_eq!(of(words).modules.forbidden, ["vfat", "nls_utf8", "a", "b", "c", "d"]);
    assert_eq!(of("module-blacklist=e blacklist=f,g rdblacklist=h blacklist").modules.forbidden, ["e", "f", "g", "h"]);
    let words = "modules_load=ext4,usb-storage modules-load=a rd.modules_load=b rd.driver.pre=c rd.driver.post=d";
    assert_eq!(of(words).modules.wanted, ["ext4", "usb_storage", "a", "b", "c", "d"]);
    assert_eq!((of("").seal, of("measureroot.seal=verity").seal), (SealChoice::Auto, SealChoice::Verity));
    assert_eq!((of("measureroot.seal=toram").seal, of("measureroot=off").seal), (SealChoice::Ram, SealChoice::None));
    assert_eq!(of("measureroot.oncorrupt=panic").on_corrupt, OnCorrupt::Panic);
    assert_eq!((of("").format, of("measureroot.format=plain").format), (ImageFormat::Plain, ImageFormat::Plain));
    assert_eq!(of("measureroot.format=meta-measured").format, ImageFormat::MetaMeasured);
    assert_eq!((of("").session, of("measureroot.session=none").session), (SessionChoice::Auto, SessionChoice::None));
    assert_eq!(of("measureroot.session=hmac").session, SessionChoice::Hmac);
    let tpms = ["", "measureroot.tpm=any", "measureroot.tpm=2.0"].map(|line| of(line).tpm);
    assert_eq!(tpms, [TpmChoice::Any, TpmChoice::Any, TpmChoice::V2_0]);
    assert_eq!(of("measureroot.tpm=2.0").tpm_request().version, TpmChoice::V2_0);
    assert_eq!(of("").rtmr, RtmrChoice::default());
    assert_eq!([of("measureroot.rtmr=2"), of("measureroot.rtmr=3")].map(|config| config.rtmr.index().get()), [2, 3]);
    assert_eq!(of("measureroot.rtmr=optional").rtmr, RtmrChoice::Optional);
    assert_eq!(config("rootimg=/a").unwrap().source, ImageSource::Search("a".into()));
    assert_eq!(
        config("rootimg=a root=LABEL=x").unwrap().source,
        ImageSource::File(DeviceName::Label("x".into()), "a".into())
    );
}

#[test]
fn an_error_names_its_token() {
    let table = [
        ("", "command line"),
        ("root", "root"),
        ("root=", "root="),
        ("root=/dev/vda root=/dev/vdb", "root=/dev/vdb"),
        ("root=/dev/disk/by-id/x", "root=/dev/disk/by-id/x"),
        ("root=nfs", "root=nfs"),
        ("root=/dev/nfs", "root=/dev/nfs"),
        ("root=8:1", "root=8:1"),
        ("root=gpt-auto", "root=gpt-auto"),
        ("rootimg=../x", "rootimg=../x"),
        ("root=/dev/vda rootimgpcr=16", "rootimgpcr=16"),
        ("root=/dev/vda rootimgpcr=23", "rootimgpcr=23"),
        ("root=/dev/vda rootimgpcr=x", "rootimgpcr=x"),
        ("root=/dev/vda rootimgpcr=13 rootimgpcr=14", "rootimgpcr=14"),
        ("root=/dev/vda rootflags=rw", "rootflags=rw"),
        ("root=/dev/vda rootflags=acl,sb=8193", "rootflags=acl,sb=8193"),
        ("root=/dev/vda rootfstype=", "rootfstype="),
        ("root=/dev/vda rootfstype=xfs,btrfs", "rootfstype=xfs,btrfs"),
        ("root=/dev/vda rootdelay=-1", "rootdelay=-1"),
        ("root=/dev/vda rootwait=x", "rootwait=x"),
        ("root=/dev/vda rootwait rootwait=7", "rootwait=7"),
        ("root=/dev/vda rootwait=7 rootwait", "rootwait"),
        ("root=/dev/vda live-media-timeout=3 rootwait", "rootwait"),
        ("root=/dev/vda init=sh", "init=sh"),
        ("root=/dev/vda measureroot.timeout=1m", "measureroot.timeout=1m"),
        ("root=/dev/vda measureroot.timeout=86401", "measureroot.timeout=86401"),
        ("root=/dev/vda measureroot.onfail=shell", "measureroot.onfail=shell"),
        ("root=/dev/vda measureroot.overlaysize=101%", "measureroot.overlaysize=101%"),
        ("root=/dev/vda measureroot.overlaysize=5,mode=0", "measureroot.overlaysize=5,mode=0"),
        ("root=/dev/vda measureroot.shell", "measureroot.shell"),
        ("root=/dev/vda measureroot.", "measureroot."),
        ("root=/dev/vda measureroot.seal=tape", "measureroot.seal=tape"),
        ("root=/dev/vda measureroot.oncorrupt=ignore", "measureroot.oncorrupt=ignore"),
        ("root=/dev/vda measureroot.session=password", "measureroot.session=password"),
        ("root=/dev/vda measureroot.tpm=1.2", "measureroot.tpm=1.2"),
        ("root=/dev/vda measureroot.rtmr=0", "measureroot.rtmr=0"),
        ("root=/dev/vda measureroot.rtmr=1", "measureroot.rtmr=1"),
        ("root=/dev/vda measureroot.rtmr=4", "measureroot.rtmr=4"),
        ("root=/dev/vda measureroot.rtmr=off", "measureroot.rtmr=off"),
        ("root=/dev/vda measureroot.rtmr", "measureroot.rtmr"),
        ("root=/dev/vda measureroot.rtmr=2 measureroot.rtmr=3", "measureroot.rtmr=3"),
        ("root=/dev/vda measureroot=off measureroot.seal=ram", "measureroot.seal"),
        ("root=/dev/vda measureroot.format=sha1", "measureroot.format=sha1"),
        ("root=/dev/vda measureroot=no", "measureroot=no"),
        ("root=/dev/vda roothash=12", "roothash=12"),
        (&format!("root=/dev/vda roothash={} measureroot.seal=ram", "0".repeat(64)), "measureroot.seal"),
        (&format!("root=/dev/vda roothash={} measureroot.format=meta-measured", "0".repeat(64)), "measureroot.format"),
        ("root=/dev/vda measureroot measureroot=off", "measureroot"),
        ("root=/dev/vda root_img=/a", "root_img=/a"),
        ("root=/dev/vda rootimg-pcr=9", "rootimg-pcr=9"),
        ("root=/dev/vda rootimgpcrr=9", "rootimgpcrr=9"),
        ("root=/dev/vda root_hash=1", "root_hash=1"),
        ("root=/dev/vda measureroot_seal=none", "measureroot_seal=none"),
        ("root=/dev/vda measureroots", "measureroots"),
        ("root=/dev/vda rootfstyp=squashfs", "rootfstyp=squashfs"),
        ("root=/dev/vda rootflgs=ro", "rootflgs=ro"),
        ("root=/dev/vda rootwiat", "rootwiat"),
        ("root=/dev/vda rootdeley=5", "rootdeley=5"),
        ("root=/dev/vda modprobe.blacklst=a", "modprobe.blacklst=a"),
        ("root=/dev/vda \"quiet measureroot.seal=ram rootimgpcr=14", "quiet measureroot.seal=ram rootimgpcr=14"),
        ("root=/dev/vda dyndbg=\"file a +p rootimgpcr=14", "dyndbg=file a +p rootimgpcr=14"),
        ("root=/dev/vda a=b\" ro", "a=b\" ro"),
        ("quiet\" root=/dev/vda", "quiet\" root=/dev/vda"),
        ("rootimg=\"/a quiet", "rootimg=/a quiet"),
    ];
    for (line, object) in table {
        assert_eq!(config(line).unwrap_err().object(), object, "{line}");
    }
}

#[test]
fn a_type_that_no_boot_can_have_is_an_error_unless_another_one_of_the_list_is_possible() {
    let prepared = format!("root=/dev/vda roothash={}", "0".repeat(64));
    let image = |words: &str| config(&format!("root=/dev/vda rootfstype={words}"));
    for of in ["root=/dev/vda", "rootimg=/a", "root=/dev/vda rootimg=/a", &prepared] {
        for types in ["xfs", "btrfs", "f2fs", "overlay", "nfs", "tmpfs", "msdos", "Ext4", "ntfs3,exfat", "a/b", ","] {
            let error = config(&format!("{of} rootfstype={types}")).unwrap_err().to_string();
            assert!(error.starts_with(&format!("rootfstype={types}: no ")), "{error}");
            assert!(error.contains("squashfs") && error.contains("erofs") && error.contains("ext4"), "{error}");
        }
    }
    for types in ["vfat", "iso9660", "xfs,vfat"] {
        assert!(image(types).unwrap_err().to_string().contains("then rootimg= names it"));
        assert!(config(&format!("rootimg=/a rootfstype={types}")).is_ok());
    }
    assert_eq!(image("xfs,ext4,vfat,").unwrap().fstypes, [FileSystem::Ext4]);
    assert_eq!(image("jffs2,squashfs").unwrap().fstypes, [FileSystem::Squashfs]);
    let medium = config("root=LABEL=x rootimg=/a rootfstype=ext2,ntfs,vfat").unwrap();
    assert_eq!(medium.fstypes, [FileSystem::Ext4, FileSystem::Vfat]);
}

#[test]
fn a_number_has_decimal_digits_without_a_sign_or_a_leading_zero() {
    let hash = "0".repeat(64);
    let names = [
        "rootimgpcr=",
        "rootwait=",
        "rootdelay=",
        "measureroot.timeout=",
        "measureroot.overlaysize=",
        "live-media-timeout=",
        "rd.live.overlay.size=",
        &format!("measureroot.hashdev=/dev/vdb roothash={hash} measureroot.hashoffset="),
    ];
    for name in names {
        let config = |number: &str| config(&format!("root=/dev/vda {name}{number}"));
        let right = if name.ends_with("hashoffset=") { "512" } else { "9" };
        assert!(config(right).is_ok(), "{name}");
        for wrong in
            [format!("+{right}"), format!("0{right}"), format!("00{right}"), "010".into(), "-1".into(), "0x10".into()]
        {
            assert!(config(&wrong).is_err(), "{name}{wrong}");
        }
    }
}

#[test]
fn a_misspelt_name_is_an_error_that_names_ours() {
    let error = |words: &str| config(&format!("root=/dev/vda {words}")).unwrap_err().to_string();
    assert_eq!(error("root_img=/a"), "root_img=/a: unknown parameter (did you mean rootimg?)");
    assert_eq!(
        error("measureroot.sael=ram"),
        "measureroot.sael=ram: unknown parameter (did you mean measureroot.seal?)"
    );
    assert!(error("measureroot.x").starts_with("measureroot.x: unknown parameter (known are measureroot.timeout, "));
}

#[test]
fn equal_repetitions_and_the_parameters_of_other_programs_are_accepted() {
    let others = [
        "rootovl=1 rootimage2=x",
        "boot_delay=5 module-blacklist=a",
        "dyndbg=\"file a +p",
        "dyndbg=\"a rootimgpcr=9\"",
        "-- measureroot.x root_img=1",
        "systemd.unit=a",
        "\u{e0}=\u{e0}",
        "netroot=",
    ];
    for words in ["root=/dev/vda", "rootwait rootwait", "rootwait=7 rootwait=7"].into_iter().chain(others) {
        assert!(config(&format!("root=/dev/vda {words}")).is_ok(), "{words}");
    }
}

#[test]
fn each_translated_command_line_is_valid() {
    for (theirs, _) in dialects::tests::TRANSLATED {
        config(theirs).unwrap();
    }
}

#[test]
fn two_parameters_of_one_meaning_with_different_values_are_a_conflict() {
    let table = [
        ("root=/dev/sda live-media=/dev/sdb", "root=/dev/sdb"),
        ("boot=live rootimg=/x live-media-path=y", "rootimg=y/filesystem.squashfs"),
        ("boot=live root=live:/dev/sda", "root=live:/dev/sda"),
        ("root=/dev/sda boot=live rd.live.dir=a", "rd.live.dir=a"),
        ("rootimage=a rootimg=b", "rootimg=b"),
        ("toram measureroot.seal=verity rootimg=a", "measureroot.seal=verity"),
        ("root=live:/dev/sda rd.live.dir=a rd.live.dir=b", "rd.live.dir=b"),
        ("root=live:LABEL=", "root=/dev/disk/by-label/"),
        ("boot=live overlay-size=x", "measureroot.overlaysize=x"),
    ];
    for (line, object) in table {
        let error = config(line).unwrap_err();
        assert!(error.object().starts_with(object), "{line}: {error}");
    }
}
