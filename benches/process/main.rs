//! What the chain does to the own voice: echo gone, noise gone, voice lost, time taken. In virtual time.
//!
//! ```text
//! cargo bench --bench process                   all tables
//! cargo bench --bench process -- echo           the tables whose name holds that word: echo, talk, noise, cost
//! cargo bench --bench process -- --keep DIR     keeps the sound for tests/measure/quality.py
//! VOICETUI_SPEECH=FILE cargo bench ...          another talker: a WAV file of 48 kHz mono, a minute at least
//! ```

#[path = "../playout/speech.rs"]
mod speech;

mod cost;
mod desk;
mod rooms;

use std::path::{Path, PathBuf};

use desk::{Desk, Heard, level};
use rooms::{NOISES, ROOMS, SECOND};
use voicetui::audio::process::When;

/// Prints a table; keeps the sound in the folder.
type Table = fn(Option<&Path>);

/// Delays between the loudspeaker's sound and the microphone's that no card tells of, ms.
const DELAYS_MS: [usize; 4] = [10, 60, 120, 250];
/// Seconds in which the chain learns; what follows is kept.
const ALONE: usize = 8;

fn main() {
    let (mut words, mut wanted, mut keep) = (std::env::args().skip(1), Vec::new(), None);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--bench" => {}
            "--keep" => keep = Some(PathBuf::from(words.next().expect("--keep takes a folder"))),
            _ => wanted.push(word),
        }
    }
    if let Some(folder) = &keep {
        std::fs::create_dir_all(folder).expect("the folder can be made");
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str()));
    let tables: [(&str, Table); 4] = [("echo", echo), ("talk", talk), ("noise", noise), ("cost", |_| cost::print())];
    tables.iter().filter(|(name, _)| is_wanted(name)).for_each(|(_, table)| table(keep.as_deref()));
}

/// The far end alone speaks: how much of it is left.
fn echo(_keep: Option<&Path>) {
    println!("echo alone, 20 s: dB gone from the third second on (converged after, s, from when it is first heard)\n");
    println!("| room and its reverberation, delay not told | clocks alike | loudspeaker 50 ppm fast | 50 ppm slow |\n|---|---|---|---|");
    for (name, room) in ROOMS {
        for delay in DELAYS_MS {
            let cell = |ppm: f64| {
                let heard = Desk { room: Some(room), delay_ms: delay, ppm, ..Desk::new(20) }.run();
                let gone = level(&heard.microphone[2 * SECOND..]) - level(&heard.left[2 * SECOND..]);
                format!("{gone:.0} ({})", heard.converged().map_or("never".into(), |s| format!("{s:.1}")))
            };
            println!("| {name}, {delay} ms | {} | {} | {} |", cell(0.0), cell(50.0), cell(-50.0));
        }
    }
    println!();
}

/// Both speak, from the first second on or after `ALONE` seconds of the far end alone; the files say what it costs.
fn talk(keep: Option<&Path>) {
    println!(
        "both speak, 30 s: level of the own voice that is left, dB\n\n| room, echo below the own voice | from the first second on | from the ninth on |\n|---|---|---|"
    );
    for (name, room) in ROOMS {
        for below in [6.0, 12.0, 24.0] {
            let desk = Desk { room: Some(room), delay_ms: 60, echo_db: -24.0 - below, own_db: Some(-24.0), ..Desk::new(30) };
            let cells = [("at-once", 0), ("later", ALONE)].map(|(when, own_from)| {
                let heard = Desk { own_from, ..desk }.run();
                keep_pair(keep, &format!("talk {when} {name} {below} dB cancelled"), &heard);
                level(&heard.left[ALONE * SECOND..]) - level(&heard.own[ALONE * SECOND..])
            });
            keep_pair(keep, &format!("talk {name} {below} dB bare"), &Desk { cancels: false, ..desk }.run());
            println!("| {name}, {below} dB | {:+.1} | {:+.1} |", cells[0], cells[1]);
        }
    }
    println!();
}

/// The own voice over a noise of 10 dB less.
fn noise(keep: Option<&Path>) {
    println!("own voice at -24 dBFS, noise 10 dB below it, 30 s, from the eighth second on, dB\n");
    println!("| noise | less noise in the pauses | less voice | SNR better |\n|---|---|---|---|");
    for (name, make) in NOISES {
        let desk = Desk { own_db: Some(-24.0), noise: Some((make, -34.0)), suppresses: When::Auto, ..Desk::new(30) };
        let (heard, bare) = (desk.run(), Desk { suppresses: When::Off, ..desk }.run());
        let ((noise_was, voice_was), (noise, voice)) = (bare.parts(), heard.parts());
        let (quieter, lost) = (noise_was - noise, voice_was - voice);
        println!("| {name} | {quieter:.1} | {lost:.1} | {:.1} |", quieter - lost);
        keep_pair(keep, &format!("noise {name} suppressed"), &heard);
        keep_pair(keep, &format!("noise {name} bare"), &bare);
    }
    println!();
}

/// What was said and what left, from the eighth second on: the chain has learnt by then.
fn keep_pair(keep: Option<&Path>, name: &str, heard: &Heard) {
    let Some(folder) = keep else { return };
    let stem = folder.join(name.replace(", ", " ").replace(' ', "-"));
    speech::write(&stem.with_extension("said.wav"), &heard.own[ALONE * SECOND..]);
    speech::write(&stem.with_extension("heard.wav"), &heard.left[ALONE * SECOND..]);
}
