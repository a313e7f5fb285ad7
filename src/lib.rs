//! voicetui, a full-screen terminal intercom: the map of the house.
//!
//! ```text
//! main.rs     parse, run, exit code
//! cli.rs      clap -> Settings          config.rs   the TOML file and its merge with the command line
//! -- pure: no clock, thread, socket, device, terminal or randomness of their own
//! units.rs    newtypes and sizes
//! wire.rs     bytes <-> packets         audio.rs    frames: codec, mixer, resample, meter, gate, process
//! playout.rs  packets -> samples        talk.rs     key events -> a lease to be on air
//! session.rs  one peer's keys           call.rs     frames -> datagrams; datagrams -> packets; states
//! -- shell: thin, decides nothing
//! os.rs       every OS call             engine.rs   the threads and the atomics between them
//! ui.rs       the screen, the plain modes
//! ```
//!
//! ```text
//! mic callback --samples--> ring --> sender [Uplink] --media--> socket
//! receiver [Downlink] --Packet--> a ring a peer --> playback callback [Playback] --mixed--> card
//! receiver --SendPlan--> sender          sender --counts--> receiver
//! ui, control --Command--> receiver, devices, disk       Notice --> ui       Controls, Meters: atomics
//! ```
//!
//! Who may import whom stands in `tests/layers.rs`, which enforces it.

pub mod audio;
pub mod call;
pub mod cli;
pub mod config;
pub mod engine;
pub mod os;
pub mod playout;
pub mod session;
pub mod talk;
pub mod ui;
pub mod units;
pub mod wire;

/// Runs the program as its command line says.
///
/// # Errors
/// One clear sentence for the user, to be printed after the screen is gone.
pub fn run() -> anyhow::Result<()> {
    Ok(())
}
