//! The new root: the overlay, switch_root, and what init is given.

pub mod init_arguments;
pub mod overlay;
pub mod switch_root;
