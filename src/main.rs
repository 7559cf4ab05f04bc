//! Started as PID 1 the program is the `/init` of an initramfs; started by a person it is the build-side companion.

fn main() {}
