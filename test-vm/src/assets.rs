//! The kernels, initramfs and images that `test-vm/images` and `initramfs/build` leave under target/.

use crate::{Result, ensure, scratch::Scratch, tool};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A file under the checkout's target folder, which must be there.
pub fn product(name: &str) -> Result<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(name);
    ensure!(path.exists(), "{} is missing (initramfs/build and test-vm/images make it)", path.display());
    Ok(path.canonicalize()?)
}

/// A kernel, with an initramfs that carries its modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// bookworm's own cloud kernel; virtio and nearly everything else are modules.
    V6_1,
    /// The newer one; its modules are compressed.
    V6_12,
    /// What kernel-fragments/ ask for and nothing else, without a module.
    Own,
    /// Debian's 6.12 cloud kernel for arm64, on another machine (see `board`).
    Aarch64,
}

impl Kernel {
    fn file(self, name: &str) -> Result<PathBuf> {
        let version = match self {
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
            Self::Own => "own",
            Self::Aarch64 => "aarch64",
        };
        product(&format!("test-vm/kernel-{version}/{name}"))
    }

    /// The bzImage, or what else QEMU boots.
    pub fn image(self) -> Result<PathBuf> {
        self.file("vmlinuz")
    }

    /// The configuration it was built with.
    pub fn config(self) -> Result<PathBuf> {
        self.file("config")
    }

    /// The agent and this kernel's modules.
    pub fn initramfs(self) -> Result<PathBuf> {
        match self {
            Self::Own => product("initramfs/measureroot.cpio.zst"),
            Self::V6_1 | Self::V6_12 | Self::Aarch64 => self.file("initramfs.cpio.zst"),
        }
    }
}

/// A disk or root image: the shared one, or a changed copy that ends with the scenario.
#[derive(Debug)]
pub struct Image {
    path: PathBuf,
    _scratch: Option<Scratch>,
}

impl Image {
    /// The small root image (the probe is its init) in this format.
    pub fn small(format: &str) -> Result<Self> {
        Self::named(&format!("small/root.{format}"))
    }

    /// The same with the probe for arm64.
    pub fn small_aarch64(format: &str) -> Result<Self> {
        Self::named(&format!("small-aarch64/root.{format}"))
    }

    /// Debian with systemd, and the probe as a service, in this format.
    pub fn debian(format: &str) -> Result<Self> {
        Self::named(&format!("debian/root.{format}"))
    }

    /// A medium in this format that holds the small root image as a file (see `lib/media.sh`).
    pub fn medium(format: &str) -> Result<Self> {
        Self::named(&format!("media/medium.{format}"))
    }

    /// A root image in this format, not compressed, with the probe as its init and `content` as its /secret.
    pub fn plain(format: &str, content: &str) -> Result<Self> {
        let scratch = Scratch::new()?;
        let tree = scratch.path("tree");
        for folder in ["dev", "proc", "sys", "run", "tmp", "etc", "sbin"] {
            fs::create_dir_all(tree.join(folder))?;
        }
        fs::copy(product("test-vm/probe/x86_64-unknown-linux-gnu/release/probe")?, tree.join("sbin/init"))?;
        fs::write(tree.join("secret"), content)?;
        // mke2fs is not on an ordinary user's path.
        let make = match format {
            "squashfs" => "mksquashfs tree made -noI -noD -noF -noX -no-fragments -all-root -no-progress",
            "squashfs of any length" => "mksquashfs tree made -noI -noD -noF -noX -all-root -no-progress -nopad",
            "ext4 of 1024-byte blocks" => "/usr/sbin/mke2fs -q -t ext4 -b 1024 -E root_owner=0:0 -d tree made 16385k",
            "erofs" => "mkfs.erofs --quiet --all-root made tree",
            "ext4" => "/usr/sbin/mke2fs -q -t ext4 -b 4096 -E root_owner=0:0 -d tree made 16M",
            "ext4 of 1 GiB" => "/usr/sbin/mke2fs -q -t ext4 -b 4096 -E root_owner=0:0 -d tree made 1G",
            _ => return Err(format!("no {format} here").into()),
        };
        Self::made(scratch, make)
    }

    /// A medium in this format that holds `image` as its file /image.
    pub fn holding(format: &str, image: &Self) -> Result<Self> {
        let scratch = Scratch::new()?;
        fs::create_dir(scratch.path("tree"))?;
        fs::copy(&image.path, scratch.path("tree/image"))?;
        let make = match format {
            "vfat" => "truncate --size=32M made && /usr/sbin/mkfs.vfat made && mcopy -i made tree/image ::",
            "ext4" => "/usr/sbin/mke2fs -q -t ext4 -b 4096 -d tree made 32M",
            // Where other live systems have it.
            "iso" => {
                "mkdir tree/LiveOS tree/live && ln tree/image tree/LiveOS/squashfs.img && \
                 mv tree/image tree/live/filesystem.squashfs && xorriso -as mkisofs -quiet -R -V 'A LIVE' -o made tree"
            }
            _ => return Err(format!("no {format} here").into()),
        };
        Self::made(scratch, make)
    }

    /// A disk with these two in partitions of their own, which have these identifiers.
    pub fn partitioned(parts: [(&Self, &str); 2]) -> Result<Self> {
        let scratch = Scratch::new()?;
        let [(first, one), (second, two)] = parts.map(|(image, id)| (image.path.display(), id));
        let make = format!(
            "truncate --size=64M made && printf 'label: gpt\\nstart=2048, size=40960, uuid={one}\\nstart=43008, uuid={two}\\n' \
             | /usr/sbin/sfdisk --quiet made && dd if={first} of=made seek=2048 conv=notrunc status=none \
             && dd if={second} of=made seek=43008 conv=notrunc status=none"
        );
        Self::made(scratch, &make)
    }

    /// A file without a byte.
    pub fn empty() -> Result<Self> {
        Self::made(Scratch::new()?, "true >made")
    }

    /// What the shell line `make` leaves as `made` in the folder.
    fn made(scratch: Scratch, make: &str) -> Result<Self> {
        let mut shell = tool::limited(Duration::from_mins(1), "sh");
        tool::finish(shell.current_dir(scratch.folder()).args(["-c", make]))?;
        Ok(Self { path: scratch.path("made"), _scratch: Some(scratch) })
    }

    fn named(name: &str) -> Result<Self> {
        Ok(Self { path: product(&format!("test-vm/{name}"))?, _scratch: None })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A copy.
    pub fn copy(&self) -> Result<Self> {
        self.changed(|_| Ok(()))
    }

    /// A copy with other bytes at `offset`.
    pub fn with_bytes(&self, offset: u64, bytes: &[u8]) -> Result<Self> {
        self.changed(|file| file.write_all_at(bytes, offset))
    }

    /// Where `text` first is in it.
    pub fn find(&self, text: &str) -> Result<u64> {
        let bytes = fs::read(&self.path)?;
        let found = bytes.windows(text.len()).position(|window| window == text.as_bytes());
        Ok(found.ok_or_else(|| format!("{text:?} is not in {}", self.path.display()))?.try_into()?)
    }

    /// A copy with one bit of the byte at `offset` turned over.
    pub fn flipped(&self, offset: u64) -> Result<Self> {
        self.changed(|file| {
            let mut byte = [0];
            file.read_exact_at(&mut byte, offset)?;
            file.write_all_at(&[byte[0] ^ 1], offset)
        })
    }

    /// A copy of the first `bytes` alone.
    pub fn cut(&self, bytes: u64) -> Result<Self> {
        self.changed(|file| file.set_len(bytes))
    }

    /// A copy at the front of a disk of so many bytes, with a hole behind it.
    pub fn on_disk_of(&self, bytes: u64) -> Result<Self> {
        self.changed(|file| file.set_len(bytes))
    }

    /// A copy of a squashfs that says it has this many bytes, with a hole behind it; it can be found, and not mounted.
    pub fn larger(&self, bytes: u64) -> Result<Self> {
        self.changed(|file| {
            file.set_len(bytes)?;
            file.write_all_at(&bytes.to_le_bytes(), SQUASHFS_BYTES)
        })
    }

    fn changed(&self, change: impl FnOnce(&File) -> std::io::Result<()>) -> Result<Self> {
        let scratch = Scratch::new()?;
        let path = scratch.path("changed");
        fs::copy(&self.path, &path)?;
        change(&File::options().read(true).write(true).open(&path)?)?;
        Ok(Self { path, _scratch: Some(scratch) })
    }
}

/// A byte of a squashfs whose change leaves the image bootable: in its time of creation (superblock, offset 8).
pub const SQUASHFS_TIME: u64 = 8;
/// Where a squashfs holds its length.
const SQUASHFS_BYTES: u64 = 40;
