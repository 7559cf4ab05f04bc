//! Work in a child process, for what can hang in the kernel for ever, such as reading a disk that dies.
//!
//! A thread would not do. execve(2) waits for the end of every other thread, and a thread that hangs in the kernel does not
//! end, so PID 1 could not start the new init (kernel, fs/exec.c: de_thread).
#![allow(unsafe_code)] // No safe interface has fork(2).

use std::io::{PipeReader, Read, Write, pipe};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use crate::error::{Context, Result};

/// The most bytes of an answer. A pipe holds as many (pipe(7)), so that the child never waits for its reader.
const MOST: usize = 16 * 1024;

/// A child process that works, and answers once. If this value is dropped before, the child is killed; one that hangs in the
/// kernel ends when its call ends.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    pipe: PipeReader,
    has_answered: bool,
}

impl Child {
    /// Starts the work. Its messages are not logged, except warnings and errors.
    ///
    /// # Errors
    /// When the kernel makes no pipe or no process.
    pub(crate) fn start(work: impl FnOnce() -> Vec<u8>) -> Result<Self> {
        let (reader, mut writer) = pipe().about("pipe")?;
        // SAFETY: the child has only this thread. No other thread of this program holds a lock that the child takes: libc frees
        // its own in the child (musl 1.2.2, glibc). The child leaves with _exit, so it runs no destructor twice.
        match unsafe { fork() }.about("child process")? {
            ForkResult::Parent { child } => Ok(Self { pid: child, pipe: reader, has_answered: false }),
            ForkResult::Child => {
                log::set_max_level(log::max_level().min(log::LevelFilter::Warn));
                let mut answer = work();
                answer.truncate(MOST);
                // Without its answer, the parent takes the work as failed.
                writer.write_all(&answer).ok();
                // SAFETY: it only ends the process.
                unsafe { nix::libc::_exit(0) }
            }
        }
    }

    /// Waits for the answer, at most for this time; `None` if there is none yet. A child that ended early answers nothing: the
    /// answer is empty.
    pub(crate) fn answer(&mut self, limit: Duration) -> Option<Vec<u8>> {
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        let ready = poll(&mut [PollFd::new(self.pipe.as_fd(), PollFlags::POLLIN)], limit);
        if !matches!(ready, Ok(1..)) {
            return None;
        }
        let mut answer = Vec::new();
        self.pipe.by_ref().take(MOST as u64).read_to_end(&mut answer).ok();
        self.has_answered = true;
        Some(answer)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // A child that has answered ends at once. One that hangs is left to the next init, which inherits it.
        let wait = if self.has_answered { None } else { Some(WaitPidFlag::WNOHANG) };
        if !self.has_answered {
            kill(self.pid, Signal::SIGKILL).ok();
        }
        waitpid(self.pid, wait).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::waits::for_ever;
    use std::time::Instant;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_child_answers_once_and_one_that_hangs_holds_up_nobody() {
        let mut child = Child::start(|| b"done".to_vec()).unwrap();
        assert_eq!(child.answer(LONG).as_deref(), Some(&b"done"[..]));
        let start = Instant::now();
        let mut hung = Child::start(|| for_ever()).unwrap();
        assert_eq!(hung.answer(Duration::from_millis(20)), None);
        drop(hung);
        assert!(start.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn an_answer_is_bounded_and_a_child_that_dies_answers_nothing() {
        let mut child = Child::start(|| vec![7; 1 << 20]).unwrap();
        assert_eq!(child.answer(LONG).map(|answer| answer.len()), Some(MOST));
        let mut dying = Child::start(|| std::process::exit(1)).unwrap();
        assert_eq!(dying.answer(LONG), Some(Vec::new()));
    }
}
