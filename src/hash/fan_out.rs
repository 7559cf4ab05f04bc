//! Blocks on their way past several lanes, shared among as many threads as there are processors.
//!
//! A thread for each lane would be simpler, but the kernel shares two processors among three threads that wait for each
//! other so unevenly that a pass takes a quarter longer. Here a thread takes whichever lane is furthest behind.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// The lanes, and the blocks that not all of them have had.
#[derive(Debug)]
pub struct Lanes<L, B> {
    state: Mutex<State<L, B>>,
    /// Told of a further block, and of the end.
    changed: Condvar,
}

#[derive(Debug)]
struct State<L, B> {
    places: Vec<Place<L>>,
    blocks: VecDeque<Arc<B>>,
    ended: bool,
    failed: Option<Error>,
}

/// Where a lane is.
#[derive(Debug)]
struct Place<L> {
    /// How many of the blocks that are still there it has had.
    had: usize,
    /// `None` while a thread has it.
    lane: Option<L>,
}

impl<L, B: AsRef<[u8]>> Lanes<L, B> {
    /// Lanes that have had nothing yet.
    pub fn new(lanes: impl IntoIterator<Item = L>) -> Self {
        let places = lanes.into_iter().map(|lane| Place { had: 0, lane: Some(lane) }).collect();
        let state = State { places, blocks: VecDeque::new(), ended: false, failed: None };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Gives every lane a further block, which is dropped when all have had it. Whoever pushes bounds the memory in use.
    /// `false` when a lane has failed, so that no further one is wanted.
    pub fn push(&self, block: B) -> bool {
        let mut state = self.lock();
        if state.failed.is_some() {
            return false;
        }
        state.blocks.push_back(Arc::new(block));
        state.let_go();
        self.changed.notify_all();
        true
    }

    /// No further block will come.
    pub fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Has blocks taken by lanes, until the end or until one fails. For as many threads as one likes.
    pub fn work(&self, take: impl Fn(&mut L, &[u8]) -> Result<()>) {
        let mut state = self.lock();
        loop {
            if let Some((number, mut lane, block)) = state.pick() {
                drop(state);
                // A lane that is lost would have the others wait for it for ever.
                let taken = catch_unwind(AssertUnwindSafe(|| take(&mut lane, (*block).as_ref())));
                drop(block);
                state = self.lock();
                state.put_back(number, lane, taken.unwrap_or_else(|_| Err(Error::new("hash thread", "panicked"))));
            } else if state.ended || state.failed.is_some() {
                // The lanes that others have are theirs to the end.
                self.changed.notify_all();
                return;
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// The lanes, in the order given, when all of them have had all blocks.
    ///
    /// # Errors
    /// That of the first lane that failed.
    pub fn finish(self) -> Result<Vec<L>> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let unfinished = || Error::new("hash thread", "stopped before the end");
        match state.failed {
            Some(error) => Err(error),
            None if !state.blocks.is_empty() => Err(unfinished()),
            None => state.places.into_iter().map(|place| place.lane.ok_or_else(unfinished)).collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<L, B>> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L, B> State<L, B> {
    /// The lane that is furthest behind of those that no thread has, with its next block.
    fn pick(&mut self) -> Option<(usize, L, Arc<B>)> {
        let free = self.places.iter_mut().enumerate().filter(|(_, place)| place.lane.is_some());
        let (number, place) = free.min_by_key(|(_, place)| place.had)?;
        let block = Arc::clone(self.blocks.get(place.had)?);
        Some((number, place.lane.take()?, block))
    }

    fn put_back(&mut self, number: usize, lane: L, taken: Result<()>) {
        let place = &mut self.places[number];
        place.lane = Some(lane);
        place.had += 1;
        match taken {
            _ if self.failed.is_some() => {}
            Ok(()) => self.let_go(),
            Err(error) => {
                self.failed = Some(error);
                // Whoever pushes may wait for their memory.
                self.blocks.clear();
            }
        }
    }

    /// Drops the blocks that all lanes have had.
    fn let_go(&mut self) {
        let had = self.places.iter().map(|place| place.had).min().unwrap_or(self.blocks.len());
        self.blocks.drain(..had);
        self.places.iter_mut().for_each(|place| place.had -= had);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::thread;

    use super::*;
    use crate::error::Context;

    /// Lanes that keep the bytes they have had.
    fn kept(
        lanes: usize,
        threads: usize,
        take: impl Fn(&mut Vec<u8>, &[u8]) -> Result<()> + Sync,
    ) -> Result<Vec<Vec<u8>>> {
        let lanes = Lanes::new(vec![Vec::new(); lanes]);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| lanes.work(&take));
            }
            let pushed = (0..100_u8).take_while(|&byte| lanes.push([byte; 3])).count();
            assert!(pushed > 0);
            lanes.end();
        });
        lanes.finish()
    }

    fn keep(kept: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
        kept.write_all(bytes).about("memory")
    }

    #[test]
    fn every_lane_has_every_block_in_order() {
        let all: Vec<u8> = (0..100).flat_map(|byte| [byte; 3]).collect();
        for (lanes, threads) in [(1, 1), (3, 1), (3, 2), (2, 5), (0, 1), (0, 0)] {
            assert_eq!(
                kept(lanes, threads, keep).unwrap(),
                vec![all.clone(); lanes],
                "{lanes} lanes, {threads} threads"
            );
        }
    }

    #[test]
    fn a_lane_that_fails_or_panics_ends_it_for_all() {
        let fail = |kept: &mut Vec<u8>, bytes: &[u8]| match bytes[0] {
            7 => Err(Error::new("memory", "full")),
            _ => keep(kept, bytes),
        };
        assert_eq!(kept(3, 2, fail).unwrap_err().object(), "memory");
        let panic = |_: &mut Vec<u8>, bytes: &[u8]| if bytes[0] == 7 { panic!("as the test wants") } else { Ok(()) };
        assert!(kept(3, 2, panic).unwrap_err().to_string().contains("panicked"));
    }

    #[test]
    fn lanes_that_had_not_all_are_no_result() {
        assert!(kept(1, 0, keep).is_err());
    }

    #[test]
    fn a_block_is_dropped_when_all_lanes_have_had_it() {
        let lanes = Lanes::new([(), ()]);
        let block: Arc<[u8]> = Arc::from([0; 3]);
        assert!(lanes.push(Arc::clone(&block)) && Arc::strong_count(&block) == 2);
        lanes.end();
        lanes.work(|(), _| Ok(()));
        assert_eq!(Arc::strong_count(&block), 1);
    }
}
