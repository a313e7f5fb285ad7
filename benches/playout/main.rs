//! How playout does over a grid of networks, in virtual time: mouth to ear, what was made up, what it cost on the wire.
//!
//! ```text
//! cargo bench --bench playout                      the whole table, seeds 1 to 20
//! cargo bench --bench playout -- bursts --seeds 3  the rows whose name holds that word
//! cargo bench --bench playout -- --keep DIR        keeps the sound for tests/measure/quality.py
//! cargo bench --bench playout -- bursts --delays 45,60,75   the curve: with these fixed delays, ms, too
//! VOICETUI_SPEECH=FILE cargo bench ...             another talker: a WAV file of 48 kHz mono
//! ```

mod codec;
mod ear;
mod paths;
mod run;
mod speech;
mod table;

#[allow(dead_code)]
#[path = "../../tests/sim/net.rs"]
mod net;
#[allow(dead_code)]
#[path = "../../tests/sim/node.rs"]
mod node;
#[allow(dead_code)]
#[path = "../../tests/sim/sound.rs"]
mod sound;
#[allow(dead_code)]
#[path = "../../tests/sim/world.rs"]
mod world;

use std::path::PathBuf;

/// What the command line asks for.
struct Wanted {
    rows: Vec<String>,
    seeds: u64,
    keep: Option<PathBuf>,
    /// Fixed delays to be run besides, ms.
    delays: Vec<u16>,
}

fn main() {
    let mut wanted = Wanted { rows: Vec::new(), seeds: 20, keep: None, delays: Vec::new() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            // Cargo's own.
            "--bench" => {}
            "--seeds" => wanted.seeds = words.next().and_then(|n| n.parse().ok()).expect("--seeds takes a number"),
            "--keep" => wanted.keep = Some(words.next().expect("--keep takes a folder").into()),
            "--delays" => {
                let delays = words.next().expect("--delays takes numbers of ms");
                wanted.delays = delays.split(',').map(|ms| ms.parse().expect("a number of ms")).collect();
            }
            row => wanted.rows.push(row.to_owned()),
        }
    }
    if let Some(folder) = &wanted.keep {
        std::fs::create_dir_all(folder).expect("the folder can be made");
        codec::keep(folder);
    }
    table::print(&wanted);
}
