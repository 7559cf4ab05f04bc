//! Where the image is: `root=`, `rootimg=` and `roothash=` together.

use crate::cmdline::parameter::parsed;
use crate::cmdline::tokens::Token;
use crate::error::Result;
use crate::media::device_name::DeviceName;
use crate::media::image_source::{ImageSource, image_path};
use crate::seal::prepared_devices;
use crate::seal::prepared_root_hash::RootHash;

/// Reads `root=` and `rootimg=`, and the parameters that name the devices of a prepared image.
///
/// # Errors
/// When nothing names an image, or a name is malformed.
pub(super) fn source(tokens: &[Token], roothash: Option<&RootHash>) -> Result<ImageSource> {
    let path = parsed(tokens, "rootimg", image_path)?;
    let device = match roothash {
        Some(roothash) if path.is_none() => Some(prepared_devices::data(tokens, &roothash.hash)?),
        Some(_) => prepared_devices::medium(tokens)?,
        None => parsed(tokens, "root", DeviceName::parse)?,
    };
    ImageSource::named(device, path)
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
