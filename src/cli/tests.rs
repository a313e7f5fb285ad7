//! What the command line promises: what each combination starts, and every refusal.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::engine::{AutoAnswer, CommandInput, RecordFormat};
use crate::session::KnownPeers;
use crate::session::trust::Who;
use crate::ui::ThemeChoice;
use crate::units::Format;

fn ask(line: &str) -> Result<Invocation, Refusal> {
    parse(std::iter::once("voicetui").chain(line.split_whitespace()).map(Into::into), || Ok(Config::default()))
}

fn start(line: &str) -> Start {
    match ask(line).unwrap_or_else(|error| panic!("{line}: {error:?}")) {
        Invocation::Screen(start, _) | Invocation::Plain(start) | Invocation::Json(start) => start,
        other => panic!("{other:?} is no call"),
    }
}

fn refusal(line: &str) -> String {
    match ask(line).expect_err(line) {
        Refusal::Usage(error) => error.to_string(),
        Refusal::Config(error) => error.to_string(),
    }
}

#[test]
fn a_bare_start_opens_the_screen_and_an_address_is_called() {
    assert!(matches!(ask(""), Ok(Invocation::Screen(start, _)) if start.call.is_none()));
    for address in ["10.0.1.217", "10.0.1.217:6000", "workshop", "2001:db8::1", "[2001:db8::1]:6000", "devices:5005"] {
        assert_eq!(start(address).call.as_deref(), Some(address));
    }
}

#[test]
fn a_measuring_rig_starts_both_ends() {
    let listen = start("--json --host alsa --bind 127.0.0.1 --port 5010 --auto-answer all --allow-unsealed");
    let settings = listen.settings;
    assert_eq!((settings.host.as_deref(), settings.bind, settings.port), (Some("alsa"), IpAddr::V4(Ipv4Addr::LOCALHOST), 5010));
    assert_eq!((settings.auto_answer, settings.allow_unsealed, settings.commands), (AutoAnswer::All, true, CommandInput::Stdin));
    let call = ask("--json --host alsa --bind 127.0.0.1 --port 5012 --open 127.0.0.1:5011").expect("understood");
    assert!(matches!(&call, Invocation::Json(start) if start.settings.open && start.call.as_deref() == Some("127.0.0.1:5011")), "{call:?}");
    assert_eq!(start("--format pcm ::1").settings.format, Format::Pcm);
}

#[test]
fn every_option_reaches_its_setting() {
    let all = "--plain --stdin none --for 90 --no-ctl --input voice --output null --record tapes --format pcm --open --name me \
        --talk-timeout 30s --ring-timeout 5m --bitrate 64k --frame 20 --delay ..120 --log x.log --log-level debug";
    let start = start(all);
    let settings = start.settings;
    assert_eq!((settings.commands, settings.ctl, settings.run_for), (CommandInput::None, false, Some(Duration::from_secs(90))));
    assert_eq!((settings.input.join("+"), settings.output.join("+"), settings.name.as_str()), ("voice".into(), "null".into(), "me"));
    assert_eq!((settings.record, settings.record_dir), (Some(PathBuf::from("tapes")), PathBuf::from("tapes")));
    let recording = self::start("--record tapes --record-dir asked --record-format opus").settings;
    assert_eq!((recording.record, recording.record_dir), (Some(PathBuf::from("tapes")), PathBuf::from("asked")));
    assert_eq!((recording.record_format, settings.record_format), (RecordFormat::Opus, RecordFormat::Wav));
    assert_eq!((settings.format, settings.open, settings.bitrate, settings.frame_ms), (Format::Pcm, true, 64_000, 20));
    assert_eq!(self::start("--auto-answer known --open-on-answer").settings.auto_answer, AutoAnswer::Known);
    assert!(self::start("--open-on-answer").settings.open_on_answer && !settings.open_on_answer);
    assert_eq!((settings.delay.min_ms, settings.delay.max_ms), (0, 120));
    assert_eq!((settings.talk_timeout.as_secs(), settings.ring_timeout.as_secs()), (30, 300));
    assert_eq!((start.log, start.log_level), (Some(PathBuf::from("x.log")), LevelFilter::DEBUG));
    let Ok(Invocation::Screen(_, ui)) = ask("--theme 16 --calm --ascii --no-mouse --no-bell --notify") else { panic!("the screen") };
    assert_eq!(ui, UiOptions { theme: ThemeChoice::Sixteen, calm: true, ascii: true, mouse: false, bell: false, notify: true });
    let voice = self::start("--voice-activation --voice-sensitivity 65 --voice-hang 800").settings;
    assert!(voice.voice_activation && !settings.voice_activation && !voice.open);
    assert_eq!((voice.voice.sensitivity, voice.voice.hang_ms), (65, 800));
    assert!(!self::start("--voice-activation --no-voice-activation").settings.voice_activation);
    assert!(self::start("--private").settings.private && !self::start("--private --no-private").settings.private && !settings.private);
    assert!(self::start("--demo").demo);
    assert!(!self::start("--open --no-open").settings.open);
    assert_eq!(self::start("--port 1 --port 2").settings.port, 2);
}

#[test]
fn the_other_jobs_are_understood() {
    assert_eq!(ask("devices --host alsa").ok(), Some(Invocation::Devices { host: Some("alsa".into()) }));
    assert_eq!(ask("ctl talk hold").ok(), Some(Invocation::Ctl { instance: None, line: "talk hold".into() }));
    assert_eq!(ask("ctl --instance 7 call ::1 pcm").ok(), Some(Invocation::Ctl { instance: Some(7), line: "call ::1 pcm".into() }));
    assert_eq!((ask("id").ok(), ask("passphrase").ok()), (Some(Invocation::Id), Some(Invocation::Passphrase)));
    assert_eq!(ask("config").ok(), Some(Invocation::Config));
    assert_eq!(ask("completions zsh").ok(), Some(Invocation::Completions(Shell::Zsh)));
    assert_eq!(ask("man").ok(), Some(Invocation::Man));
    assert!(matches!(ask("--sdp --port 6000"), Ok(Invocation::Sdp(settings)) if settings.port == 6000));
}

#[test]
fn what_is_known_of_peers_can_be_changed() {
    let who = || Who::Name("workshop".into());
    assert_eq!(ask("peers").ok(), Some(Invocation::Peers(None)));
    for (line, edit) in [
        ("forget workshop", Edit::Forget("workshop".into())),
        ("verify workshop", Edit::Verify(who(), true)),
        ("unverify workshop", Edit::Verify(who(), false)),
        ("connect workshop", Edit::Connect(who(), true)),
        ("ring workshop", Edit::Connect(who(), false)),
        ("block workshop", Edit::Block(who(), true)),
        ("unblock workshop", Edit::Block(who(), false)),
        ("rename workshop bench", Edit::Rename { from: "workshop".into(), to: "bench".into() }),
    ] {
        assert_eq!(ask(&format!("peers {line}")).ok(), Some(Invocation::Peers(Some(edit))), "{line}");
    }
    let mut known = KnownPeers::default();
    assert!(peer_table(&known).starts_with("Nobody is known yet"));
    let (key, address) = (crate::session::PublicKey([1; 32]), ([10, 0, 0, 7], 5005).into());
    known.apply(&Edit::Pin { name: "workshop".into(), key, address }).expect("pinned");
    assert_eq!(peer_table(&known), format!("workshop  not verified, last at 10.0.0.7:5005\n    {key}\n"));
    let known = KnownPeers::parse(format!("{}nonsense\n", known.print()).as_bytes()).expect("readable");
    assert!(peer_table(&known).contains("\nLine 4 of known_peers is not understood: a line has four fields"));
}

#[test]
fn every_refusal_says_why() {
    for (line, reason) in [
        ("--plain --json", "two ways of printing: choose one"),
        ("--demo 10.0.0.1", "give no address with it"),
        ("--sdp 10.0.0.1", "give no address with it"),
        ("--sdp --demo", "cannot go with --demo"),
        ("--sdp --plain", "cannot go with --plain"),
        ("--sdp --json", "cannot go with --json"),
        ("--passphrase --passphrase-file x", "choose one"),
        ("--format pcm --passphrase ::1", "is for sealed calls"),
        ("--format rtp --passphrase-file x ::1", "is for sealed calls"),
        ("--private --format rtp ::1", "--private is for sealed calls"),
        ("--format pcm --private", "--private is for sealed calls"),
        ("peers forget", "NAME"),
        ("peers rename a", "NEW_NAME"),
        ("--plain id", "one of the two"),
        ("--stdin none", "standard input is the keyboard"),
        ("--stdin maybe --plain", "commands, none"),
        ("--format opus", "rtp, pcm"),
        ("--host oss", "possible values"),
        ("--port 65536", "1 to 65535"),
        ("--bind localhost", "address of this machine"),
        ("--bitrate 5999", "6000 to 510000"),
        ("--frame 15", "10, 20"),
        ("--for 0", "at least 1ms"),
        ("--talk-timeout soon", "number of seconds"),
        ("--auto-answer friends", "none, known, all"),
        ("--theme mauve", "auto, dark, light, 16, none"),
        ("--log-level loud", "error, warn, info, debug, trace"),
        ("0.0.0.0", "not called"),
        ("10.0.0.1 10.0.0.2", "unexpected argument"),
        ("host:0", "1 to 65535"),
        ("--nonsense", "unexpected argument"),
        ("ctl", "WORDS"),
        ("--plain devices", "one of the two"),
        ("10.0.0.1 devices", "one of the two"),
        ("completions tcsh", "possible values"),
    ] {
        let error = refusal(line);
        assert!(error.contains(reason), "{line}: {error}");
    }
}

#[test]
fn every_format_is_offered() {
    let refusal = refusal("--format opus");
    assert!(["sealed", "rtp", "pcm"].iter().all(|format| refusal.contains(format)), "{refusal}");
}

#[test]
fn the_config_file_is_not_needed_where_it_does_not_matter() {
    let broken = || Err(Config::parse("x = 1", PathBuf::from("c")).expect_err("broken"));
    let ask = |line: &str| parse(["voicetui", line].map(Into::into), broken);
    assert!(ask("man").is_ok() && ask("config").is_ok());
    assert!(matches!(ask("--plain"), Err(Refusal::Config(_))));
}

#[test]
fn a_private_config_gives_way_to_a_format_that_is_typed() {
    let with = |text: &'static str, line: &str| {
        parse(line.split_whitespace().map(Into::into), || Ok(Config::parse(text, PathBuf::from("c")).expect("a config")))
    };
    assert!(with("private = true", "voicetui --format rtp ::1").is_ok());
    assert!(with("private = true\nformat = \"rtp\"", "voicetui ::1").is_err());
    assert!(with("format = \"rtp\"", "voicetui --private ::1").is_err());
    assert!(matches!(with("private = true", "voicetui"), Ok(Invocation::Screen(start, _)) if start.settings.private));
}

#[test]
fn the_definitions_hold_together() {
    command().debug_assert();
    assert!(String::from_utf8(manual()).is_ok_and(|page| page.contains("talk\\-timeout") && page.contains(".SH FILES")));
    assert!(String::from_utf8(completions(Shell::Bash)).is_ok_and(|script| script.contains("--talk-timeout")));
}

#[test]
fn the_table_of_devices_is_grouped_and_aligned() {
    let device = |host: &str, direction, id: &str, name: &str, is_default| DeviceEntry {
        host: host.into(),
        direction,
        id: id.into(),
        name: name.into(),
        is_default,
        detail: "2 channels".into(),
    };
    let devices = [
        device("alsa", Direction::Input, "hw:0", "USB \u{1b}[31mHeadset", true),
        device("alsa", Direction::Output, "hw:0", "USB Headset", false),
        device("alsa", Direction::Input, "pulse", "麦克风", false),
    ];
    let table = device_table(&devices);
    let expected = "--input, host alsa:\n\
        * hw:0   USB [31mHeadset   2 channels\n  pulse  麦克风           2 channels\n\n\
        --output, host alsa:\n  hw:0   USB Headset      2 channels\n";
    assert_eq!(table.replace(' ', ""), expected.replace(' ', ""));
    let columns: Vec<usize> = table.lines().filter_map(|line| Some(line[..line.find("2 channels")?].width())).collect();
    assert!(columns.windows(2).all(|pair| pair[0] == pair[1]), "{columns:?}\n{table}");
    assert!(device_table(&[]).contains("No sound devices"));
}

#[test]
fn the_doctor_takes_the_options_of_what_it_looks_at_and_no_others() {
    let Ok(Invocation::Doctor(asked)) = ask("doctor workshop.lan:6000 --input voice --port 6001 --ascii --json") else {
        panic!("understood")
    };
    assert_eq!((asked.peer.as_deref(), asked.json, asked.ui.ascii), (Some("workshop.lan:6000"), true, true));
    assert_eq!((asked.settings.input.join(" "), asked.settings.port), ("voice".into(), 6_001));
    let Ok(Invocation::Doctor(asked)) = ask("doctor") else { panic!("understood") };
    assert_eq!((asked.peer, asked.json), (None, false));
    for line in ["doctor --demo", "doctor --open", "doctor --auto-answer all", "doctor --plain", "doctor 10.0.0.1 --record x"] {
        assert!(refusal(line).contains("looks and reports"), "{line}: {}", refusal(line));
    }
    assert!(refusal("--port 6001 doctor").contains("one of the two"));
}
