//! A medium of a fixed speed.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use measureroot::internal::error::Result;
use measureroot::internal::hash::{BLOCK, BUFFERS, Blocks};

/// A medium with a fixed rate that uses no processor time.
pub(crate) struct Medium<'a> {
    blocks: std::slice::Chunks<'a, u8>,
    /// Bytes per second; `None` for memory.
    rate: Option<f64>,
    free: Receiver<()>,
    home: Sender<()>,
}

/// A block that occupies one of the buffers until it is dropped.
pub(crate) struct Held<'a>(&'a [u8], Sender<()>);

impl<'a> Medium<'a> {
    /// The image on a medium of `rate` bytes per second.
    pub(crate) fn new(image: &'a [u8], rate: Option<f64>) -> Self {
        let (home, free) = channel();
        (0..BUFFERS).for_each(|_| home.send(()).unwrap());
        Self { blocks: image.chunks(BLOCK), rate, free, home }
    }
}

impl<'a> Blocks for Medium<'a> {
    type Block = Held<'a>;

    fn next_block(&mut self) -> Result<Option<Held<'a>>> {
        let Some(block) = self.blocks.next() else { return Ok(None) };
        self.free.recv().unwrap();
        if let Some(rate) = self.rate {
            #[allow(clippy::cast_precision_loss)] // A block has fewer than 2^52 bytes.
            thread::sleep(Duration::from_secs_f64(block.len() as f64 / rate));
        }
        Ok(Some(Held(block, self.home.clone())))
    }
}

impl AsRef<[u8]> for Held<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.1.send(()).unwrap();
    }
}
