//! Any redundant payload.

#![no_main]

use voicetui::wire::check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::red(bytes));
