//! The blocks that some lanes have not taken yet, and how far each lane has come.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::error::{Error, Result};

/// The lanes, and the blocks that are kept for them.
#[derive(Debug)]
pub(crate) struct LaneQueue<L, B> {
    lanes: Vec<LaneProgress<L>>,
    blocks: VecDeque<Arc<B>>,
    ended: bool,
    failed: Option<Error>,
}

/// A lane, and how far it has come.
#[derive(Debug)]
struct LaneProgress<L> {
    /// How many of the kept blocks it has taken.
    taken: usize,
    /// `None` while a thread works on it.
    lane: Option<L>,
}

/// What a thread takes out of the queue: a lane, its number, and the block that is its next.
pub(crate) type Work<L, B> = (usize, L, Arc<B>);

impl<L, B> LaneQueue<L, B> {
    /// Lanes that have taken no block yet.
    pub(crate) fn new(lanes: impl IntoIterator<Item = L>) -> Self {
        let lanes = lanes.into_iter().map(|lane| LaneProgress { taken: 0, lane: Some(lane) }).collect();
        Self { lanes, blocks: VecDeque::new(), ended: false, failed: None }
    }

    /// Keeps a block for every lane. Returns `false` if a lane has failed; then no further block is needed.
    pub(crate) fn push(&mut self, block: B) -> bool {
        if self.failed.is_some() {
            return false;
        }
        self.blocks.push_back(Arc::new(block));
        self.drop_taken_by_all();
        true
    }

    /// Notes that no further block will come.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// Whether no block will come any more.
    pub(crate) fn is_over(&self) -> bool {
        self.ended || self.failed.is_some()
    }

    /// The lane that is furthest behind, among those that no thread works on, with its next block.
    pub(crate) fn pick(&mut self) -> Option<Work<L, B>> {
        let free = self.lanes.iter_mut().enumerate().filter(|(_, progress)| progress.lane.is_some());
        let (number, progress) = free.min_by_key(|(_, progress)| progress.taken)?;
        let block = Arc::clone(self.blocks.get(progress.taken)?);
        Some((number, progress.lane.take()?, block))
    }

    /// Puts a lane back after it has taken a block, with the result.
    pub(crate) fn put_back(&mut self, number: usize, lane: L, taken: Result<()>) {
        let progress = &mut self.lanes[number];
        progress.lane = Some(lane);
        progress.taken += 1;
        match taken {
            _ if self.failed.is_some() => {}
            Ok(()) => self.drop_taken_by_all(),
            Err(error) => {
                self.failed = Some(error);
                // The reader may be waiting for the memory of these blocks.
                self.blocks.clear();
            }
        }
    }

    /// The lanes, in the order given, if all of them have taken all blocks.
    ///
    /// # Errors
    /// The error of the first lane that failed.
    pub(crate) fn finish(self) -> Result<Vec<L>> {
        let unfinished = || Error::new("hash thread", "stopped before the end");
        match self.failed {
            Some(error) => Err(error),
            None if !self.blocks.is_empty() => Err(unfinished()),
            None => self.lanes.into_iter().map(|progress| progress.lane.ok_or_else(unfinished)).collect(),
        }
    }

    fn drop_taken_by_all(&mut self) {
        let count = self.lanes.iter().map(|progress| progress.taken).min().unwrap_or(self.blocks.len());
        // `drain()` would be a kilobyte of the agent.
        (0..count).for_each(|_| drop(self.blocks.pop_front()));
        self.lanes.iter_mut().for_each(|progress| progress.taken -= count);
    }
}
