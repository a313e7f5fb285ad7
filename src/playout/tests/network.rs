//! What networks and cards do, and what may be heard of it.

use super::sim::{Dice, Sim};

fn clean(dice: &mut Dice, _: f64) -> Option<f64> {
    Some(0.0002 + 0.0002 * (dice.even() - 0.5))
}

#[test]
fn on_a_clean_network_the_delay_is_a_few_ms_and_nothing_is_made_up() {
    for seed in 1..=5 {
        let mut sim = Sim::new(seed, clean);
        sim.time = sim.dice.even() * 0.005;
        sim.run(2.0);
        sim.measure_anew();
        sim.run(60.0);
        sim.report("clean");
        assert!(sim.trace.median() <= 8.0, "seed {seed}: {}", sim.trace.median());
        assert_eq!(sim.playout.counters().concealed_samples, 0, "seed {seed}");
        assert_eq!(sim.trace.steps[2..], [0; 5], "seed {seed}");
    }
}

#[test]
fn jitter_is_waited_for() {
    for seed in 1..=5 {
        let mut sim = Sim::new(seed, |dice, _| Some((0.06 + 0.02 * dice.normal()).max(0.0)));
        sim.run(3.0);
        sim.measure_anew();
        sim.run(60.0);
        sim.report("jitter 20 ms");
        assert!(sim.concealed_percent() < 1.0, "seed {seed}: {} %", sim.concealed_percent());
        assert!(sim.trace.median() < 75.0, "seed {seed}: {}", sim.trace.median());
    }
}

#[test]
fn losses_are_concealed_in_place_and_cost_no_delay() {
    for (seed, share) in [(1, 0.05), (2, 0.05), (3, 0.1), (4, 0.1)] {
        let mut sim = Sim::new(seed, move |dice, _| (dice.even() >= share).then_some(0.0002));
        sim.run(2.0);
        sim.measure_anew();
        sim.run(60.0);
        sim.report("loss");
        let concealed = sim.concealed_percent() / 100.0;
        assert!((concealed - share).abs() < 0.02, "seed {seed}: {concealed}");
        assert!(sim.trace.median() <= 15.0, "seed {seed}: {}", sim.trace.median());
    }
}

#[test]
fn copies_that_come_later_are_waited_for() {
    for lbrr in [true, false] {
        let mut sim = Sim::new(3, |dice, _| (dice.even() >= 0.1).then_some(0.0002));
        (sim.lbrr, sim.red) = (lbrr, !lbrr);
        sim.run(5.0);
        sim.measure_anew();
        let before = *sim.playout.counters();
        sim.run(60.0);
        sim.report(if lbrr { "LBRR" } else { "RED" });
        let after = sim.playout.counters();
        let concealed = after.concealed_samples - before.concealed_samples;
        // LBRR covers voiced frames only, and one packet back, as this RED does.
        let share = concealed as f64 / (60.0 * 48_000.0);
        assert!(share < if lbrr { 0.035 } else { 0.015 }, "{share}");
        assert!(after.repaired() > 400);
        assert!(sim.trace.median() < 30.0, "{}", sim.trace.median());
    }
}

#[test]
fn drift_is_steered_out_for_an_hour() {
    drift_is_steered_out([(300.0, 0.0, 60), (100.0, -200.0, 8)]);
}

#[test]
fn drift_the_other_way_is_steered_out_for_an_hour() {
    drift_is_steered_out([(-150.0, 150.0, 60), (-500.0, 0.0, 8)]);
}

/// The mean delay of the next minute, ms.
fn minute(sim: &mut Sim) -> f64 {
    sim.measure_anew();
    sim.run(60.0);
    sim.trace.mean()
}

/// Of the line through `values`, a step.
fn slope(values: &[f64]) -> f64 {
    let middle = (values.len() - 1) as f64 / 2.0;
    let steps = || values.iter().enumerate().map(|(n, value)| (n as f64 - middle, value));
    steps().map(|(x, y)| x * y).sum::<f64>() / steps().map(|(x, _)| x * x).sum::<f64>()
}

fn drift_is_steered_out(clocks: [(f64, f64, u32); 2]) {
    for (sender, card, minutes) in clocks {
        let mut sim = Sim::new(9, clean);
        (sim.sender_ppm, sim.card_ppm) = (sender, card);
        sim.cheap = true;
        // Until the drift is known, and what was learned before is forgotten.
        sim.run(240.0);
        let means: Vec<f64> = (4..minutes).map(|_| minute(&mut sim)).collect();
        sim.report("drift");
        let slope = 60.0 * slope(&means);
        println!("  from the fifth minute on: {slope:+.2} ms an hour");
        assert_eq!(sim.playout.counters().concealed_samples, 0);
        assert!(slope.abs() < 1.0 || minutes < 60, "{slope} ms an hour: {means:?}");
        assert!(means.iter().all(|mean| (mean - means[0]).abs() < 5.0), "{means:?}");
        let drift = sim.playout.drift().expect("known by now").0;
        let stretched = sim.playout.counters().stretched_plus + sim.playout.counters().stretched_minus;
        let needed = (sender - card).abs() * 1e-6 * f64::from(minutes) * 60.0 * 48_000.0;
        assert!((stretched as f64) < 1.2 * needed + 1_500.0, "{stretched} samples stretched, {needed} needed");
        assert!((f64::from(drift) - (sender - card)).abs() < 30.0, "{drift}");
    }
}

#[test]
fn queues_that_fill_slowly_and_empty_at_once_leave_nothing_behind() {
    for seed in 1..=3 {
        // Every 6 s for a minute a queue fills for 3.8 s, up to 80 to 240 ms, and is gone within 200 ms.
        let deepest = 0.08 * seed as f64;
        let mut sim = Sim::new(seed, move |dice, at| {
            let queue = match at % 6.0 {
                _ if at > 60.0 => 0.0,
                ..2.0 => 0.0,
                phase @ ..5.8 => deepest * (phase - 2.0) / 3.8,
                phase => deepest * (6.0 - phase) / 0.2,
            };
            Some(0.005 + queue + 0.025 * dice.even())
        });
        sim.run(66.0);
        sim.measure_anew();
        sim.run(2.0);
        sim.report("queues");
        let (concealed, delay) = (sim.concealed_percent(), sim.trace.median());
        assert!(concealed < 2.5, "seed {seed}: {concealed}");
        assert!(delay < 70.0, "seed {seed}: 6 s after the queue it waits {delay} ms");
    }
}

#[test]
fn a_way_that_becomes_longer_in_small_steps_is_followed() {
    for seed in 1..=3 {
        // 30 ms more each quarter of a second, for 4 s: no two windows are apart enough to say that the way changed.
        let mut sim = Sim::new(seed, |dice, at| {
            let longer = 0.03 * ((at.clamp(10.0, 14.0) - 10.0) * 4.0).floor();
            Some(0.005 + longer + 0.08 * dice.even())
        });
        sim.run(17.0);
        let before = sim.playout.counters().concealed_samples;
        sim.run(23.0);
        sim.report("longer");
        let concealed = sim.playout.counters().concealed_samples - before;
        assert!(concealed < 48 * 250, "seed {seed}: {concealed} samples made up of 23 s");
    }
}

#[test]
fn spikes_are_survived_and_forgotten() {
    for seed in 1..=3 {
        // Every 3 s the air is busy for 80 ms: what is sent then comes at its end.
        let mut sim = Sim::new(seed, |dice, at| {
            let phase = at % 3.0;
            let held = if at < 30.0 && phase < 0.08 { 0.08 - phase } else { 0.0 };
            Some(0.002 + held + 0.001 * dice.even())
        });
        sim.run(30.0);
        sim.report("spikes");
        assert!(sim.concealed_percent() < 2.0, "seed {seed}: {}", sim.concealed_percent());
        sim.run(5.0);
        sim.measure_anew();
        sim.run(1.0);
        assert!(sim.trace.median() < COMFORT_MS + 6.0, "seed {seed}: {}", sim.trace.median());
    }
}

/// What of the delay stays for a minute when a network has calmed.
const COMFORT_MS: f32 = 10.0;

/// After `event` (which ends at once), the delay is near what it was within 2 s.
fn recovers(name: &str, mut sim: Sim, event: impl FnOnce(&mut Sim)) {
    sim.run(10.0);
    let (before, steepest) = (sim.trace.median(), sim.trace.steepest);
    event(&mut sim);
    sim.run(2.0);
    assert!(sim.trace.steepest < 1.3 * steepest, "{name}: a click, {} after {steepest}", sim.trace.steepest);
    let lost = sim.playout.counters().concealed_samples;
    sim.measure_anew();
    sim.run(3.0);
    sim.report(name);
    let after = sim.trace.median();
    assert!((-6.0..COMFORT_MS + 6.0).contains(&(after - before)), "{name}: {before} became {after} ms");
    assert_eq!(sim.playout.counters().concealed_samples, lost, "{name}: still concealing");
    assert!(sim.trace.steps[1] > 130_000, "{name}: {:?}", sim.trace.steps);
    assert!(sim.trace.loudest < 1.2, "{name}: {}", sim.trace.loudest);
}

#[test]
fn an_outage_of_3_s_leaves_nothing_behind() {
    let lost = Sim::new(1, |_, at| (!(10.0..13.0).contains(&at)).then_some(0.001));
    recovers("outage, lost", lost, |sim| sim.run(3.0));
    let held = Sim::new(2, |_, at| Some(if (10.0..13.0).contains(&at) { 13.0 - at } else { 0.0 } + 0.001));
    recovers("outage, held", held, |sim| sim.run(3.0));
}

#[test]
fn a_longer_path_and_back_is_followed() {
    let sim = Sim::new(1, |dice, at| Some(if (10.0..14.0).contains(&at) { 0.151 } else { 0.001 } + 0.0005 * dice.even()));
    recovers("path +150 ms and back", sim, |sim| sim.run(4.0));
    let sim = Sim::new(1, |dice, at| Some(if at > 10.0 { 0.151 } else { 0.001 } + 0.0005 * dice.even()));
    recovers("path +150 ms", sim, |_| {});
    let sim = Sim::new(1, |dice, at| Some(if at > 10.0 { 0.701 } else { 0.001 } + 0.0005 * dice.even()));
    recovers("path +700 ms", sim, |_| {});
}

#[test]
fn a_stalled_card_leaves_no_delay() {
    recovers("stall, samples lost", Sim::new(1, clean), |sim| sim.stall(0.3));
    recovers("stall, samples asked for again", Sim::new(2, clean), |sim| {
        sim.stall(0.3);
        for _ in 0..90 {
            sim.pull(240);
        }
    });
    recovers("asleep for 10 minutes", Sim::new(3, clean), |sim| sim.stall(600.0));
}

#[test]
fn a_card_that_asks_in_bursts_is_served() {
    let mut sim = Sim::new(4, clean);
    for n in 0..6_000u32 {
        let blocks = [1, 0, 2, 1, 0, 3, 0, 1][n as usize % 8];
        sim.time += 0.005;
        for _ in 0..blocks {
            sim.pull(240);
        }
        if n == 400 {
            sim.measure_anew();
        }
    }
    sim.report("bursty card");
    assert!(sim.concealed_percent() < 0.2, "{}", sim.concealed_percent());
    assert!(sim.trace.median() < 25.0, "{}", sim.trace.median());
}

#[test]
fn where_stalls_come_all_the_time_the_delay_stands_still_and_the_calm_ends_it() {
    for seed in 1..=3 {
        // Air that many share: five times a second all waits, for 10 ms or for 100, and then comes at once.
        let (mut until, mut next) = (0.0f64, 1.0f64);
        let mut sim = Sim::new(seed, move |dice, at| {
            if at >= next && at < 60.0 {
                until = next + (0.01 * (1.0 - dice.even()).powf(-1.0 / 1.5)).min(0.1);
                next = until - (1.0 - dice.even()).ln() / 6.0;
            }
            Some(0.01 + (until - at).max(0.0) + 0.000_4 * dice.even())
        });
        sim.run(20.0);
        sim.measure_anew();
        sim.run(40.0);
        sim.report("stalls");
        let (low, high) = (sim.trace.quantile(0.05), sim.trace.quantile(0.95));
        assert!(high - low < 45.0, "seed {seed}: {low} to {high} ms");
        assert!(sim.concealed_percent() < 0.5, "seed {seed}: {}", sim.concealed_percent());
        sim.run(5.0);
        sim.measure_anew();
        sim.run(1.0);
        assert!(sim.trace.median() < COMFORT_MS + 16.0, "seed {seed}: {}", sim.trace.median());
    }
}
