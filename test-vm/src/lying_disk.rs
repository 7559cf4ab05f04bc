//! A disk that lies: the first read of a range of bytes gets the right bytes, and every later read gets other ones, an error, or no
//! answer. A boot that measures an image and then trusts the medium runs bytes that it never measured. Or a disk that fails at one read.
//!
//! It is an NBD server in a separate thread. QEMU is its only client.

use crate::nbd::{self, ReadReply};
use crate::{Bus, DiskFault, Image, Result, ensure, scratch::Scratch};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// QEMU's monitor and what it gets, until the read at which the fault begins.
type Monitor = Arc<Mutex<Option<(UnixStream, String)>>>;

/// The disk's server. It ends with its client.
#[derive(Debug)]
pub struct LyingDisk {
    scratch: Scratch,
    reads: Arc<AtomicUsize>,
    /// The fault, and what QEMU's monitor gets to make it.
    fault: Option<DiskFault>,
    order: Option<String>,
    monitor: Monitor,
    /// Dropped when the disk shall be silent no more.
    silence: Option<Sender<()>>,
}

impl LyingDisk {
    /// Serves `image`. From the second read on, it serves `altered` in the place of the first occurrence of `clean`.
    pub fn about(image: &Image, clean: &str, altered: &str) -> Result<Self> {
        ensure!(clean.len() == altered.len() && !clean.is_empty(), "{altered:?} must be as long as {clean:?}");
        Self::serving(image, clean, Later::Altered(altered.as_bytes().to_vec()))
    }

    /// Serves `image`. From the second read on, it refuses reads of the first occurrence of `withheld`.
    pub fn withholding(image: &Image, withheld: &str) -> Result<Self> {
        Self::serving(image, withheld, Later::Refused)
    }

    /// Serves `image`, but refuses each read of the first occurrence of `text`.
    pub fn unreadable_at(image: &Image, text: &str) -> Result<Self> {
        Self::serving(image, text, Later::Unreadable)
    }

    /// Serves `image`, but does not answer a read of the first occurrence of `text`.
    pub fn falling_silent_at(image: &Image, text: &str) -> Result<Self> {
        Self::serving(image, text, Later::Silent)
    }

    /// Serves `image` until the first occurrence of `text` was read. After that, it does not answer reads that begin before it: those
    /// are no part of a pass over the image.
    pub fn falling_silent_behind(image: &Image, text: &str) -> Result<Self> {
        Self::serving(image, text, Later::SilentBehind)
    }

    /// Serves `image`, but fails at the read of this number: the first one is 0.
    pub fn failing_at(image: &Image, nth: usize, fault: DiskFault) -> Result<Self> {
        let mut disk = Self::serving_range(image, 0, image.bytes()?, Later::Fails(nth, fault))?;
        disk.order = fault.command(image.bytes()?).map(|command| format!("{command}\n"));
        disk.fault = Some(fault);
        Ok(disk)
    }

    /// The bus on which it can have its fault.
    pub(crate) fn bus(&self) -> Bus {
        self.fault.map_or(Bus::Nbd, DiskFault::bus)
    }

    /// Takes QEMU's monitor, if QEMU makes the fault. The order is sent at the read at which the fault begins, or at the first one after
    /// this call. Nothing waits for the answer.
    pub(crate) fn takes(&self, monitor: UnixStream) {
        if let Some(order) = &self.order {
            *self.monitor.lock().unwrap_or_else(PoisonError::into_inner) = Some((monitor, order.clone()));
        }
    }

    /// Ends a silence: the disk is gone, and every read fails. Without that, QEMU would wait for it when the machine stops.
    pub fn breaks(&mut self) {
        self.silence = None;
    }

    fn serving(image: &Image, range: &str, later: Later) -> Result<Self> {
        Self::serving_range(image, image.find(range)?, range.len() as u64, later)
    }

    fn serving_range(image: &Image, at: u64, length: u64, later: Later) -> Result<Self> {
        let (scratch, reads, monitor) = (Scratch::new()?, Arc::new(AtomicUsize::new(0)), Monitor::default());
        let listener = UnixListener::bind(scratch.path("disk"))?;
        let (silence, silent) = channel();
        let file = File::open(image.path())?;
        let end = AtomicU64::new(u64::MAX);
        let export =
            Export { file, at, length, later, reads: Arc::clone(&reads), silent, end, monitor: Arc::clone(&monitor) };
        // An error closes the connection, and the guest sees a broken disk.
        let size = export.file.metadata()?.len();
        thread::spawn(move || nbd::serve(listener.accept()?.0, size, |offset, length| export.reply(offset, length)));
        Ok(Self { scratch, reads, fault: None, order: None, monitor, silence: Some(silence) })
    }

    /// The socket that QEMU connects to, once.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.scratch.path("disk")
    }

    /// How many reads met the range, even in part.
    #[must_use]
    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

impl Drop for LyingDisk {
    fn drop(&mut self) {
        // Ends a thread that still waits for its client.
        UnixStream::connect(self.socket()).ok();
    }
}

/// What the later reads of the range get.
enum Later {
    /// These bytes.
    Altered(Vec<u8>),
    /// An error.
    Refused,
    /// An error, and the first read, too.
    Unreadable,
    /// No answer, and the first read neither.
    Silent,
    /// The right bytes. But no read that begins before the range gets an answer.
    SilentBehind,
    /// The right bytes, but for this read and perhaps those after it.
    Fails(usize, DiskFault),
}

struct Export {
    file: File,
    at: u64,
    length: u64,
    later: Later,
    reads: Arc<AtomicUsize>,
    silent: Receiver<()>,
    /// Where the disk ends, if that is not where its size says.
    end: AtomicU64,
    monitor: Monitor,
}

impl Export {
    /// What a read gets.
    fn reply(&self, offset: u64, length: u32) -> io::Result<ReadReply> {
        if self.is_silent(offset, length) {
            self.silent.recv().ok();
            return Ok(ReadReply::Gone);
        }
        let mut data = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut data, offset)?;
        if !self.is_met(offset, length) {
            return Ok(ReadReply::Data(data));
        }
        let read = self.reads.fetch_add(1, Ordering::SeqCst);
        match &self.later {
            Later::Fails(nth, fault) if read >= *nth => return self.fail(*fault, read == *nth, offset, data),
            Later::Altered(altered) if read > 0 => self.alter(&mut data, offset, altered),
            Later::Refused if read > 0 => return Ok(ReadReply::Refused),
            Later::Unreadable => return Ok(ReadReply::Refused),
            _ => {}
        }
        Ok(ReadReply::Data(data))
    }

    /// Whether a read meets the range, even in part.
    fn is_met(&self, offset: u64, length: u32) -> bool {
        self.at < offset + u64::from(length) && offset < self.at + self.length
    }

    fn is_silent(&self, offset: u64, length: u32) -> bool {
        match self.later {
            Later::Silent => self.is_met(offset, length),
            Later::SilentBehind => offset < self.at && self.reads.load(Ordering::SeqCst) > 0,
            Later::Altered(_) | Later::Refused | Later::Unreadable | Later::Fails(..) => false,
        }
    }

    /// What a read gets after the fault has begun; `data` is the right answer.
    fn fail(&self, fault: DiskFault, is_first: bool, offset: u64, mut data: Vec<u8>) -> io::Result<ReadReply> {
        let half = data.len() / 2;
        match fault {
            DiskFault::RefusesOne if !is_first => {}
            DiskFault::RefusesOne | DiskFault::RefusesAll => return Ok(ReadReply::Refused),
            DiskFault::Gone => return Ok(ReadReply::Gone),
            DiskFault::CutShort => {
                data.truncate(half);
                return Ok(ReadReply::Cut(data));
            }
            DiskFault::EndsEarly => {
                self.end.fetch_min(offset + half as u64, Ordering::SeqCst);
                if offset + data.len() as u64 > self.end.load(Ordering::SeqCst) {
                    return Ok(ReadReply::Refused);
                }
            }
            DiskFault::Shrinks | DiskFault::Grows | DiskFault::Unplugged => {
                let order = self.monitor.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some((mut monitor, order)) = order {
                    monitor.write_all(order.as_bytes())?;
                }
            }
        }
        Ok(ReadReply::Data(data))
    }

    /// Puts these bytes where the range begins.
    fn alter(&self, data: &mut [u8], offset: u64, altered: &[u8]) {
        for (place, byte) in (self.at..).zip(altered) {
            let place = place.checked_sub(offset).and_then(|place| usize::try_from(place).ok());
            if let Some(at) = place.and_then(|place| data.get_mut(place)) {
                *at = *byte;
            }
        }
    }
}
