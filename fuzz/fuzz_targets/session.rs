//! Any schedule of two sides and their network, as a script of bytes.

#![no_main]

use voicetui::session::check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::session(std::time::Instant::now(), bytes));
