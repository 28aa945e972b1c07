//! The repository itself: its sources, packages, dependencies and outputs.

mod checkout;
mod packages;
mod supply_chain;
mod unsafe_code;
