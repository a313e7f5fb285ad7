//! Every call into the operating system: sound, sockets, files, clocks. Thin, behind cfg.

pub mod clock;
pub mod files;
pub mod local_socket;
pub mod ogg;
pub mod priority;
pub mod prompt;
#[cfg(unix)]
pub mod ready;
pub mod secret;
pub mod signals;
pub mod socket;
pub mod sound;
pub mod stderr;
pub mod virtual_sound;
pub mod wav;
