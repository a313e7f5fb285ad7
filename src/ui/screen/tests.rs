//! Whole screens as text, with keys pressed; sizes from nothing to huge; and what must be seen without colour.
//!
//! With `VOICETUI_PICTURES=DIR` the same scenes are written as terminal output, to be looked at (`cat DIR/talk.ans`).

mod own_voice;

use std::time::{Duration, SystemTime};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::{CrosstermBackend, TestBackend};
use ratatui::buffer::Buffer;

use super::*;
use crate::doctor::{Finding, Report, Section};
use crate::engine::{CallState, DeviceEntry, DeviceStatus, Direction, Holder, Minute, Notice, PublicKey, Reason, Sealed};
use crate::talk::Rung;
use crate::ui::app::{Checkup, KeyReport};
use crate::ui::fake;
use crate::ui::options::{ThemeChoice, UiOptions};
use crate::units::{Format, Level};

/// A moment of the program.
struct Moment {
    app: App,
    snapshot: Snapshot,
    meters: Meters,
    options: UiOptions,
}

impl Moment {
    fn new(snapshot: Snapshot) -> Self {
        let app = App::new(vec!["workshop.lan".into(), "10.0.1.9".into(), "10.0.1.217".into()], jiff::tz::TimeZone::UTC);
        let options = UiOptions { theme: ThemeChoice::Dark, ..UiOptions::default() };
        let mut moment = Self { app, snapshot, meters: Meters::default(), options };
        moment.app.handle_notice(Notice::Listening { address: "[::]:5005".parse().expect("an address") }, moment.snapshot.now);
        moment.app.tick(&moment.snapshot);
        moment
    }

    /// In a call with alice, both talking; bob does not report yet, carol has just declined.
    fn call() -> Self {
        let mut bob = fake::peer(1);
        (bob.heard_lost_percent, bob.heard_delay_ms, bob.speaking, bob.level) = (None, None, false, Level(-48.0));
        (bob.format, bob.received_packets, bob.in_state) = (Format::Pcm, 0, Duration::from_secs(41));
        let mut carol = fake::peer(2);
        (carol.state, carol.speaking, carol.level) = (CallState::Ended(Reason::Declined), false, Level::SILENCE);
        let mut snapshot = fake::call(vec![fake::peer(0), bob, carol]);
        (snapshot.on_air, snapshot.holder) = (true, Some(Holder::Key));
        let mut moment = Self::new(snapshot);
        let names = [("alice", "10.0.1.217"), ("", "10.0.1.9"), ("carol", "workshop.lan")];
        fake::introduce(&mut moment.app, &moment.snapshot, &names);
        let status = |name: &str| DeviceStatus::Open { name: name.into(), id: "hw:1".into(), rate: 48_000, channels: 1, block: Some(240) };
        moment.app.handle_notice(Notice::Device { direction: Direction::Input, status: status("Webcam C920") }, moment.snapshot.now);
        moment.app.handle_notice(Notice::Device { direction: Direction::Output, status: status("Headphones") }, moment.snapshot.now);
        moment.app.key = KeyReport { rung: Rung::Releases, spent: false };
        moment.app.selected = Some(fake::id(0));
        fake::speak(&moment.meters.mic.wave, 1_570, false);
        fake::speak(&moment.meters.peer(fake::id(0)).wave, 1_570, true);
        moment.snapshot.peers[0].minute = Minute::of(&moment.meters.peer(fake::id(0)).wave);
        moment.age();
        moment
    }

    /// The same, with voice activation on, and nobody here talking.
    fn listening() -> Self {
        let mut moment = Self::call();
        let snapshot = &mut moment.snapshot;
        (snapshot.on_air, snapshot.holder, snapshot.voice_armed, snapshot.voice_score) = (false, None, true, Some(0.34));
        moment
    }

    /// Half a minute of history.
    fn age(&mut self) {
        let last = self.snapshot.clone();
        for n in 0..120u64 {
            for peer in &mut self.snapshot.peers {
                let swing = ((n as f32) / 7.0).sin();
                peer.sent_packets += 25 + n % 3;
                peer.received_packets += 25 - n % 2;
                peer.lost_packets += u64::from(n % 17 == 0);
                peer.repaired_packets += u64::from(n % 17 == 1);
                peer.jitter_ms = Some(1.2 + swing * 0.6);
                peer.rtt_ms = Some(3.4 + swing);
                peer.playout_delay_ms = Some(12.3 + 3.0 * swing);
                peer.stack.playout = peer.playout_delay_ms;
            }
            self.snapshot.now += Duration::from_millis(250);
            self.app.tick(&self.snapshot);
        }
        let now = self.snapshot.now;
        self.snapshot = Snapshot { now, ..last };
        self.app.tick(&self.snapshot);
    }

    fn press(mut self, keys: &str) -> Self {
        for c in keys.chars() {
            let code = match c {
                '\n' => KeyCode::Enter,
                '\x1b' => KeyCode::Esc,
                '\t' => KeyCode::Tab,
                other => KeyCode::Char(other),
            };
            self.app.handle_key(&KeyEvent::new(code, KeyModifiers::NONE), &self.snapshot);
        }
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn theme(&self) -> Theme {
        let unicode = |name: &str| (name == "LANG").then(|| "C.UTF-8".to_string());
        let rich = |name: &str| (name == "COLORTERM").then(|| "truecolor".to_string()).or_else(|| unicode(name));
        Theme::new(&self.options, rich)
    }

    fn draw<B: ratatui::backend::Backend>(&self, terminal: &mut Terminal<B>) -> Zones
    where
        B::Error: std::fmt::Debug,
    {
        let theme = self.theme();
        let scene = Scene { app: &self.app, snapshot: &self.snapshot, meters: &self.meters, theme: &theme };
        let mut zones = Zones::default();
        terminal.draw(|frame| zones = draw(frame, &scene)).expect("drawn");
        zones
    }

    fn buffer(&self, width: u16, height: u16) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        self.draw(&mut terminal);
        terminal.backend().buffer().clone()
    }

    fn text(&self, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        self.draw(&mut terminal);
        let lines = terminal.backend().to_string();
        lines.lines().map(|line| line.trim_matches('"').trim_end()).collect::<Vec<_>>().join("\n")
    }
}

fn devices() -> Notice {
    let entry = |direction, id: &str, name: &str, detail: &str, is_default| DeviceEntry {
        host: "alsa".into(),
        direction,
        id: id.into(),
        name: name.into(),
        is_default,
        detail: detail.into(),
    };
    Notice::Devices(vec![
        entry(Direction::Input, "default", "Default", "48 kHz, 2 channels", true),
        entry(Direction::Input, "hw:1", "Webcam C920", "16-48 kHz, 1 channel", false),
        entry(Direction::Input, "hw:2", "Headset H390", "48 kHz, 1 channel", false),
        entry(Direction::Output, "default", "Default", "48 kHz, 2 channels", true),
    ])
}

/// What the doctor has found, or finds.
fn examined(running: bool) -> Checkup {
    let mut report = Report::default();
    report.extend([
        Finding::ok(Section::Program, "version", "voicetui 0.1.0, audio hosts pulseaudio, alsa"),
        Finding::warn(
            Section::Program,
            "priority",
            "nice -11 (real-time: EPERM)",
            "Real-time priority: put the line \"@audio - rtprio 95\" there.",
        ),
        Finding::ok(Section::Sound, "its buffer", "granted 240 frames (5.0 ms), came 120 to 480"),
        Finding::bad(
            Section::Sound,
            "microphone level",
            "delivers only zeros: muted or not permitted",
            "The microphone delivers only zeros: unmute it.",
        ),
        Finding::skipped(Section::Network, "peer", "none was given"),
    ]);
    Checkup { report, running }
}

/// A sealed call with one peer.
fn sealed(known_as: Option<&str>, verified: bool) -> Moment {
    Moment::call().with(|m| {
        m.snapshot.peers.truncate(1);
        m.snapshot.peers[0].format = Format::Sealed;
        m.app.handle_notice(Notice::Sealed { id: fake::id(0), sealed: fake::sealed(known_as, verified) }, m.snapshot.now);
    })
}

/// Scenes of calls that are sealed, or were to be.
fn sealed_scenes() -> Vec<(&'static str, Moment)> {
    let recorded = || {
        sealed(Some("alice.lan"), true).with(|m| m.app.handle_notice(Notice::PeerRecording { id: fake::id(0), on: true }, m.snapshot.now))
    };
    let sealed_ring = || {
        sealed(Some("workshop"), false).with(|m| {
            m.snapshot.peers[0].state = CallState::Ringing;
            (m.snapshot.on_air, m.snapshot.holder) = (false, None);
        })
    };
    let alarm = |m: &mut Moment| {
        let (pinned, shown) = (PublicKey([1; 32]), PublicKey([2; 32]));
        m.app.handle_notice(Notice::KeyChanged { address: "workshop.lan".into(), pinned, shown, verified: true }, m.snapshot.now);
    };
    vec![
        ("sealed", sealed(Some("alice.lan"), false)),
        ("sealed-peers", sealed(None, false).press("4")),
        ("verified", sealed(Some("alice.lan"), true)),
        ("verified-peers", sealed(Some("alice.lan"), true).press("4")),
        ("recorded", recorded()),
        ("recorded-peers", recorded().press("4")),
        ("sealed-ringing", sealed_ring()),
        (
            "wrong-key-ringing",
            sealed_ring().with(|m| {
                let sealed = Sealed { in_place_of: Some("workshop.lan".into()), ..fake::sealed(None, false) };
                m.app.handle_notice(Notice::Sealed { id: fake::id(0), sealed }, m.snapshot.now);
            }),
        ),
        (
            "clear",
            sealed(None, false)
                .with(|m| {
                    m.snapshot.peers[0].state = CallState::Calling;
                    m.app.handle_notice(Notice::Unsealed { id: fake::id(0), met: true }, m.snapshot.now);
                })
                .press("pwork"),
        ),
        ("key-changed", Moment::call().with(alarm)),
    ]
}

/// Every scene that is worth looking at.
fn scenes() -> Vec<(&'static str, Moment)> {
    let doctor = |running: bool| {
        let moment = Moment::new(fake::idle()).with(|m| m.app.checkup = examined(running)).press("\x1bx");
        moment.with(|m| m.app.checkup.running = running)
    };
    let mut scenes = scenes_of_calls();
    scenes.extend([("doctor", doctor(false)), ("doctor-checking", doctor(true))]);
    scenes
}

fn scenes_of_calls() -> Vec<(&'static str, Moment)> {
    let ringing = || {
        Moment::call().with(|m| {
            m.snapshot.peers[2].state = CallState::Ringing;
            (m.snapshot.on_air, m.snapshot.holder) = (false, None);
        })
    };
    let missed = |m: &mut Moment| {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
        m.app.handle_notice(Notice::Missed { address: "10.0.1.40:5005".into(), at }, m.snapshot.now);
    };
    let mut scenes = sealed_scenes();
    scenes.extend([
        ("start", Moment::new(fake::idle())),
        ("talk", Moment::call()),
        ("ready", Moment::call().with(|m| (m.snapshot.on_air, m.snapshot.holder) = (false, None))),
        ("voice-listening", Moment::listening()),
        (
            "voice-on-air",
            Moment::listening()
                .with(|m| (m.snapshot.on_air, m.snapshot.holder, m.snapshot.voice_score) = (true, Some(Holder::Voice), Some(0.93))),
        ),
        ("muted", Moment::call().with(|m| (m.snapshot.on_air, m.snapshot.holder, m.snapshot.muted) = (false, None, true))),
        ("listen", Moment::call().press("2")),
        ("network", Moment::call().press("3")),
        ("network-partly-known", Moment::call().press("3").with(|m| m.snapshot.peers[0].stack.microphone = None)),
        ("network-set", Moment::call().press("3").with(|m| m.snapshot.delay = "100..".parse().expect("a floor"))),
        ("peers", Moment::call().with(missed).press("4j")),
        ("ringing", ringing()),
        ("ringing-in-field", ringing().press("c")),
        ("help", Moment::call().press("?")),
        ("picker", Moment::call().with(|m| m.app.handle_notice(devices(), m.snapshot.now)).press("ij")),
        ("quit", Moment::call().press("q")),
        ("typing", Moment::new(fake::idle()).press("fe80::1%eth0")),
    ]);
    scenes
}

#[test]
fn every_scene_looks_as_it_should_at_every_size() {
    for (name, moment) in scenes() {
        let more: &[(u16, u16)] = if matches!(name, "listen" | "network") { &[(100, 30), (60, 18)] } else { &[] };
        for (width, height) in [(80, 24), (120, 40), (40, 12)].iter().chain(more) {
            insta::assert_snapshot!(format!("{name}-{width}x{height}"), moment.text(*width, *height));
        }
    }
}

/// The row of the banner of a caller with this seal, who calls itself `name`.
fn banner(sealed: &Sealed, name: &str, width: u16) -> String {
    let moment = Moment::call().with(|m| {
        m.snapshot.peers.truncate(1);
        (m.snapshot.peers[0].state, m.snapshot.peers[0].format) = (CallState::Ringing, Format::Sealed);
        (m.snapshot.on_air, m.snapshot.holder) = (false, None);
        m.app.handle_notice(Notice::Name { id: fake::id(0), name: name.into() }, m.snapshot.now);
        m.app.handle_notice(Notice::Sealed { id: fake::id(0), sealed: sealed.clone() }, m.snapshot.now);
    });
    let text = moment.text(width, 24);
    text.lines().find(|line| line.contains("RING")).expect("a banner").to_owned()
}

#[test]
fn a_ring_says_what_the_key_is_worth_however_long_the_caller_makes_its_name() {
    let worth = |sealed: &Sealed| match (&sealed.in_place_of, &sealed.known_as, sealed.verified) {
        (Some(_), ..) => ["NOT the key", "WRONG KEY"],
        (_, _, true) => ["verified"; 2],
        (_, Some(_), _) => ["key as ever", ": known"],
        _ => ["unknown key"; 2],
    };
    let in_place_of = Sealed { in_place_of: Some("workshop.example.org".into()), ..fake::sealed(None, false) };
    for sealed in [fake::sealed(None, false), fake::sealed(Some("workshop"), false), fake::sealed(Some("workshop"), true), in_place_of] {
        for name in ["", "bob", "the front door of the house of my very best friends, verified"] {
            for width in [40, 60, 80, 120] {
                let row = banner(&sealed, name, width);
                // What a caller calls itself does not count as said by us.
                let ours = row.replace(name, "").replace("verified, words", "");
                let says = worth(&sealed).iter().any(|words| ours.contains(words));
                assert!(says, "{width} columns, {name}: {row}");
            }
        }
    }
}

#[test]
fn two_who_ring_are_counted() {
    let moment = Moment::call().with(|m| m.snapshot.peers[1..].iter_mut().for_each(|peer| peer.state = CallState::Ringing));
    for width in [40, 80, 120] {
        assert!(moment.text(width, 24).contains("RING +1"), "{}", moment.text(width, 24));
    }
}

#[test]
fn voice_activation_that_listens_is_not_on_air_and_says_so_in_every_view() {
    for keys in ["", "2", "3", "4"] {
        for (width, height) in [(80, 24), (120, 40), (40, 12)] {
            let text = Moment::listening().press(keys).text(width, height);
            assert!(text.contains("VOICE") && !text.contains("ON AIR"), "{keys}: {text}");
        }
    }
}

#[test]
fn without_colour_and_without_unicode_it_still_says_everything() {
    let mono = Moment::call().with(|m| m.options.theme = ThemeChoice::None).press("2");
    for cell in &mono.buffer(80, 24).content {
        assert_eq!((cell.fg, cell.bg), (ratatui::style::Color::Reset, ratatui::style::Color::Reset));
    }
    let text = mono.text(80, 24);
    assert!(["▚", "▒", "▓", "░", "+", "×"].iter().all(|sign| text.lines().take(14).any(|line| line.contains(sign))), "{text}");
    let ascii = |m: &mut Moment| (m.options.ascii, m.options.theme) = (true, ThemeChoice::None);
    for (name, moment) in [("talk", Moment::call()), ("listen", Moment::call().press("2")), ("network", Moment::call().press("3"))] {
        let text = moment.with(ascii).text(80, 24);
        assert!(text.is_ascii(), "{text}");
        insta::assert_snapshot!(format!("{name}-ascii-80x24"), text);
    }
}

#[test]
fn calm_shows_the_numbers_and_nothing_that_moves_along() {
    for (name, keys) in [("talk", ""), ("listen", "2"), ("network", "3")] {
        let moment = Moment::call().press(keys).with(|m| m.options.calm = true);
        let before = moment.text(80, 24);
        fake::speak(&moment.meters.mic.wave, 777, true);
        fake::speak(&moment.meters.peer(fake::id(0)).wave, 777, true);
        assert_eq!(before, moment.text(80, 24), "new sound scrolls nothing");
        insta::assert_snapshot!(format!("{name}-calm-80x24"), before);
    }
}

#[test]
fn on_air_is_said_in_text_at_every_size_and_in_every_view() {
    for keys in ["", "2", "3", "4", "?", "i", "q", "c"] {
        for (width, height) in [(80, 24), (40, 12), (20, 6)] {
            let text = Moment::call().press(keys).text(width, height);
            assert!(text.contains("ON AIR"), "{keys} {width}x{height}\n{text}");
        }
    }
}

#[test]
fn measuring_is_said_in_text_at_every_size_and_in_every_view() {
    for (width, height) in [(40, 12), (80, 24), (120, 40)] {
        for keys in ["1", "2", "3", "4"] {
            let measuring =
                |moment: &mut Moment| (moment.snapshot.on_air, moment.snapshot.holder, moment.snapshot.measuring) = (false, None, true);
            let text = Moment::call().press(keys).with(measuring).text(width, height);
            assert!(text.contains("MEASURING") && !text.contains("ON AIR"), "{keys} {width}x{height}\n{text}");
        }
    }
}

#[test]
fn no_size_panics() {
    for (_, moment) in scenes() {
        for width in [0, 1, 2, 5, 19, 39, 40, 41, 59, 60, 71, 72, 75, 76, 80, 300] {
            for height in [0, 1, 3, 11, 12, 13, 15, 17, 18, 19, 24, 60] {
                moment.buffer(width, height);
            }
        }
    }
    assert!(Moment::call().with(|m| m.snapshot.on_air = false).text(20, 5).contains("need 40x12"));
}

#[test]
fn sixteen_peers_with_hostile_names_fit_and_stay_text() {
    let mut snapshot = fake::call((0..16).map(fake::peer).collect());
    snapshot.peers[15].state = CallState::Ringing;
    let mut moment = Moment::new(snapshot);
    let names: Vec<(String, String)> = (0..16).map(|n| (format!("\x1b[2J\u{202e}{}", "日本語".repeat(n)), "\x07".repeat(n))).collect();
    let names: Vec<(&str, &str)> = names.iter().map(|(name, address)| (name.as_str(), address.as_str())).collect();
    fake::introduce(&mut moment.app, &moment.snapshot, &names);
    for keys in ["\x1b", "2", "3", "4"] {
        moment = moment.press(keys);
        for (width, height) in [(80, 24), (40, 12)] {
            let text = moment.text(width, height);
            assert!(!text.chars().any(|c| c.is_control() && c != '\n') && !text.contains('\u{202e}'), "{text}");
        }
    }
}

#[test]
fn the_footer_shows_keys_of_the_table_and_only_those_that_do_something() {
    use crate::ui::keymap::{self, Context};
    let last = |moment: &Moment| moment.text(120, 24).lines().last().expect("a footer").to_string();
    for (_, moment) in scenes() {
        let footer = last(&moment);
        let context = moment.app.mode.context();
        let shown: Vec<_> = keymap::of(context).filter(|b| !b.short.is_empty()).collect();
        assert!(shown.iter().any(|b| footer.contains(&format!("{} {}", b.keys[0].name(), b.short))), "{footer}");
        for binding in shown.iter().filter(|b| context == Context::Main && moment.app.refusal(b.action, &moment.snapshot).is_some()) {
            assert!(!footer.contains(&format!(" {} {} ", binding.keys[0].name(), binding.short)), "{footer}");
        }
    }
}

#[test]
fn a_click_finds_what_was_drawn() {
    let moment = Moment::call();
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("a terminal");
    let zones = moment.draw(&mut terminal);
    let text = moment.text(80, 24);
    let at = |words: &str| {
        let (row, line) = text.lines().enumerate().find(|(_, line)| line.contains(words)).expect("drawn");
        (line[..line.find(words).expect("there")].chars().count() as u16, row as u16)
    };
    assert_eq!(zones.view_at(at("2 Listen")), Some(View::Listen));
    assert_eq!(zones.peer_at(at("carol")), Some(fake::id(2)));
    assert!(zones.talk.expect("a button").contains(at("let go to stop").into()));
    assert!(zones.field_at(at("press c to call")));
    let help = moment.press("?");
    assert_eq!(help.draw(&mut terminal).talk, None, "what covers the button takes its clicks");
}

#[test]
fn scenes_can_be_looked_at() {
    let Some(dir) = std::env::var_os("VOICETUI_PICTURES").map(std::path::PathBuf::from) else { return };
    let size = std::env::var("VOICETUI_SIZE").unwrap_or("100x30".into());
    let (width, height) = size.split_once('x').expect("WxH");
    let area = Rect::new(0, 0, width.parse().expect("W"), height.parse().expect("H"));
    crossterm::style::force_color_output(true);
    for (name, mut moment) in scenes() {
        for (suffix, theme) in
            [("", ThemeChoice::Dark), ("-light", ThemeChoice::Light), ("-16", ThemeChoice::Sixteen), ("-mono", ThemeChoice::None)]
        {
            moment.options.theme = theme;
            let fixed = ratatui::TerminalOptions { viewport: ratatui::Viewport::Fixed(area) };
            let mut bytes = b"\x1b[2J\x1b[H\x1b[?25l".to_vec();
            let mut terminal = Terminal::with_options(CrosstermBackend::new(&mut bytes), fixed).expect("a terminal");
            moment.draw(&mut terminal);
            drop(terminal);
            std::fs::write(dir.join(format!("{name}{suffix}.ans")), bytes).expect("written");
        }
    }
}
