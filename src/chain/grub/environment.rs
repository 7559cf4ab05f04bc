//! GRUB's variables, in nested contexts (grub-core/kern/env.c, grub-core/normal/context.c).

use std::collections::BTreeMap;

use super::stop::{Run, Stop};

/// The longest value, in bytes, and the most variables. Each is much more than configurations have; together they bound memory.
const LONGEST: usize = 64 << 10;
const MOST: usize = 1024;

/// A variable.
#[derive(Debug, Clone, Default)]
struct Value {
    text: String,
    is_exported: bool,
}

/// The variables.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    contexts: Vec<BTreeMap<String, Value>>,
}

impl Environment {
    pub(super) fn new() -> Self {
        Self { contexts: vec![BTreeMap::new()] }
    }

    fn now(&mut self) -> &mut BTreeMap<String, Value> {
        if self.contexts.is_empty() {
            self.contexts.push(BTreeMap::new());
        }
        let last = self.contexts.len() - 1;
        &mut self.contexts[last]
    }

    /// The value; empty if the variable is not set. GRUB makes little difference between the two.
    pub(super) fn get(&self, name: &str) -> &str {
        self.contexts.last().and_then(|context| context.get(name)).map_or("", |value| value.text.as_str())
    }

    /// Whether the variable is set.
    pub(super) fn has(&self, name: &str) -> bool {
        self.contexts.last().is_some_and(|context| context.contains_key(name))
    }

    pub(super) fn set(&mut self, name: &str, text: &str) -> Run<()> {
        // Parentheses around the name of a disk go (grub-core/kern/main.c, `grub_env_write_root`).
        let bare = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
        let text = if name == "root" { bare.unwrap_or(text) } else { text };
        let context = self.now();
        if text.len() > LONGEST || name.len() > LONGEST || context.len() >= MOST {
            return Err(Stop::new("the variables are too many or too long"));
        }
        text.clone_into(&mut context.entry(name.to_owned()).or_default().text);
        Ok(())
    }

    pub(super) fn unset(&mut self, name: &str) {
        self.now().remove(name);
    }

    pub(super) fn export(&mut self, name: &str) {
        self.now().entry(name.to_owned()).or_default().is_exported = true;
    }

    /// Begins a context: it has the exported variables.
    pub(super) fn open(&mut self) {
        let exported = self.now().iter().filter(|(_, value)| value.is_exported);
        let exported = exported.map(|(name, value)| (name.clone(), value.clone())).collect();
        self.contexts.push(exported);
    }

    /// How many bytes the variables have.
    pub(super) fn size(&self) -> usize {
        let all = self.contexts.iter().flatten();
        all.map(|(name, value)| name.len() + value.text.len()).sum()
    }

    /// Ends the context.
    pub(super) fn close(&mut self) {
        self.contexts.pop();
    }
}
