//! The bytes that were measured are the bytes that run: the choice of a seal, dm-verity, the RAM copy, the prepared tree.

pub mod choice;
pub mod dm_verity;
pub mod prepared_root_hash;
pub mod prepared_tree;
pub mod sealing;
