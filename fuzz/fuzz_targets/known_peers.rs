//! Any `known_peers` file: no pin lost, no line lost.

#![no_main]

use voicetui::session::trust::check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::known_peers(bytes));
