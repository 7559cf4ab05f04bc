//! modules.dep, and the load order that follows from it.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use measureroot::internal::sys::Dependencies;

fuzz_target!(|text: &str| {
    let Ok(dependencies) = Dependencies::parse(text) else { return };
    if let Ok(order) = dependencies.order(dependencies.files()) {
        // The order has all modules, each once, also if a module has two lines.
        let modules: BTreeSet<_> = dependencies.files().collect();
        assert_eq!(order.len(), modules.len());
        assert_eq!(order.into_iter().collect::<BTreeSet<_>>(), modules);
    }
    assert!(dependencies.file("overlay").is_none_or(|file| !file.starts_with('/')));
});
