//! Any packets and pulls, as a script of bytes.

#![no_main]

use voicetui::playout::check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::playout(std::time::Instant::now(), bytes));
