//! The full screen in pseudo-terminals: what keys up, what un-keys, and how the terminal is left.
//!
//! The program under test is this very binary, started again to run `the_program` alone: the real screen over an engine
//! that only writes down when the microphone was on air.
#![cfg(unix)]

mod child;
mod doctor;
mod leaving;
mod real;
mod talking;
mod term;
mod trust;

#[test]
fn the_program() {
    child::run_if_asked();
}
