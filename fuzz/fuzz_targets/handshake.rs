//! Any change of any message of a handshake.

#![no_main]

use voicetui::session::check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::handshake(bytes));
