//! A disk that lies: the first read of a range of bytes gets the right bytes, and every later read gets other ones, an error, or no
//! answer. A boot that measures an image and then trusts the medium runs bytes that it never measured. Or a disk that fails at one read.
//!
//! It is an NBD server (protocol: doc/proto.md of the NBD project) in a separate thread. QEMU is its only client.

use crate::{Bus, DiskFault, Image, Result, ensure, scratch::Scratch};
use std::fs::File;
use std::io::{self, Read, Write};
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
        thread::spawn(move || export.serve(listener.accept()?.0));
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

/// `NBDMAGIC`, `IHAVEOPT`; then `NBD_FLAG_FIXED_NEWSTYLE` and `NBD_FLAG_NO_ZEROES`.
const GREETING: &[u8] = b"NBDMAGICIHAVEOPT\0\x03";
const OPTION_REPLY: u64 = 0x0003_E889_0455_65A9;
const REPLY: u32 = 0x6744_6698;
const REQUEST: u32 = 0x2560_9513;
const OPT_GO: u32 = 7;
const REP_ACK: u32 = 1;
const REP_INFO: u32 = 3;
const REP_ERR_UNSUP: u32 = 0x8000_0001;
/// `NBD_FLAG_HAS_FLAGS`, `NBD_FLAG_READ_ONLY`.
const READ_ONLY: u16 = 3;
const CMD_READ: u16 = 0;
const CMD_DISC: u16 = 2;
const CMD_FLUSH: u16 = 3;
/// What the protocol calls `NBD_EPERM`: the disk is read-only.
const EPERM: u32 = 1;
/// `NBD_EIO`.
const EIO: u32 = 5;

/// What the later reads of the range get.
enum Later {
    /// These bytes.
    Altered(Vec<u8>),
    /// An error.
    Refused,
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
    fn serve(&self, mut client: UnixStream) -> io::Result<()> {
        client.write_all(GREETING)?;
        // The client's flags. They can only confirm those of the greeting.
        take::<4>(&mut client)?;
        while !self.option(&mut client)? {}
        while self.request(&mut client)? {}
        Ok(())
    }

    /// Answers one option. True if it was the last one.
    fn option(&self, client: &mut UnixStream) -> io::Result<bool> {
        ensure_io(&take::<8>(client)? == b"IHAVEOPT", "no option")?;
        let (option, length) = (u32::from_be_bytes(take(client)?), u32::from_be_bytes(take(client)?));
        io::copy(&mut Read::by_ref(client).take(length.into()), &mut io::sink())?;
        let mut reply = |kind: u32, data: &[u8]| {
            let length = u32::try_from(data.len()).map_err(io::Error::other)?.to_be_bytes();
            let head = [&OPTION_REPLY.to_be_bytes()[..], &option.to_be_bytes(), &kind.to_be_bytes(), &length];
            client.write_all(&[&head.concat(), data].concat())
        };
        if option != OPT_GO {
            return reply(REP_ERR_UNSUP, &[]).map(|()| false);
        }
        // NBD_INFO_EXPORT is 0, then come size and flags.
        let size = self.file.metadata()?.len().to_be_bytes();
        reply(REP_INFO, &[&[0, 0][..], &size, &READ_ONLY.to_be_bytes()].concat())?;
        reply(REP_ACK, &[]).map(|()| true)
    }

    /// Answers one request. True if another one may follow.
    fn request(&self, client: &mut UnixStream) -> io::Result<bool> {
        ensure_io(u32::from_be_bytes(take(client)?) == REQUEST, "no request")?;
        take::<2>(client)?;
        let (kind, cookie) = (u16::from_be_bytes(take(client)?), take::<8>(client)?);
        let (offset, length) = (u64::from_be_bytes(take(client)?), u32::from_be_bytes(take(client)?));
        let (error, data) = match kind {
            CMD_READ if self.is_silent(offset, length) => {
                self.silent.recv().ok();
                return Ok(false);
            }
            CMD_READ if self.is_gone() => return Ok(false),
            CMD_READ => self.read(offset, length)?.map_or((EIO, Vec::new()), |data| (0, data)),
            CMD_FLUSH => (0, Vec::new()),
            CMD_DISC => return Ok(false),
            _ => (EPERM, Vec::new()),
        };
        client.write_all(&[&REPLY.to_be_bytes()[..], &error.to_be_bytes(), &cookie, &data].concat())?;
        let is_cut = kind == CMD_READ && error == 0 && data.len() as u64 != u64::from(length);
        // The data of a refused write follow unread. They cannot be told from a request.
        Ok(error != EPERM && !is_cut)
    }

    /// Whether a read meets the range, even in part.
    fn is_met(&self, offset: u64, length: u32) -> bool {
        self.at < offset + u64::from(length) && offset < self.at + self.length
    }

    fn is_silent(&self, offset: u64, length: u32) -> bool {
        match self.later {
            Later::Silent => self.is_met(offset, length),
            Later::SilentBehind => offset < self.at && self.reads.load(Ordering::SeqCst) > 0,
            Later::Altered(_) | Later::Refused | Later::Fails(..) => false,
        }
    }

    fn is_gone(&self) -> bool {
        matches!(self.later, Later::Fails(nth, DiskFault::Gone) if self.reads.load(Ordering::SeqCst) >= nth)
    }

    /// The same after the fault has begun; `data` is the right answer.
    fn fail(&self, fault: DiskFault, is_first: bool, offset: u64, mut data: Vec<u8>) -> io::Result<Option<Vec<u8>>> {
        let half = data.len() / 2;
        let is_refused = match fault {
            DiskFault::RefusesOne => is_first,
            DiskFault::RefusesAll | DiskFault::Gone => true,
            DiskFault::CutShort => {
                data.truncate(half);
                false
            }
            DiskFault::EndsEarly => {
                self.end.fetch_min(offset + half as u64, Ordering::SeqCst);
                offset + data.len() as u64 > self.end.load(Ordering::SeqCst)
            }
            DiskFault::Shrinks | DiskFault::Grows | DiskFault::Unplugged => {
                let order = self.monitor.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some((mut monitor, order)) = order {
                    monitor.write_all(order.as_bytes())?;
                }
                false
            }
        };
        Ok(Some(data).filter(|_| !is_refused))
    }

    /// The bytes of a range of the disk; `None` if the read is refused.
    fn read(&self, offset: u64, length: u32) -> io::Result<Option<Vec<u8>>> {
        let mut data = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut data, offset)?;
        if !self.is_met(offset, length) {
            return Ok(Some(data));
        }
        let read = self.reads.fetch_add(1, Ordering::SeqCst);
        let altered = match &self.later {
            Later::Fails(nth, _) if read < *nth => return Ok(Some(data)),
            Later::Fails(nth, fault) => return self.fail(*fault, read == *nth, offset, data),
            _ if read == 0 => return Ok(Some(data)),
            Later::Altered(altered) => altered,
            Later::Refused => return Ok(None),
            Later::Silent | Later::SilentBehind => return Ok(Some(data)),
        };
        for (place, byte) in (self.at..).zip(altered) {
            let place = place.checked_sub(offset).and_then(|place| usize::try_from(place).ok());
            if let Some(at) = place.and_then(|place| data.get_mut(place)) {
                *at = *byte;
            }
        }
        Ok(Some(data))
    }
}

fn take<const N: usize>(client: &mut UnixStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).map(|()| bytes)
}

fn ensure_io(holds: bool, why: &'static str) -> io::Result<()> {
    if holds { Ok(()) } else { Err(io::Error::other(why)) }
}
