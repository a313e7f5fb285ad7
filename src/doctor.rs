//! The doctor's report: what was found, how grave it is, what to do about it. Pure: others measure, this judges and words it.

pub mod clock;
pub mod level;
mod report;
pub mod round_trip;
pub mod stream;
pub mod terminal;

pub use report::{Finding, PRIORITY, Report, Section, Verdict};
