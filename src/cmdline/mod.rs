//! The kernel command line: its text becomes tokens, and a token becomes the value of one parameter.

pub mod choice;
pub mod dialects;
pub mod own_names;
pub mod parameter;
pub mod tokens;

pub use tokens::{MAX_LEN, Token, parse};
