//! The matrix of a TPM's faults: each command of a boot, each fault, each seal. Its cells are generated, and what a cell must end in
//! follows from rules. Two tests use it: tests/fault_matrix.rs tries all cells on a software TPM, and test-vm/tests/faulty_tpm.rs boots
//! some of them.
#![allow(dead_code)] // Each test uses a part of it.
#![allow(clippy::unwrap_used)] // A failed test panics with the reason.

pub(crate) mod cell;
pub(crate) mod command;
pub(crate) mod fault;
pub(crate) mod rule;
pub(crate) mod sample;
pub(crate) mod table;
