//! The parameters of other live systems, in our words: where they mean what happens here they are taken, and where they mean
//! something else they are refused, for who writes them relies on it.

use crate::cmdline::tokens::Token;
use crate::error::{Error, Result, one_line};

/// A line has keys, a value, and what that is here; the first line that fits counts.
///
/// * Of a key or a value, `*` at the end stands for any rest; of a value, `1` for every way to say yes and `0` for no.
/// * `!` is an error with its reason, anything else our parameter, with the rest in place of `*`, or nothing to be done. `+` is
///   the file that the image is where nothing else names one; the rest is another folder with `<`, another name with `>`.
/// * Below `[` are words that are too common to mean it everywhere: with `boot=live` alone.
///
/// Sources: dracut.cmdline(7), chapter "Booting live images" (dracut 059; `rd.overlay` is of dracut-ng), live-boot(7) and its
/// 9990-cmdline-old (20230131), overlayroot.conf (0.18), OpenEmbedded's init-live.sh, kernel-command-line(7) of systemd 252.
const TABLE: &str = "\
root live:LABEL=* root=/dev/disk/by-label/* +LiveOS/squashfs.img
root live:CDLABEL=* root=/dev/disk/by-label/* +LiveOS/squashfs.img
root CDLABEL=* root=/dev/disk/by-label/*
root live:UUID=* root=UUID=* +LiveOS/squashfs.img
root live:PARTUUID=* root=PARTUUID=* +LiveOS/squashfs.img
root live:PARTLABEL=* root=/dev/disk/by-partlabel/* +LiveOS/squashfs.img
root live:/dev/* root=/dev/* +LiveOS/squashfs.img
root live:* !the image must be on a device: live:/dev/X, live:LABEL=...
root /dev/ram0 -
rd.live.image 1 - +LiveOS/squashfs.img
rd.live.dir * - <LiveOS/squashfs.img
rd.live.squashimg * - >LiveOS/squashfs.img
rd.live.ram,toram 1 measureroot.seal=ram
toram * !write toram, and rootimg= for the file
rd.live.overlay.size * measureroot.overlaysize=*m
rd.live.debug,rd.live.check,rd.live.overlay.overlayfs,rd.live.overlay.thin,rd.overlay,rd.overlayfs 1 -
rd.live.*,rd.overlay*,rd.writable.fsimg 0 -
rd.live.*,rd.overlay*,rd.writable.fsimg * !the only overlay is a tmpfs, gone after a reboot
iso-scan/filename * !a medium inside a file is not opened
overlayroot tmpfs -
overlayroot tmpfs:recurse=0 -
overlayroot disabled -
overlayroot * !write overlayroot=tmpfs: the only overlay is a tmpfs, gone after a reboot
live-media removable* !name the device, or leave it out
live-media * root=*
live-media-path * - <live/filesystem.squashfs
live-media-timeout * rootwait=*
live-media-* * !the medium is read as it is
rootimage * rootimg=*
LABEL boot - +/rootfs.img
LABEL install* !nothing is installed here
systemd.volatile overlay -
systemd.volatile state ro
systemd.volatile 0 -
systemd.volatile * !write systemd.volatile=overlay: all of the image is used, not /usr alone
boot live - +live/filesystem.squashfs
[
bootfrom * root=*
overlay-size * measureroot.overlaysize=*
union overlay -
persistence* * !the only overlay is a tmpfs, gone after a reboot
module,union,skipunion,exposedroot,plainroot,nfsoverlay,todisk * !there is one image, under one overlay
fetch,httpfs,ftpfs,netboot,nfsroot,iscsi * !the image must be on a device
fromiso,isofrom,findiso * !a medium inside a file is not opened
dm-verity-* * !write roothash=
";

/// The command line in our words.
#[derive(Debug, Default)]
pub struct Translation {
    /// Its parameters.
    pub tokens: Vec<Token>,
    /// What was translated, each as `theirs: ours`.
    pub words: Vec<String>,
}

/// Translates what is not ours.
///
/// # Errors
/// For a parameter that asks for what does not happen here.
pub fn translate(tokens: &[Token]) -> Result<Translation> {
    let mut ours = Translation::default();
    let (mut file, mut folder, mut name) = (None, None, None);
    for token in tokens {
        let Some((meaning, rest)) = meaning(token, tokens) else {
            ours.tokens.push(token.clone());
            continue;
        };
        if let Some(why) = meaning.strip_prefix('!') {
            return Err(Error::new(token, "cannot be done as it is meant").hint(why));
        }
        let (text, place) = meaning.split_once(' ').unwrap_or((meaning, ""));
        match place.as_bytes().first() {
            Some(b'<') if !rest.is_empty() => set(&mut folder, rest, token)?,
            Some(b'>') if !rest.is_empty() => set(&mut name, rest, token)?,
            _ => {}
        }
        if let Some(place) = place.get(1..) {
            set(&mut file, place, token)?;
        }
        match text.split_once('*') {
            Some((start, end)) => ours.push(token, &[start, rest, end].concat()),
            // What it has to do with the image's file is said below.
            None if place.is_empty() => ours.push(token, text),
            None => {}
        }
    }
    let elsewhere = folder.is_none() && name.is_none() && ours.tokens.iter().any(|token| token.key == b"rootimg");
    if let Some((file, token)) = file.filter(|_| !elsewhere) {
        let (own_folder, own_name) = file.split_once('/').unwrap_or_default();
        let (folder, name) = (folder.map_or(own_folder, |folder| folder.0), name.map_or(own_name, |name| name.0));
        ours.push(token, &["rootimg=", folder.trim_end_matches('/'), "/", name].concat());
    }
    Ok(ours)
}

/// Notes what a token says, which no other may contradict.
fn set<'a>(place: &mut Option<(&'a str, &'a Token)>, said: &'a str, token: &'a Token) -> Result<()> {
    match *place {
        Some((other, first)) if other != said => {
            Err(Error::new(token, format!("conflicts with {first}")).hint("give one of them only"))
        }
        _ => {
            *place = Some((said, token));
            Ok(())
        }
    }
}

impl Translation {
    fn push(&mut self, theirs: &Token, ours: &str) {
        let ours = if ours == "-" { "nothing to be done" } else { ours };
        self.words.push(one_line(&format_args!("{theirs}: {ours}")));
        if let Some((key, value)) = ours.split_once('=') {
            self.tokens.push(Token { key: key.into(), value: Some(value.into()) });
        } else if ours == "ro" {
            self.tokens.push(Token { key: ours.into(), value: None });
        }
    }
}

/// What the table says about a parameter, and the rest that stands for `*`; `None` where it is ours, or somebody else's.
fn meaning<'a>(token: &'a Token, all: &[Token]) -> Option<(&'static str, &'a str)> {
    let key = token.key()?;
    let value = token.value.as_deref().map(|value| std::str::from_utf8(value).unwrap_or("\u{fffd}"));
    for line in TABLE.split('\n') {
        if line == "[" && !all.iter().any(|token| token.key == b"boot" && token.value.as_deref() == Some(b"live")) {
            return None;
        }
        let mut words = line.splitn(3, ' ');
        let (Some(keys), Some(pattern), Some(meaning)) = (words.next(), words.next(), words.next()) else { continue };
        if !keys.split(',').any(|known| rest(known, key).is_some()) {
            continue;
        }
        let found = match pattern {
            // A word alone means yes (dracut-lib.sh, `getargbool`).
            "1" => matches!(value, None | Some("1" | "yes" | "on" | "true")).then_some(""),
            "0" => matches!(value, Some("" | "0" | "no" | "off" | "false")).then_some(""),
            _ => rest(pattern, value.unwrap_or_default()),
        };
        if let Some(rest) = found {
            return Some((meaning, rest));
        }
    }
    None
}

/// What of `text` stands in place of the pattern's `*`.
fn rest<'a>(pattern: &str, text: &'a str) -> Option<&'a str> {
    match pattern.strip_suffix('*') {
        Some(start) => text.strip_prefix(start),
        None => (pattern == text).then_some(""),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cmdline::tokens;

    /// A command line in the words of another system, and the same in ours. The tests of the configuration read them, too.
    pub(crate) const TRANSLATED: &[(&str, &str)] = &[
        // dracut
        ("root=live:LABEL=a", "root=/dev/disk/by-label/a rootimg=LiveOS/squashfs.img"),
        ("root=live:CDLABEL=A\\x20B rd.live.image", r"root=/dev/disk/by-label/A\x20B rootimg=LiveOS/squashfs.img"),
        ("rd.live.image root=LABEL=a", "root=LABEL=a rootimg=LiveOS/squashfs.img"),
        ("rd.live.image=1 root=CDLABEL=a", "root=/dev/disk/by-label/a rootimg=LiveOS/squashfs.img"),
        ("rd.live.image=0 root=/dev/sda", "root=/dev/sda"),
        ("root=live:/dev/sr0 rd.live.dir=/a/b", "root=/dev/sr0 rootimg=/a/b/squashfs.img"),
        ("root=live:UUID=1 rd.live.dir rd.live.squashimg=", "root=UUID=1 rootimg=LiveOS/squashfs.img"),
        ("root=live:UUID=1 rd.live.squashimg=x", "root=UUID=1 rootimg=LiveOS/x"),
        ("root=live:PARTUUID=1 rd.live.dir=/ rd.live.squashimg=x", "root=PARTUUID=1 rootimg=/x"),
        ("root=live:PARTLABEL=1 rootimg=/x", "root=/dev/disk/by-partlabel/1 rootimg=/x"),
        ("root=live:/dev/a rd.live.ram=1", "root=/dev/a measureroot.seal=ram rootimg=LiveOS/squashfs.img"),
        ("rootimg=a rd.live.ram=0 rd.live.overlay.size=512", "rootimg=a measureroot.overlaysize=512m"),
        ("rootimg=a rd.overlay rd.overlay=1 rd.live.overlay.overlayfs=yes rd.live.overlay.reset=0", "rootimg=a"),
        // live-boot
        ("boot=live", "rootimg=live/filesystem.squashfs"),
        ("boot=live toram", "measureroot.seal=ram rootimg=live/filesystem.squashfs"),
        ("boot=live live-media=/dev/sdb1", "root=/dev/sdb1 rootimg=live/filesystem.squashfs"),
        ("boot=live bootfrom=/dev/sdb1 live-media-path=/x", "root=/dev/sdb1 rootimg=/x/filesystem.squashfs"),
        ("boot=live live-media-timeout=9 nopersistence", "rootwait=9 nopersistence rootimg=live/filesystem.squashfs"),
        (
            "boot=live overlay-size=60% components",
            "measureroot.overlaysize=60% components rootimg=live/filesystem.squashfs",
        ),
        ("boot=live rootimg=/x", "rootimg=/x"),
        // The others.
        ("root=/dev/sda overlayroot=tmpfs overlayroot=tmpfs:recurse=0", "root=/dev/sda"),
        ("root=/dev/ram0 rootimage=a.img LABEL=boot", "rootimg=a.img"),
        ("root=/dev/ram0 LABEL=boot", "rootimg=/rootfs.img"),
        ("root=/dev/ram0 ro measureroot rootimg=rootfs.img", "ro measureroot rootimg=rootfs.img"),
        ("root=/dev/sda systemd.volatile=overlay", "root=/dev/sda"),
        ("root=/dev/sda systemd.volatile=state", "root=/dev/sda ro"),
        ("root=/dev/sda systemd.volatile=no", "root=/dev/sda"),
        ("root=/dev/sda \"\"", "root=/dev/sda "),
        // Nobody's that would be known here.
        (
            "root=LABEL=live:x boot=casper persistence module=a systemd.unit=x",
            "root=LABEL=live:x boot=casper persistence module=a systemd.unit=x",
        ),
    ];

    fn ours(line: &str) -> Result<String> {
        let tokens = translate(&tokens::parse(line.as_bytes()))?.tokens;
        Ok(tokens.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn what_means_what_happens_here_is_translated() {
        for &(theirs, wanted) in TRANSLATED {
            assert_eq!(ours(theirs).unwrap(), wanted, "{theirs}");
        }
    }

    #[test]
    fn what_means_something_else_is_refused_by_its_name() {
        let table = [
            "root=live:http://a/b.img",
            "root=live:nfs:a",
            "root=live:/x.iso",
            "rd.live.overlay=/dev/sdb1:x",
            "rd.live.overlay=none",
            "rd.live.overlay.readonly",
            "rd.live.overlay.reset=1",
            "rd.live.overlay.cowfs=ext4",
            "rd.overlay=LABEL=x",
            "rd.overlay.readonly=1",
            "rd.writable.fsimg=1",
            "rd.live.updates=x",
            "iso-scan/filename=/x.iso",
            "overlayroot=device:dev=/dev/sdb",
            "overlayroot=/dev/sdb",
            "overlayroot=crypt:dev=/dev/sdb",
            "overlayroot=tmpfs:swap=1",
            "toram=filesystem.squashfs",
            "live-media=removable-usb",
            "live-media-encryption=aes",
            "live-media-offset=512",
            "boot=live persistence",
            "boot=live persistence-media=removable",
            "boot=live module=a",
            "boot=live union=aufs",
            "boot=live fetch=http://a/b",
            "boot=live findiso=/a.iso",
            "boot=live dm-verity-root-hash=a:b",
            "LABEL=install-efi",
            "systemd.volatile=yes",
            "systemd.volatile",
        ];
        for line in table {
            let refused = line.rsplit(' ').next().unwrap();
            let error = ours(&format!("root=/dev/sda {line}")).unwrap_err();
            assert_eq!(error.object(), refused);
            assert!(error.to_string().contains("cannot be done as it is meant ("), "{error}");
        }
    }

    #[test]
    fn each_line_of_the_table_is_whole_and_can_be_reached() {
        for line in TABLE.lines().filter(|line| *line != "[") {
            let [keys, pattern, wanted] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            assert!(!wanted.is_empty(), "{line}");
            let reached = keys.split(',').any(|key| {
                let line = format!("{}={} boot=live", key.replace('*', "x"), pattern.replace('*', "x"));
                let tokens = tokens::parse(line.as_bytes());
                meaning(&tokens[0], &tokens).is_some_and(|(found, _)| found == wanted)
            });
            assert!(reached, "{line}");
        }
    }
}
