//! modules.dep, and the load order that follows from it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::sys::Dependencies;

fuzz_target!(|text: &str| {
    let Ok(dependencies) = Dependencies::parse(text) else { return };
    if let Ok(order) = dependencies.order(dependencies.files()) {
        // The order has all modules, each once.
        assert_eq!(order.len(), dependencies.files().count());
    }
    assert!(dependencies.file("overlay").is_none_or(|file| !file.starts_with('/')));
});
