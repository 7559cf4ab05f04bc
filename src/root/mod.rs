//! The new root: the overlay, switch_root, and the arguments of init.

pub(crate) mod init_arguments;
pub(crate) mod overlay;
mod program;
pub(crate) mod switch_root;
