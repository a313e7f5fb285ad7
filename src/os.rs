//! Every call into the operating system: sound, sockets, files, clocks. Thin, behind cfg.

pub mod clock;
pub mod socket;
