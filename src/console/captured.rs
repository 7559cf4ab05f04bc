//! The log of a test: the lines that its own thread writes.

use std::cell::RefCell;
use std::sync::Once;

use log::{LevelFilter, Log, Metadata, Record};

thread_local! {
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

struct Captured;

impl Log for Captured {
    fn enabled(&self, _: &Metadata) -> bool {
        true
    }

    fn log(&self, record: &Record) {
        LINES.with_borrow_mut(|lines| {
            if let Some(lines) = lines {
                lines.push(format!("{}: {}", record.level(), record.args()));
            }
        });
    }

    fn flush(&self) {}
}

/// The lines that `work` writes into the log, each with its level.
pub(crate) fn captured(work: impl FnOnce()) -> Vec<String> {
    static START: Once = Once::new();
    START.call_once(|| {
        log::set_logger(&Captured).unwrap();
        log::set_max_level(LevelFilter::Info);
    });
    LINES.set(Some(Vec::new()));
    work();
    LINES.take().unwrap_or_default()
}
