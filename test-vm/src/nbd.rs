//! A server of the NBD protocol (doc/proto.md of the NBD project), for one client and a disk that is only read.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

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

/// What a read gets.
pub(crate) enum ReadReply {
    /// All bytes.
    Data(Vec<u8>),
    /// An error.
    Refused,
    /// The first bytes, and the end of the connection.
    Cut(Vec<u8>),
    /// The end of the connection.
    Gone,
}

/// Serves a disk of this size, until the client ends or the disk is gone. `reply` gets the offset and the length of each read.
pub(crate) fn serve(
    mut client: UnixStream,
    size: u64,
    reply: impl Fn(u64, u32) -> io::Result<ReadReply>,
) -> io::Result<()> {
    client.write_all(GREETING)?;
    // The client's flags. They can only confirm those of the greeting.
    take::<4>(&mut client)?;
    while !option(&mut client, size)? {}
    while request(&mut client, &reply)? {}
    Ok(())
}

/// Answers one option. True if it was the last one.
fn option(client: &mut UnixStream, size: u64) -> io::Result<bool> {
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
    reply(REP_INFO, &[&[0, 0][..], &size.to_be_bytes(), &READ_ONLY.to_be_bytes()].concat())?;
    reply(REP_ACK, &[]).map(|()| true)
}

/// Answers one request. True if another one may follow.
fn request(client: &mut UnixStream, reply: impl Fn(u64, u32) -> io::Result<ReadReply>) -> io::Result<bool> {
    ensure_io(u32::from_be_bytes(take(client)?) == REQUEST, "no request")?;
    take::<2>(client)?;
    let (kind, cookie) = (u16::from_be_bytes(take(client)?), take::<8>(client)?);
    let (offset, length) = (u64::from_be_bytes(take(client)?), u32::from_be_bytes(take(client)?));
    let (error, data, goes_on) = match kind {
        CMD_READ => match reply(offset, length)? {
            ReadReply::Data(data) => (0, data, true),
            ReadReply::Refused => (EIO, Vec::new(), true),
            ReadReply::Cut(data) => (0, data, false),
            ReadReply::Gone => return Ok(false),
        },
        CMD_FLUSH => (0, Vec::new(), true),
        CMD_DISC => return Ok(false),
        // The data of a refused write follow unread. They cannot be told from a request.
        _ => (EPERM, Vec::new(), false),
    };
    client.write_all(&[&REPLY.to_be_bytes()[..], &error.to_be_bytes(), &cookie, &data].concat())?;
    Ok(goes_on)
}

fn take<const N: usize>(client: &mut UnixStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).map(|()| bytes)
}

fn ensure_io(holds: bool, why: &'static str) -> io::Result<()> {
    if holds { Ok(()) } else { Err(io::Error::other(why)) }
}
