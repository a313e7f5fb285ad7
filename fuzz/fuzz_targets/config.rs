//! Any config file: refused with its reason, or the same after it was printed.

#![no_main]

use voicetui::config::check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::config(bytes));
