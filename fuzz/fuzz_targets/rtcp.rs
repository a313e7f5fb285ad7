//! Any RTCP compound, and our control statements inside it.

#![no_main]

use voicetui::wire::check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::rtcp(bytes));
