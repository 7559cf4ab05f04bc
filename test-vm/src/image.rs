//! Root images, and the disks and media that hold them.

use crate::{Result, assets, scratch::Scratch, tool};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A file system of the root images that `test-vm/images` makes (see `lib/roots.sh` and `lib/debian.sh`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootFs {
    /// squashfs, compressed with zstd.
    Squashfs,
    /// erofs, compressed with LZ4.
    Erofs,
    /// ext4. There is no Debian in it.
    Ext4,
}

impl RootFs {
    /// The extension of the image's file.
    fn extension(self) -> &'static str {
        match self {
            Self::Squashfs => "squashfs",
            Self::Erofs => "erofs",
            Self::Ext4 => "ext4",
        }
    }
}

/// A file system of the media that hold the small root image as a file (see `lib/media.sh`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// FAT, as on memory sticks.
    Vfat,
    /// ISO 9660, as on CD-ROMs.
    Iso,
    /// ext4.
    Ext4,
    /// squashfs.
    Squashfs,
}

impl Medium {
    fn extension(self) -> &'static str {
        match self {
            Self::Vfat => "vfat",
            Self::Iso => "iso",
            Self::Ext4 => "ext4",
            Self::Squashfs => "squashfs",
        }
    }
}

/// A root image without compression, so that a text in it can be found and changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uncompressed {
    /// squashfs, padded to a multiple of 4096 bytes.
    Squashfs,
    /// squashfs of any length: without the padding.
    UnpaddedSquashfs,
    /// erofs.
    Erofs,
    /// ext4 with blocks of 4096 bytes, 16 MiB.
    Ext4,
    /// ext4 with blocks of 1024 bytes. Its length is no multiple of 4096.
    Ext4SmallBlocks,
    /// ext4 with blocks of 4096 bytes, 1 GiB.
    Ext4Large,
}

impl Uncompressed {
    /// The command that makes the file `made` of the folder `tree`. mke2fs is not on an ordinary user's path.
    fn command(self) -> &'static str {
        match self {
            Self::Squashfs => "mksquashfs tree made -noI -noD -noF -noX -no-fragments -all-root -no-progress",
            Self::UnpaddedSquashfs => "mksquashfs tree made -noI -noD -noF -noX -all-root -no-progress -nopad",
            Self::Erofs => "mkfs.erofs --quiet --all-root made tree",
            Self::Ext4 => "/usr/sbin/mke2fs -q -t ext4 -b 4096 -E root_owner=0:0 -d tree made 16M",
            Self::Ext4SmallBlocks => "/usr/sbin/mke2fs -q -t ext4 -b 1024 -E root_owner=0:0 -d tree made 16385k",
            Self::Ext4Large => "/usr/sbin/mke2fs -q -t ext4 -b 4096 -E root_owner=0:0 -d tree made 1G",
        }
    }
}

/// A disk or a root image: a shared file, or a copy that is deleted with this value.
#[derive(Debug)]
pub struct Image {
    path: PathBuf,
    _scratch: Option<Scratch>,
}

impl Image {
    /// The small root image. The probe is its init.
    pub fn small(format: RootFs) -> Result<Self> {
        Self::named(&format!("small/root.{}", format.extension()))
    }

    /// The small root image with the probe for arm64.
    pub fn small_aarch64(format: RootFs) -> Result<Self> {
        Self::named(&format!("small-aarch64/root.{}", format.extension()))
    }

    /// Debian with systemd. The probe is a service. The squashfs has Debian 12, the erofs Debian 13.
    pub fn debian(format: RootFs) -> Result<Self> {
        let folder = if format == RootFs::Erofs { "debian13" } else { "debian" };
        Self::named(&format!("{folder}/root.{}", format.extension()))
    }

    /// Debian 12 with SELinux, as an erofs with the labels of its policy.
    pub fn selinux() -> Result<Self> {
        Self::named("selinux/root.erofs")
    }

    /// Debian 12 with an agent of Keylime, as a squashfs.
    pub fn keylime_agent() -> Result<Self> {
        Self::named("keylime-agent/root.squashfs")
    }

    /// A medium that holds the small squashfs as the file /images/root.squashfs.
    pub fn medium(format: Medium) -> Result<Self> {
        Self::named(&format!("media/medium.{}", format.extension()))
    }

    /// A disk that holds the small squashfs in its second partition. That partition is larger than the image.
    pub fn partitioned_medium() -> Result<Self> {
        Self::named("media/medium.gpt")
    }

    /// An uncompressed root image with the probe as its init and `content` as its file /secret.
    pub fn uncompressed(format: Uncompressed, content: &str) -> Result<Self> {
        let scratch = Self::tree()?;
        fs::write(scratch.path("tree/secret"), content)?;
        Self::made(scratch, format.command())
    }

    /// An uncompressed squashfs with the probe as its init, /busybox, and an empty folder /mnt.
    pub fn with_busybox() -> Result<Self> {
        let scratch = Self::tree()?;
        fs::create_dir(scratch.path("tree/mnt"))?;
        fs::copy("/bin/busybox", scratch.path("tree/busybox"))?;
        Self::made(scratch, Uncompressed::Squashfs.command())
    }

    /// A folder `tree` with the probe as its init.
    fn tree() -> Result<Scratch> {
        let scratch = Scratch::new()?;
        let tree = scratch.path("tree");
        for folder in ["dev", "proc", "sys", "run", "tmp", "etc", "sbin"] {
            fs::create_dir_all(tree.join(folder))?;
        }
        fs::copy(assets::probe()?, tree.join("sbin/init"))?;
        Ok(scratch)
    }

    /// A squashfs of the folder `tree`, after these shell commands have changed it. At first it has the folders of a root image,
    /// the probe as its file /probe, and busybox as its file /busybox.
    pub fn squashfs_of(commands: &str) -> Result<Self> {
        let scratch = Scratch::new()?;
        let tree = scratch.path("tree");
        for folder in ["dev", "proc", "sys", "run", "tmp", "etc", "sbin"] {
            fs::create_dir_all(tree.join(folder))?;
        }
        fs::copy(assets::probe()?, tree.join("probe"))?;
        fs::copy("/bin/busybox", tree.join("busybox"))?;
        Self::made(scratch, &format!("set -e; {commands}\nmksquashfs tree made -all-root -quiet -no-progress"))
    }

    /// A medium that holds `image` as its file /image. On ISO 9660 the file stands at the paths of other live systems
    /// instead.
    pub fn holding(format: Medium, image: &Self) -> Result<Self> {
        let size = format!("{}M", (image.bytes()? >> 20) + 32);
        let make = match format {
            Medium::Vfat => {
                &format!("truncate --size={size} made && /usr/sbin/mkfs.vfat made && mcopy -i made tree/image ::")
            }
            Medium::Ext4 => &format!("/usr/sbin/mke2fs -q -t ext4 -b 4096 -d tree made {size}"),
            Medium::Squashfs => "mksquashfs tree made -all-root -quiet -no-progress",
            Medium::Iso => {
                "mkdir tree/LiveOS tree/live && ln tree/image tree/LiveOS/squashfs.img && \
                 mv tree/image tree/live/filesystem.squashfs && xorriso -as mkisofs -quiet -R -V 'A LIVE' -o made tree"
            }
        };
        Self::around(image, make)
    }

    /// The file `made` that a shell command makes. In its folder, tree/image is a copy of `image`.
    pub fn around(image: &Self, make: &str) -> Result<Self> {
        let scratch = Scratch::new()?;
        fs::create_dir(scratch.path("tree"))?;
        fs::copy(&image.path, scratch.path("tree/image"))?;
        Self::made(scratch, make)
    }

    /// A disk with these two images, each in its own partition. Each image comes with the UUID of its partition.
    pub fn partitioned(parts: [(&Self, &str); 2]) -> Result<Self> {
        let scratch = Scratch::new()?;
        // In sectors of 512 bytes. Each partition has more room than its image needs, and begins at a MiB.
        let sectors = |image: &Self| Ok::<_, crate::Error>(image.bytes()?.div_ceil(1 << 20) * 2048 + 2048);
        let [(first, one), (second, two)] = parts;
        let (large, small) = (sectors(first)?, sectors(second)?);
        let (start, all) = (2048 + large, 2048 + large + small + 2048);
        let [first, second] = [first, second].map(|image| image.path.display());
        let make = format!(
            "truncate --size=$(({all} * 512)) made && printf 'label: gpt\\nstart=2048, size={large}, uuid={one}\\nstart={start}, \
             size={small}, uuid={two}\\n' | /usr/sbin/sfdisk --quiet made && dd if={first} of=made seek=2048 conv=notrunc \
             status=none && dd if={second} of=made seek={start} conv=notrunc status=none"
        );
        Self::made(scratch, &make)
    }

    /// A root image with the probe as its init, and busybox. `more` is a shell command that adds to the folder `tree`; then `make`
    /// makes the image `made` of it.
    pub fn root_with_busybox(more: &str, make: &str) -> Result<Self> {
        let scratch = Self::tree()?;
        fs::copy("/bin/busybox", scratch.path("tree/busybox"))?;
        Self::made(scratch, &format!("{more} && {make}"))
    }

    /// An empty file.
    pub fn empty() -> Result<Self> {
        Self::made(Scratch::new()?, "true >made")
    }

    /// The file `made` that the shell command `make` leaves in the folder.
    fn made(scratch: Scratch, make: &str) -> Result<Self> {
        let mut shell = tool::limited(Duration::from_secs(60), "sh");
        tool::finish(shell.current_dir(scratch.folder()).args(["-c", make]))?;
        Ok(Self { path: scratch.path("made"), _scratch: Some(scratch) })
    }

    /// The file at this path, which the scenario has made and keeps.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path, _scratch: None }
    }

    fn named(name: &str) -> Result<Self> {
        Ok(Self { path: assets::product(&format!("test-vm/{name}"))?, _scratch: None })
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The length in bytes.
    pub fn bytes(&self) -> Result<u64> {
        Ok(fs::metadata(&self.path)?.len())
    }

    /// A copy.
    pub fn copy(&self) -> Result<Self> {
        self.changed(|_| Ok(()))
    }

    /// A copy with other bytes at `offset`.
    pub fn with_bytes(&self, offset: u64, bytes: &[u8]) -> Result<Self> {
        self.changed(|file| file.write_all_at(bytes, offset))
    }

    /// The offset of the first occurrence of `text`, in bytes.
    pub fn find(&self, text: &str) -> Result<u64> {
        let bytes = fs::read(&self.path)?;
        let found = bytes.windows(text.len()).position(|window| window == text.as_bytes());
        Ok(found.ok_or_else(|| format!("{text:?} is not in {}", self.path.display()))?.try_into()?)
    }

    /// A copy with one bit of the byte at `offset` flipped.
    pub fn flipped(&self, offset: u64) -> Result<Self> {
        self.changed(|file| {
            let mut byte = [0];
            file.read_exact_at(&mut byte, offset)?;
            file.write_all_at(&[byte[0] ^ 1], offset)
        })
    }

    /// A copy of the first `bytes` bytes.
    pub fn cut(&self, bytes: u64) -> Result<Self> {
        self.changed(|file| file.set_len(bytes))
    }

    /// A copy at the start of a disk of `bytes` bytes. The rest of the disk is a hole.
    pub fn on_disk_of(&self, bytes: u64) -> Result<Self> {
        self.changed(|file| file.set_len(bytes))
    }

    /// A copy of a squashfs whose superblock gives this length. The rest of the file is a hole, so measureroot finds the
    /// image, but the kernel cannot mount it.
    pub fn enlarged(&self, bytes: u64) -> Result<Self> {
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

/// `text` between two fillers of so many lines of 16 bytes: its blocks belong to no other file of the image.
#[must_use]
pub fn between_fillers(text: &str, lines: usize) -> String {
    let filler = "0123456789abcde\n".repeat(lines);
    format!("{filler}{text}\n{filler}")
}

/// The offset of a squashfs' time of creation in its superblock, in bytes. The image boots whatever that time is.
pub const SQUASHFS_TIME: u64 = 8;
/// The offset of a squashfs' length in its superblock, in bytes.
const SQUASHFS_BYTES: u64 = 40;
