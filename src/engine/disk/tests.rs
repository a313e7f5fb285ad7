//! What the recorder promises: aligned files, a full disk survived, nothing lost at the end. Time is told, not waited for.

use super::output::tests::samples_of;
use super::*;
use crate::engine::tap::{TapWriter, tap};
use crossbeam_channel::bounded;

struct Desk {
    recorder: Recorder,
    shared: Shared,
    sent: TapWriter,
    notices: Receiver<Notice>,
    now: Instant,
    dir: tempfile::TempDir,
}

fn desk() -> Desk {
    desk_with(RecordFormat::Wav)
}

fn desk_with(format: RecordFormat) -> Desk {
    let dir = tempfile::tempdir().expect("a directory");
    let (notices, [watcher]) = Notices::new::<1>();
    let (sent, reader) = tap(96_000);
    let shared = Shared { controls: Arc::default(), meters: Arc::default() };
    let place = Place { dir: dir.path().join("tapes"), format };
    let recorder = Recorder::new(place, reader, notices, shared.clone(), Box::new(|| ()));
    Desk { recorder, shared, sent, notices: watcher, now: Instant::now(), dir }
}

impl Desk {
    fn peer(&mut self, slot: usize, label: &str) -> TapWriter {
        let (writer, tap) = tap(96_000);
        self.recorder.handle_command(DiskCommand::Peer { id: PeerId::new(slot).expect("a slot"), label: label.into(), tap });
        writer
    }

    fn record(&mut self, switch: Switch) {
        self.recorder.handle_command(DiskCommand::Record(switch));
    }

    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.recorder.empty_taps(self.now);
    }

    /// The files of the recording, as last announced.
    fn files(&self) -> Vec<PathBuf> {
        let recordings = self.notices.try_iter().filter_map(|notice| match notice {
            Notice::Recording { files, .. } => Some(files),
            _ => None,
        });
        recordings.filter(|files| !files.is_empty()).last().unwrap_or_default()
    }
}

/// The first sample that is not silence.
fn onset(samples: &[f32]) -> usize {
    samples.iter().position(|sample| sample.abs() > 0.01).expect("some sound")
}

/// The samples of the file whose name has `part` in it.
fn track(files: &[PathBuf], part: &str) -> Vec<f32> {
    let names = |file: &&PathBuf| file.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.contains(part));
    samples_of(files.iter().find(names).unwrap_or_else(|| panic!("no {part} among {files:?}")))
}

#[test]
fn both_sides_of_a_call_and_their_mix_are_aligned_in_time() {
    for format in [RecordFormat::Wav, RecordFormat::Opus] {
        let mut desk = desk_with(format);
        desk.record(Switch::On);
        let mut heard = desk.peer(0, "[::1]:5005 ../Büro");
        // The peer speaks for a second from the start; this side answers for half a second, 1.2 s later, then all is quiet.
        let tone = |n: usize| (n as f32 * 0.05).sin();
        for tick in 0..30 {
            let voice: Vec<f32> = (tick * 4_800..(tick + 1) * 4_800).map(tone).collect();
            if tick < 10 {
                heard.write(&voice.iter().map(|s| s * 0.3).collect::<Vec<_>>());
            } else {
                heard.skip(4_800);
            }
            if (12..17).contains(&tick) {
                desk.sent.write(&voice.iter().map(|s| s * 0.6).collect::<Vec<_>>());
            } else {
                desk.sent.skip(4_800);
            }
            desk.pass(100);
        }
        let files = desk.files();
        desk.record(Switch::Off);
        let names: Vec<&str> = files.iter().map(|file| file.file_name().and_then(|name| name.to_str()).expect("a name")).collect();
        let ends = |n: usize, what: &str| names[n].ends_with(&format!("_{what}.{format}"));
        assert!(ends(0, "heard_1__5005_.._Büro") && ends(1, "mix") && ends(2, "sent"), "{names:?}");
        let [heard, sent, mix] = ["heard", "sent", "mix"].map(|part| track(&files, part));
        let near = |at: usize, wanted: usize| at.abs_diff(wanted) <= if format == RecordFormat::Wav { 2 } else { 480 };
        let onsets = [&heard, &sent, &mix].map(|track| onset(track));
        assert!(near(onsets[0], 0) && near(onsets[1], 57_600) && near(onsets[2], 0), "{format}: {onsets:?}");
        assert!(near(sent.iter().rposition(|s| s.abs() > 0.05).expect("some sound"), 81_600));
        assert!(heard.len() == sent.len() && mix.len() == sent.len(), "{} {} {}", heard.len(), sent.len(), mix.len());
        assert!(sent.len().abs_diff(30 * 4_800) <= 480);
        let off = mix.iter().zip(heard.iter().zip(&sent)).map(|(mix, (heard, sent))| (mix - heard - sent).abs()).fold(0f32, f32::max);
        assert!(off < if format == RecordFormat::Wav { 1e-3 } else { 0.1 }, "{format}: the mix is the sum: {off}");
    }
}

#[test]
fn who_joins_later_begins_with_silence_and_who_leaves_holds_nobody_back() {
    let mut desk = desk();
    desk.record(Switch::On);
    let (mut first, mut second) = (desk.peer(0, "first"), None);
    let mut files = Vec::new();
    for tick in 0..100 {
        first.write(&[0.2; 4_800]);
        if tick == 40 {
            second = Some(desk.peer(1, "second"));
        }
        if tick == 70 {
            second = None;
        }
        if let Some(second) = &mut second {
            second.write(&[0.4; 4_800]);
        }
        desk.pass(100);
        files = Some(desk.files()).filter(|files| !files.is_empty()).unwrap_or(files);
    }
    desk.record(Switch::Off);
    let [first, second, mix] = ["first", "second", "mix"].map(|part| track(&files, part));
    assert_eq!((onset(&second), second.len(), first.len(), mix.len()), (40 * 4_800, 480_000, 480_000, 480_000));
    assert_eq!(second.iter().rposition(|sample| sample.abs() > 0.01), Some(70 * 4_800 - 1));
    assert!((mix[50 * 4_800] - 0.6).abs() < 1e-3 && (mix[75 * 4_800] - 0.2).abs() < 1e-3);
}

#[test]
fn in_the_mix_a_peer_is_as_loud_as_the_user_made_it_and_on_its_track_as_it_came() {
    let mut desk = desk();
    desk.record(Switch::On);
    let mut heard = desk.peer(3, "x");
    desk.shared.controls.set_peer_muted(PeerId::new(3).expect("a slot"), true);
    desk.shared.controls.set_volume(0);
    for _ in 0..10 {
        heard.write(&[0.4; 4_800]);
        desk.sent.write(&[0.2; 4_800]);
        desk.pass(100);
    }
    let files = desk.files();
    desk.record(Switch::Off);
    let [heard, mix] = ["heard", "mix"].map(|part| track(&files, part));
    assert!(heard.iter().all(|s| (s - 0.4).abs() < 1e-3) && mix.iter().all(|s| (s - 0.2).abs() < 1e-3));
}

/// Ten minutes on two cards, one 400 ppm fast, one as slow, both never silent: a quarter of a second if nobody cared.
#[test]
fn two_cards_that_disagree_stay_aligned() {
    let mut desk = desk();
    desk.record(Switch::On);
    let mut heard = desk.peer(0, "x");
    const TICKS: usize = 6_000;
    let mut written = [0usize; 2];
    for tick in 0..TICKS {
        // Real time, as each card counts it; in the last tick's middle both hear the same knock.
        for (n, rate) in [48_019.2, 47_980.8].into_iter().enumerate() {
            let end = ((tick + 1) as f64 * rate / 10.0) as usize;
            let knock = ((TICKS as f64 - 20.5) * rate / 10.0) as usize;
            let block: Vec<f32> = (written[n]..end).map(|at| if (knock..knock + 100).contains(&at) { 0.9 } else { 0.1 }).collect();
            written[n] = end;
            if n == 0 { desk.sent.write(&block) } else { heard.write(&block) }
        }
        desk.pass(100);
    }
    let files = desk.files();
    desk.record(Switch::Off);
    let knocks = ["sent", "heard"].map(|part| track(&files, part).iter().position(|s| *s > 0.5).expect("a knock"));
    let wanted = (TICKS * 4_800) - 98_400;
    for knock in knocks {
        assert!(knock.abs_diff(wanted) < 48 * 45, "{knocks:?}, not {wanted}: within 45 ms");
    }
}

#[test]
fn a_full_set_of_files_is_followed_by_the_next_without_a_gap() {
    let mut desk = desk();
    desk.record(Switch::On);
    desk.recorder.tape = desk.recorder.tape.take().map(|tape| tape.with_sets_of(100_000));
    let mut heard = desk.peer(0, "x");
    let mut sets = Vec::new();
    for tick in 0..50 {
        let block: Vec<f32> = (tick * 4_800..(tick + 1) * 4_800).map(|n| 0.1 + n as f32 / 480_000.0).collect();
        heard.write(&block);
        if tick == 0 {
            desk.sent.write(&[0.5; 480]);
        }
        desk.pass(100);
        let files = desk.files();
        if !files.is_empty() {
            sets.push(files);
        }
    }
    desk.record(Switch::Off);
    assert_eq!(sets.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 3]);
    let all: Vec<f32> = sets.iter().flat_map(|files| track(files, "heard")).collect();
    assert_eq!(all.len(), 240_000);
    assert!(all.iter().enumerate().all(|(n, s)| (s - 0.1 - n as f32 / 480_000.0).abs() < 1e-3));
    let lengths: Vec<usize> = sets.iter().map(|files| track(files, "sent").len()).collect();
    assert_eq!(lengths, [100_000, 100_000, 40_000]);
}

/// Cards that stop, stumble and run on, peers that come and go, a disk thread that is late: by seeds.
#[test]
fn whatever_the_taps_do_the_tracks_have_one_length_and_it_is_the_clocks() {
    use rand::{RngExt, SeedableRng};
    for seed in 0..20 {
        let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
        let mut desk = desk_with(if seed % 5 == 0 { RecordFormat::Opus } else { RecordFormat::Wav });
        desk.record(Switch::On);
        let mut peers = [Some(desk.peer(0, "stays")), None];
        peers[0].as_mut().expect("there").write(&[0.3; 4_800]);
        desk.pass(100);
        let (began, mut files) = (desk.now, Vec::new());
        for _ in 0..rng.random_range(50..300) {
            let millis = rng.random_range(1..400u64);
            let samples = millis as usize * 48;
            match rng.random_range(0..20) {
                0 => peers[1] = None,
                1 => peers[1] = Some(desk.peer(1, "comes")),
                _ => {}
            }
            for tap in std::iter::once(&mut desk.sent).chain(peers.iter_mut().flatten()) {
                match rng.random_range(0..5) {
                    0 => {}
                    1 => tap.skip(samples as u64),
                    2 => tap.write(&vec![0.2; samples / 2]),
                    _ => tap.write(&vec![0.2; samples]),
                }
            }
            desk.pass(millis);
            files = Some(desk.files()).filter(|files| !files.is_empty()).unwrap_or(files);
        }
        let took = (desk.now - began).as_millis() as usize * 48 + 4_800;
        desk.record(Switch::Off);
        let [mix, stays] = ["mix", "stays"].map(|part| track(&files, part));
        assert_eq!(mix.len(), stays.len(), "seed {seed}");
        assert!(mix.len().abs_diff(took) <= 3 * 48_000, "seed {seed}: {} of {took}", mix.len());
        for file in &files {
            assert!(samples_of(file).len() <= mix.len(), "seed {seed}: {}", file.display());
        }
        assert!(desk.notices.try_iter().all(|notice| !matches!(notice, Notice::Problem(_))), "seed {seed}");
    }
}

#[test]
fn a_peer_whose_card_was_lost_goes_on_in_its_file() {
    let mut desk = desk();
    desk.record(Switch::On);
    let mut heard = desk.peer(0, "x");
    heard.write(&[0.3; 4_800]);
    desk.pass(100);
    let files = desk.files();
    drop(heard);
    let mut heard = desk.peer(0, "x");
    heard.write(&[0.5; 4_800]);
    desk.pass(100);
    assert!(desk.files().is_empty(), "no other file");
    desk.record(Switch::Off);
    let heard = track(&files, "heard");
    assert!(heard.len() >= 9_600 && (heard[9_000] - 0.5).abs() < 1e-3);
}

#[test]
fn a_card_that_stands_still_becomes_silence_of_the_same_length() {
    let mut desk = desk();
    desk.record(Switch::On);
    let mut heard = desk.peer(0, "x");
    heard.write(&[0.3; 4_800]);
    desk.pass(100);
    for _ in 0..20 {
        desk.pass(100);
    }
    heard.write(&[0.3; 4_800]);
    desk.pass(100);
    let files = desk.files();
    desk.record(Switch::Off);
    let heard = samples_of(&files[0]);
    let second = 4_800 + onset(&heard[4_800..]);
    assert!(second.abs_diff(21 * 4_800) <= 4_800, "{second}");
}

#[test]
fn what_no_ring_could_hold_is_silence_and_the_rest_stays_in_place() {
    let mut desk = desk();
    desk.record(Switch::On);
    let mut heard = desk.peer(0, "x");
    heard.write(&[0.3; 48_000]);
    heard.write(&[0.4; 48_000]);
    heard.write(&[0.5; 48_000]);
    desk.pass(3_000);
    heard.write(&[0.6; 4_800]);
    desk.pass(100);
    let told: Vec<Notice> = desk.notices.try_iter().collect();
    let files = told.iter().filter_map(|notice| if let Notice::Recording { files, .. } = notice { Some(files.clone()) } else { None });
    let files = files.collect::<Vec<_>>().pop().expect("announced");
    desk.record(Switch::Off);
    let heard = samples_of(&files[0]);
    let problems = told.iter().filter(|notice| matches!(notice, Notice::Problem(said) if said.contains("1.0 s of the recording")));
    assert_eq!(problems.count(), 1, "{told:?}");
    assert!(heard[96_000..144_000].iter().all(|s| *s == 0.0) && (heard[144_000] - 0.6).abs() < 1e-3);
}

#[test]
fn a_waiting_recorder_writes_nothing_and_each_call_gets_its_own_files() {
    let mut desk = desk();
    desk.recorder.stands = true;
    desk.record(Switch::On);
    assert!(desk.shared.meters.recording.load(Relaxed), "the peers are told from the start");
    for _ in 0..100 {
        desk.sent.skip(4_800);
        desk.pass(100);
    }
    assert_eq!(desk.files(), [desk.dir.path().join("tapes")]);
    let mut first = desk.peer(0, "x");
    first.write(&[0.3; 4_800]);
    desk.pass(100);
    let files = desk.files();
    drop(first);
    desk.pass(100);
    assert_eq!(track(&files, "heard").len(), 4_800, "finished when the peer left");
    desk.pass(10_000);
    let mut second = desk.peer(0, "x");
    second.write(&[0.3; 480]);
    desk.pass(100);
    let more = desk.files();
    assert!(more.len() == 2 && more != files, "{more:?}");
}

#[test]
fn a_recording_that_was_asked_for_ends_with_the_call() {
    let mut desk = desk();
    desk.record(Switch::On);
    let mut heard = desk.peer(0, "x");
    heard.write(&[0.3; 4_800]);
    desk.pass(100);
    drop(heard);
    desk.pass(100);
    let notices: Vec<Notice> = desk.notices.try_iter().collect();
    assert_eq!(notices.last(), Some(&Notice::Recording { files: Vec::new(), begun: true }));
    assert!(desk.recorder.tape.is_none() && !desk.shared.meters.recording.load(Relaxed));
}

#[test]
fn nothing_that_is_said_off_air_is_recorded() {
    let mut desk = desk();
    desk.record(Switch::On);
    // The sender skips what does not leave: see `sender.rs`.
    desk.sent.skip(48_000);
    desk.pass(1_000);
    assert_eq!(std::fs::read_dir(desk.dir.path().join("tapes")).expect("made").count(), 0);
}

#[test]
fn a_directory_that_cannot_be_made_is_said_and_nothing_else_happens() {
    let mut desk = desk();
    std::fs::write(&desk.recorder.place.dir, "a file").expect("written");
    desk.record(Switch::Toggle);
    let problem = desk.notices.try_recv().expect("a notice");
    assert!(matches!(problem, Notice::Problem(sentence) if sentence.contains("cannot be made")));
    desk.sent.write(&[0.5; 480]);
    desk.pass(100);
    desk.record(Switch::Off);
    assert!(matches!(desk.notices.try_recv(), Ok(Notice::Info(_))));
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_written_is_said_once_and_ends_the_recording_until_it_is_asked_for_again() {
    let mut desk = desk();
    let dir = desk.dir.path().join("tapes");
    desk.record(Switch::On);
    std::fs::remove_dir(&dir).expect("removed");
    for _ in 0..5 {
        desk.sent.write(&[0.5; 4_800]);
        desk.pass(100);
    }
    let notices: Vec<Notice> = desk.notices.try_iter().collect();
    let problems = notices.iter().filter(|notice| matches!(notice, Notice::Problem(said) if said.contains("cannot be made")));
    assert_eq!(problems.count(), 1, "{notices:?}");
    assert_eq!(notices.last(), Some(&Notice::Recording { files: Vec::new(), begun: true }));
    assert!(!desk.shared.meters.recording.load(Relaxed));
    desk.record(Switch::On);
    for _ in 0..5 {
        desk.sent.write(&[0.5; 4_800]);
        desk.pass(100);
    }
    let files = desk.files();
    desk.record(Switch::Off);
    assert_eq!(track(&files, "sent").len(), 5 * 4_800);
}

#[test]
fn the_thread_finishes_its_files_when_everybody_else_is_gone() {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = Settings { record: Some(dir.path().into()), record_dir: dir.path().into(), ..Settings::default() };
    let (notices, [watcher]) = Notices::new::<1>();
    let (commands, commanded) = bounded(4);
    let (mut sent, reader) = tap(48_000);
    let poll = mio::Poll::new().expect("a poll");
    let waker = std::sync::Arc::new(mio::Waker::new(poll.registry(), mio::Token(0)).expect("a waker"));
    let ledger = Ledger { known: Default::default(), keyring: None, notices, fresh: bounded(1).0, waker };
    let thread =
        spawn(&settings, commanded, reader, ledger, Shared { controls: Arc::default(), meters: Arc::default() }).expect("a thread");
    let armed = watcher.recv_timeout(Duration::from_secs(10));
    assert_eq!(armed, Ok(Notice::Recording { files: vec![dir.path().into()], begun: false }));
    sent.write(&[0.5; 4_800]);
    drop(commands);
    thread.join().expect("no panic");
    let files: Vec<PathBuf> = std::fs::read_dir(dir.path()).expect("listed").map(|file| file.expect("readable").path()).collect();
    assert_eq!((track(&files, "sent").len(), track(&files, "mix").len()), (4_800, 4_800));
}
