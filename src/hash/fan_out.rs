//! Hands every block to several lanes, with as many threads as there are processors.
//!
//! A thread for each lane would be simpler. But the kernel shares two processors so unevenly among three threads that
//! wait for each other that a pass takes a quarter longer. Here a thread takes the lane that is furthest behind.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::hash::lane_queue::LaneQueue;

/// The lanes, and the blocks that some of them have not taken yet.
#[derive(Debug)]
pub(crate) struct Lanes<L, B> {
    queue: Mutex<LaneQueue<L, B>>,
    /// Notified of each further block, and of the end.
    changed: Condvar,
}

impl<L, B: AsRef<[u8]>> Lanes<L, B> {
    /// Lanes that have taken no block yet.
    pub(crate) fn new(lanes: impl IntoIterator<Item = L>) -> Self {
        Self { queue: Mutex::new(LaneQueue::new(lanes)), changed: Condvar::new() }
    }

    /// Gives every lane a further block, which is dropped when all have taken it. The caller bounds the memory in use.
    /// Returns `false` if a lane has failed; then no further block is needed.
    pub(crate) fn push(&self, block: B) -> bool {
        let wanted = self.lock().push(block);
        if wanted {
            self.changed.notify_all();
        }
        wanted
    }

    /// Tells the threads that no further block will come.
    pub(crate) fn end(&self) {
        self.lock().end();
        self.changed.notify_all();
    }

    /// Lets lanes take blocks until the end, or until a lane fails. Any number of threads may call this.
    pub(crate) fn work(&self, take: impl Fn(&mut L, &[u8]) -> Result<()>) {
        let mut queue = self.lock();
        loop {
            if let Some((number, mut lane, block)) = queue.pick() {
                drop(queue);
                // If a panic lost the lane, the other threads would wait for it for ever.
                let taken = catch_unwind(AssertUnwindSafe(|| take(&mut lane, (*block).as_ref())));
                drop(block);
                queue = self.lock();
                queue.put_back(number, lane, taken.unwrap_or_else(|_| Err(Error::new("hash thread", "panicked"))));
            } else if queue.is_over() {
                // Other threads may still work on lanes. Each of them brings its lane to the end.
                self.changed.notify_all();
                return;
            } else {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// The lanes, in the order given, if all of them have taken all blocks.
    ///
    /// # Errors
    /// The error of the first lane that failed.
    pub(crate) fn finish(self) -> Result<Vec<L>> {
        self.queue.into_inner().unwrap_or_else(PoisonError::into_inner).finish()
    }

    fn lock(&self) -> MutexGuard<'_, LaneQueue<L, B>> {
        // A poisoned lock is no danger: nothing panics while it is held.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;
    use std::thread;

    use super::*;
    use crate::error::Context;

    /// What lanes have kept of 100 blocks, each of 3 equal bytes.
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
    fn every_lane_takes_every_block_in_order() {
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
    fn a_lane_that_fails_or_panics_ends_the_pass_for_all() {
        let fail = |kept: &mut Vec<u8>, bytes: &[u8]| match bytes[0] {
            7 => Err(Error::new("memory", "full")),
            _ => keep(kept, bytes),
        };
        assert_eq!(kept(3, 2, fail).unwrap_err().object(), "memory");
        let panic = |_: &mut Vec<u8>, bytes: &[u8]| if bytes[0] == 7 { panic!("on purpose") } else { Ok(()) };
        assert!(kept(3, 2, panic).unwrap_err().to_string().contains("panicked"));
    }

    #[test]
    fn blocks_that_no_thread_took_are_an_error() {
        assert!(kept(1, 0, keep).is_err());
    }

    #[test]
    fn a_block_is_dropped_when_all_lanes_have_taken_it() {
        let lanes = Lanes::new([(), ()]);
        let block: Arc<[u8]> = Arc::from([0; 3]);
        assert!(lanes.push(Arc::clone(&block)) && Arc::strong_count(&block) == 2);
        lanes.end();
        lanes.work(|(), _| Ok(()));
        assert_eq!(Arc::strong_count(&block), 1);
    }
}
