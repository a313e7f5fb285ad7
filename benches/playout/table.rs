//! The grid's rows, and how they are printed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Wanted;
use crate::paths::Path;
use crate::run::{Listener, Measured, Scene, run};

const LAN: Path = Path::Lan { loss: 0.0 };

const fn over(name: &'static str, path: Path) -> Scene {
    Scene { name, path, ppm: 0.0, stall: None, ends: &[] }
}

const SCENES: [Scene; 16] = [
    over("clean", LAN),
    over("jitter20", Path::Normal { mean: 60.0, deviation: 20.0, loss: 0.0 }),
    over("wifi", Path::Wifi),
    over("busy", Path::Busy),
    over("stalls20", Path::Stalls { typical: 20.0, loss: 0.0 }),
    over("stalls30loss5", Path::Stalls { typical: 30.0, loss: 0.05 }),
    over("loss5", Path::Lan { loss: 0.05 }),
    over("loss10", Path::Lan { loss: 0.1 }),
    over("loss20", Path::Lan { loss: 0.2 }),
    over("bursts", Path::Bursts { share: 0.1, length: 4.0 }),
    over("loss30jitter30", Path::Normal { mean: 90.0, deviation: 30.0, loss: 0.3 }),
    Scene { ppm: 300.0, ..over("drift+300", LAN) },
    Scene { ppm: -300.0, ..over("drift-300", LAN) },
    Scene { ends: &[24.0], ..over("outage", Path::Outage { from: 21.0, to: 24.0 }) },
    Scene { ends: &[20.0, 40.0], ..over("step", Path::Step { from: 20.0, to: 40.0, by: 150.0 }) },
    Scene { stall: Some((20.0, 20.3)), ends: &[20.3], ..over("stall", LAN) },
];

/// A cell that is to be run, and what came of it.
struct Cell {
    scene: Scene,
    listener: Listener,
    seed: u64,
    measured: Mutex<Option<Measured>>,
}

/// Runs what is wanted on two threads and prints a row for each scene and listener: the mean of all seeds, and the worst of what
/// was made up.
pub fn print(asked: &Wanted) {
    let Wanted { rows, seeds, keep, delays } = asked;
    let wanted = |scene: &Scene| rows.is_empty() || rows.iter().any(|row| scene.name.contains(row.as_str()));
    let mut lines: Vec<(Scene, Listener)> = Vec::new();
    for scene in SCENES.into_iter().filter(wanted) {
        lines.push((scene, Listener::Ours));
        let usual: &[u16] = if scene.name == "bursts" { &[75] } else { &[] };
        let delays = if delays.is_empty() { usual } else { delays };
        lines.extend(delays.iter().map(|ms| (scene, Listener::Set(*ms))));
        lines.push((scene, Listener::Fixed60));
    }
    let cells: Vec<Cell> = lines
        .iter()
        .flat_map(|(scene, listener)| {
            (1..=*seeds).map(|seed| Cell { scene: *scene, listener: *listener, seed, measured: Mutex::default() })
        })
        .collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let measured = run(&cell.scene, cell.listener, cell.seed, keep.as_deref());
                    *cell.measured.lock().expect("nobody panicked") = Some(measured);
                }
            });
        }
    });
    println!(
        "| network | listener | first 0.5 s | m2e median | p95 | concealed % (worst seed) | late % | repaired % | stretched ms/min | kbit/s | beyond best fixed ms | click dB (mouth's own) | recovered s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for (scene, listener) in lines {
        let same = cells.iter().filter(|cell| cell.scene.name == scene.name && cell.listener == listener);
        let all: Vec<Measured> = same.filter_map(|cell| *cell.measured.lock().expect("nobody panicked")).collect();
        print_row(&scene, listener, &all);
    }
}

fn print_row(scene: &Scene, listener: Listener, all: &[Measured]) {
    let mean = |of: fn(&Measured) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
    let worst = |of: fn(&Measured) -> f64| all.iter().map(of).fold(0.0, f64::max);
    let recovered = if scene.ends.is_empty() { "-".into() } else { format!("{:.1}", worst(|m| m.recovered)) };
    println!(
        "| {} | {listener:?} | {:.1} | {:.1} | {:.1} | {:.2} ({:.2}) | {:.2} | {:.2} | {:.0} | {:.0} | {:+.1} | {:.1} ({:.1}) | {recovered} |",
        scene.name,
        mean(|m| m.first),
        mean(|m| m.median),
        mean(|m| m.p95),
        mean(|m| m.concealed),
        worst(|m| m.concealed),
        mean(|m| m.late),
        mean(|m| m.repaired),
        mean(|m| m.stretched),
        mean(|m| m.kbits),
        mean(|m| m.beyond_best),
        worst(|m| m.click),
        worst(|m| m.click_said),
    );
}
