//! Any RTP packet, and the redundancy inside it.

#![no_main]

use voicetui::wire::check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::rtp(bytes));
