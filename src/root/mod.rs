//! The new root: the overlay, switch_root, what the booted system is given, and the arguments of init.

mod folder_attributes;
pub(crate) mod init_arguments;
pub(crate) mod overlay;
pub(crate) mod overlay_size;
mod program;
pub(crate) mod selinux_label;
pub(crate) mod stub_files;
pub(crate) mod switch_root;
