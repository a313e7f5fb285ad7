//! voicetui, a full-screen terminal intercom: the map of the house.
//!
//! ```text
//! main.rs     parse, run, exit code
//! cli.rs      clap -> Settings          config.rs   the TOML file and its merge with the command line
//! run.rs      what the command line asked for, done
//! -- pure: no clock, thread, socket, device, terminal or randomness of their own
//! units.rs    newtypes and sizes
//! wire.rs     bytes <-> packets         audio.rs    frames: codec, mixer, earcon, resample, meter, gate, process, vad
//! playout.rs  packets -> samples        talk.rs     key events -> a lease to be on air
//! session.rs  one peer's keys           call.rs     frames -> datagrams; datagrams -> packets; states
//! doctor.rs   measurements -> a report of what is wrong and what to do
//! -- shell: thin, decides nothing
//! os.rs       every OS call             engine.rs   the threads and the atomics between them
//! ui.rs       the screen, the plain modes
//! ```
//!
//! ```text
//! mic callback --samples--> ring --> sender [Uplink] --media--> socket
//! receiver [Downlink] --Packet--> a ring a peer --> playback callback [Playback] --mixed--> card
//! receiver --SendPlan, Resend--> sender  sender --counts--> receiver
//! sender, playouts --taps--> disk        Playback --far-end ring--> sender [FarEnd]
//! Playback --ear ring--> sender [Probe] while a delay is measured
//! ui, control --Command--> receiver, devices, disk       Notice --> ui, control       Controls, Meters: atomics
//! ```
//!
//! ```text
//! capture callback   meters, copies into the ring          wakes on the card
//! playback callback  Playback: playouts, decoders, mixer   the card
//! sender             VoiceKey; Uplink: process, encode     unparked once a frame
//! receiver           Downlink: states, timers, RTCP        socket, timers, commands
//! devices            opens, watches, replaces streams      commands, a look each 100 ms
//! input, ui (main)   the talk key's lease; the screen      the terminal; notices, 33 ms while something moves
//! disk, control      recordings; stdin and the ctl socket  commands, taps
//! resolver, signals  names; SIGTERM and its kin            those
//! pulse-clock        how late a PulseAudio stream is      after each of its blocks
//! doctor, doctor-*   checks, a thread each, when asked     their own devices and sockets; none of the above
//! ```
//!
//! Who may import whom stands in `tests/layers.rs`, which enforces it.

pub mod audio;
pub mod call;
pub mod cli;
pub mod config;
pub mod doctor;
pub mod engine;
pub mod os;
pub mod playout;
mod run;
pub mod session;
pub mod talk;
pub mod ui;
pub mod units;
pub mod wire;

pub use run::run;
