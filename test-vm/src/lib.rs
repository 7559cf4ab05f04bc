//! The boot test.
