//! Any change of a sealed datagram.

#![no_main]

use voicetui::session::check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::transport(bytes));
