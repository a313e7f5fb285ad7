//! What the recorder promises: aligned files, a full disk survived, nothing lost at the end. Time is told, not waited for.

use super::*;
use crate::engine::tap::{TapWriter, tap};
use crate::os::wav::WavReader;
use crossbeam_channel::bounded;

struct Desk {
    recorder: Recorder,
    sent: TapWriter,
    notices: Receiver<Notice>,
    now: Instant,
    _dir: tempfile::TempDir,
}

fn desk() -> Desk {
    let dir = tempfile::tempdir().expect("a directory");
    let (notices, [watcher]) = Notices::new::<1>();
    let (sent, reader) = tap(96_000);
    Desk { recorder: Recorder::new(dir.path().join("tapes"), reader, notices), sent, notices: watcher, now: Instant::now(), _dir: dir }
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
            Notice::Recording { files } => Some(files),
            _ => None,
        });
        recordings.filter(|files| !files.is_empty()).last().unwrap_or_default()
    }
}

fn samples_of(path: &Path) -> Vec<f32> {
    let mut reader = WavReader::open(path).expect("a WAV");
    let mut samples = vec![0.0; 2_000_000];
    let count = reader.read(&mut samples).expect("readable");
    samples.truncate(count);
    samples
}

/// The first sample that is not silence.
fn onset(samples: &[f32]) -> usize {
    samples.iter().position(|sample| sample.abs() > 0.01).expect("some sound")
}

#[test]
fn both_sides_of_a_call_are_aligned_in_time() {
    let mut desk = desk();
    desk.record(Switch::On);
    let mut heard = desk.peer(0, "[::1]:5005 ../Büro");
    // The peer speaks for a second from the start; this side answers for half a second, 1.2 s later, then all is quiet.
    for tick in 0..30 {
        if tick < 10 {
            heard.write(&[0.3; 4_800])
        } else {
            heard.skip(4_800)
        }
        if (12..17).contains(&tick) {
            desk.sent.write(&[0.6; 4_800])
        } else {
            desk.sent.skip(4_800)
        }
        desk.pass(100);
    }
    let files = desk.files();
    desk.record(Switch::Off);
    let names: Vec<&str> = files.iter().map(|file| file.file_name().and_then(|name| name.to_str()).expect("a name")).collect();
    assert!(names[0].ends_with("_heard_1__5005_.._Büro.wav") && names[1].ends_with("_sent.wav"), "{names:?}");
    let (heard, sent) = (samples_of(&files[0]), samples_of(&files[1]));
    assert_eq!((onset(&heard), heard.iter().filter(|s| s.abs() > 0.01).count()), (0, 48_000));
    assert_eq!((onset(&sent), sent.iter().filter(|s| s.abs() > 0.01).count()), (57_600, 24_000));
    assert!(heard.len().abs_diff(sent.len()) <= 480, "{} {}", heard.len(), sent.len());
    assert!(sent.len().abs_diff(30 * 4_800) <= 480);
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
    let files = desk.files();
    desk.record(Switch::Off);
    let heard = samples_of(&files[0]);
    assert!(heard[96_000..144_000].iter().all(|s| *s == 0.0) && (heard[144_000] - 0.6).abs() < 1e-3);
}

#[test]
fn a_waiting_recorder_writes_nothing_and_each_call_gets_its_own_files() {
    let mut desk = desk();
    desk.record(Switch::On);
    for _ in 0..100 {
        desk.sent.skip(4_800);
        desk.pass(100);
    }
    assert_eq!(desk.files(), [desk.recorder.dir.clone()]);
    let mut first = desk.peer(0, "x");
    first.write(&[0.3; 4_800]);
    desk.pass(100);
    let files = desk.files();
    drop(first);
    desk.pass(100);
    assert_eq!(samples_of(&files[0]).len(), 4_800, "finished when the peer left");
    desk.pass(10_000);
    let mut second = desk.peer(0, "x");
    second.write(&[0.3; 480]);
    desk.pass(100);
    let more = desk.files();
    assert!(more.len() == 1 && more != files, "{more:?}");
}

#[test]
fn a_directory_that_cannot_be_made_is_said_and_nothing_else_happens() {
    let mut desk = desk();
    std::fs::write(&desk.recorder.dir, "a file").expect("written");
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
fn a_directory_that_vanishes_is_said_once_and_the_recording_goes_on_when_it_is_back() {
    let mut desk = desk();
    desk.record(Switch::On);
    std::fs::remove_dir(&desk.recorder.dir).expect("removed");
    for _ in 0..5 {
        desk.sent.write(&[0.5; 4_800]);
        desk.pass(100);
    }
    let problems = desk.notices.try_iter().filter(|notice| matches!(notice, Notice::Problem(_))).count();
    assert_eq!(problems, 1);
    std::fs::create_dir(&desk.recorder.dir).expect("made");
    for _ in 0..15 {
        desk.sent.write(&[0.5; 4_800]);
        desk.pass(100);
    }
    let notices: Vec<Notice> = desk.notices.try_iter().collect();
    assert!(notices.iter().any(|notice| matches!(notice, Notice::Info(sentence) if sentence.contains("goes on"))), "{notices:?}");
    desk.record(Switch::Off);
    let files: Vec<_> = std::fs::read_dir(&desk.recorder.dir).expect("listed").collect();
    assert_eq!(files.len(), 1);
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
    let thread = spawn(&settings, commanded, reader, ledger).expect("a thread");
    let armed = watcher.recv_timeout(Duration::from_secs(10));
    assert_eq!(armed, Ok(Notice::Recording { files: vec![dir.path().into()] }));
    sent.write(&[0.5; 4_800]);
    drop(commands);
    thread.join().expect("no panic");
    let file = std::fs::read_dir(dir.path()).expect("listed").next().expect("a file").expect("readable").path();
    assert_eq!(samples_of(&file).len(), 4_800);
}

#[test]
fn a_peers_name_makes_a_harmless_file_name() {
    assert_eq!(file_name("../../etc/passwd"), "etc_passwd");
    assert_eq!(file_name("\u{1b}[31m"), "31m");
    assert_eq!(file_name("..."), "peer");
    assert_eq!(file_name("10.0.0.7:5005"), "10.0.0.7_5005");
}
