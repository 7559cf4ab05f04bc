//! Where the image is: `root=`, `rootimg=` and `roothash=` together.

use crate::cmdline::parameter::parsed;
use crate::cmdline::tokens::Token;
use crate::error::{Error, Result};
use crate::media::device_name::DeviceName;
use crate::media::image_source::{ImageSource, image_path};
use crate::seal::prepared_devices;
use crate::seal::prepared_root_hash::RootHash;

/// Reads `root=` and `rootimg=`, and the parameters that name the devices of a prepared image.
///
/// # Errors
/// When nothing names an image, or a name is malformed.
pub(super) fn source(tokens: &[Token], roothash: Option<&RootHash>) -> Result<ImageSource> {
    if let Some(token) = tokens.iter().find(|token| is_on_the_network(token)) {
        return Err(Error::new(token, "is on the network, which this initramfs does not start")
            .hint("the image must be on a block device: /dev/X, LABEL=, UUID=, PARTUUID= or PARTLABEL="));
    }
    let path = parsed(tokens, "rootimg", image_path)?;
    let device = match roothash {
        Some(roothash) if path.is_none() => Some(prepared_devices::data(tokens, &roothash.hash)?),
        Some(_) => prepared_devices::medium(tokens)?,
        None => parsed(tokens, "root", device_name)?,
    };
    ImageSource::named(device, path)
}

fn device_name(text: &str) -> Result<DeviceName> {
    if matches!(text, "gpt-auto" | "gpt-auto-force" | "dissect" | "dissect-force" | "fstab" | "tmpfs") {
        return Err(Error::new(text, "is a word of systemd, which does not run in this initramfs")
            .hint("name the partition: PARTUUID= or PARTLABEL="));
    }
    DeviceName::parse(text)
}

/// Whether `root=` names a root file system on the network: in the forms of the kernel (Documentation/admin-guide/nfs/nfsroot.rst
/// and cifs/usage.rst) and of dracut.cmdline(7). `netroot=` is another name for it in dracut.
fn is_on_the_network(token: &Token) -> bool {
    let value = token.value.as_deref().unwrap_or_default();
    let protocol = value.split(|&byte| byte == b':').next().filter(|protocol| protocol.len() < value.len());
    let by_protocol = matches!(
        protocol,
        Some(
            b"nfs"
                | b"nfs4"
                | b"cifs"
                | b"smb"
                | b"nbd"
                | b"iscsi"
                | b"fcoe"
                | b"aoe"
                | b"nvmf"
                | b"http"
                | b"https"
                | b"ftp"
                | b"tftp"
                | b"torrent"
                | b"dhcp"
        )
    );
    let by_name =
        matches!(value, b"/dev/nfs" | b"/dev/cifs" | b"nfs" | b"cifs" | b"dhcp" | b"dhcp6" | b"either6" | b"auto6");
    match token.key.as_slice() {
        b"root" => by_protocol || by_name,
        b"netroot" => !value.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline::tokens;

    const HEX: &str = "00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0";

    fn read(words: &str) -> Result<(ImageSource, RootHash)> {
        let tokens = tokens::parse(format!("roothash={HEX} {words}").as_bytes());
        let roothash = RootHash::of(&tokens)?.unwrap();
        Ok((source(&tokens, Some(&roothash))?, roothash))
    }

    #[test]
    fn data_and_tree_are_named_by_our_parameters_or_by_systemd_s() {
        let node = |name: &str| DeviceName::Node(format!("/dev/{name}"));
        let first = || DeviceName::PartUuid("00112233-4455-6677-8899-aabbccddeeff".into());
        let last = || DeviceName::PartUuid("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0".into());
        let table = [
            ("", ImageSource::Device(first()), Some(last()), 0),
            ("root=/dev/mapper/root", ImageSource::Device(first()), Some(last()), 0),
            ("root=gpt-auto", ImageSource::Device(first()), Some(last()), 0),
            ("root=/dev/vda", ImageSource::Device(node("vda")), Some(last()), 0),
            ("root=/dev/vda measureroot.hashdev=/dev/vdb", ImageSource::Device(node("vda")), Some(node("vdb")), 0),
            ("root=/dev/vda measureroot.hashoffset=4096", ImageSource::Device(node("vda")), None, 4096),
            (
                "systemd.verity_root_data=/dev/vda systemd.verity_root_hash=/dev/vdb measureroot.hashoffset=512",
                ImageSource::Device(node("vda")),
                Some(node("vdb")),
                512,
            ),
            (
                "root=/dev/mapper/root systemd.verity_root_data=/dev/a systemd.verity_root_hash=/dev/b",
                ImageSource::Device(node("a")),
                Some(node("b")),
                0,
            ),
            (
                "root=LABEL=m rootimg=/i measureroot.hashoffset=512",
                ImageSource::File(DeviceName::Label("m".into()), "i".into()),
                None,
                512,
            ),
            ("rootimg=/i measureroot.hashdev=/dev/vdb", ImageSource::Search("i".into()), Some(node("vdb")), 0),
        ];
        for (words, source, tree, offset) in table {
            let (found, roothash) = read(words).unwrap();
            assert_eq!((found, roothash.tree, roothash.offset), (source, tree, offset), "{words}");
            assert_eq!(hex::encode(roothash.hash), HEX);
        }
    }

    #[test]
    fn a_root_on_the_network_is_refused() {
        for root in [
            "root=/dev/nfs",
            "root=/dev/cifs",
            "root=nfs",
            "root=nfs:10.0.0.1:/srv/root",
            "root=nfs4:10.0.0.1:/srv/root",
            "root=cifs://guest@10.0.0.1/share",
            "root=iscsi:10.0.0.1::::iqn.2009-06.example:root",
            "root=nbd:10.0.0.1:export",
            "root=https://example.com/root.squashfs",
            "root=dhcp",
            "root=dhcp6",
            "netroot=nbd:10.0.0.1:export",
        ] {
            let tokens = tokens::parse(format!("rootimg=/a {root}").as_bytes());
            let error = source(&tokens, None).unwrap_err();
            assert_eq!(error.object(), root);
            assert!(error.to_string().contains("is on the network"), "{error}");
        }
        for root in [
            "root=/dev/nfsd",
            "root=LABEL=nfs",
            "root=LABEL=http://x",
            "root=http",
            "root=UUID=1",
            "nfsroot=1:/a",
            "netroot=",
        ] {
            assert!(!is_on_the_network(&tokens::parse(root.as_bytes())[0]), "{root}");
        }
    }

    #[test]
    fn an_error_names_the_parameter_that_cannot_be_followed() {
        let table = [
            ("root=LABEL=a", "root=LABEL=a"),
            ("root=/dev/a measureroot.hashdev=UUID=1-2", "measureroot.hashdev=UUID=1-2"),
            ("root=/dev/a systemd.verity_root_data=/dev/b", "root=/dev/a"),
            ("measureroot.hashdev=/dev/a systemd.verity_root_hash=/dev/b", "systemd.verity_root_hash=/dev/b"),
            ("rootimg=/i", "roothash="),
            ("root=/dev/a measureroot.hashoffset=0", "roothash="),
            ("root=/dev/a measureroot.hashoffset=100", "measureroot.hashoffset=100"),
            ("root=/dev/a measureroot.hashoffset=-512", "measureroot.hashoffset=-512"),
            (
                "rootimg=/i measureroot.hashoffset=512 systemd.verity_root_data=/dev/a",
                "systemd.verity_root_data=/dev/a",
            ),
            ("systemd.verity_root_options=salt=00", "systemd.verity_root_options=salt=00"),
        ];
        for (words, object) in table {
            assert_eq!(read(words).unwrap_err().object(), object, "{words}");
        }
    }
}
