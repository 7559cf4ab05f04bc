//! The kernel command line: its text becomes tokens, and a token becomes the value of one parameter.

pub(crate) mod choice;
pub(crate) mod dialects;
pub(crate) mod number;
pub(crate) mod own_names;
pub(crate) mod parameter;
pub mod tokens;

pub(crate) use tokens::parse;
