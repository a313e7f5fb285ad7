//! Keys pressed, notices heard: what the app does, and what it says when it cannot.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::*;
use crate::engine::{Notice, Reason, Target};
use crate::ui::fake;
use crate::ui::keymap::Context;

fn app() -> App {
    App::new(vec!["earlier".into()], jiff::tz::TimeZone::UTC)
}

fn press(app: &mut App, snapshot: &Snapshot, keys: &str) {
    for c in keys.chars() {
        let code = match c {
            '\n' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            '\t' => KeyCode::Tab,
            other => KeyCode::Char(other),
        };
        app.handle_key(&KeyEvent::new(code, KeyModifiers::NONE), snapshot);
    }
}

fn effects(app: &mut App) -> Vec<Effect> {
    std::iter::from_fn(|| app.poll_effect()).collect()
}

fn commands(app: &mut App) -> Vec<Command> {
    let command = |effect| if let Effect::Command(command) = effect { Some(command) } else { None };
    effects(app).into_iter().filter_map(command).collect()
}

/// In a call with one peer, named alice; the address field is left.
fn in_call() -> (App, Snapshot) {
    let (mut app, snapshot) = (app(), fake::call(vec![fake::peer(0)]));
    fake::introduce(&mut app, &snapshot, &[("alice", "10.0.1.217")]);
    app.tick(&snapshot);
    effects(&mut app);
    (app, snapshot)
}

#[test]
fn it_starts_in_the_address_field_and_enter_calls() {
    let (mut app, idle) = (app(), fake::idle());
    press(&mut app, &idle, "q10.0.1.217 \n");
    assert_eq!(commands(&mut app), [Command::Call { address: "q10.0.1.217".into(), format: None }]);
    assert!(app.field_focused(), "until the engine takes the call, the text can be mended");
    app.handle_notice(Notice::Peer { id: fake::id(0), address: "q10.0.1.217".into(), format: Format::Rtp, incoming: false }, idle.now);
    assert_eq!((app.field_focused(), app.field.text(), app.field.called().len()), (false, "", 2));
    assert_eq!(effects(&mut app), [Effect::KeepCalled]);
}

#[test]
fn an_empty_address_calls_nobody_and_says_so() {
    let (mut app, idle) = (app(), fake::idle());
    press(&mut app, &idle, "  \n");
    assert_eq!(commands(&mut app), []);
    assert!(app.message().expect("a word").text.starts_with("Type an address first"));
}

#[test]
fn every_refused_key_says_why_and_does_nothing() {
    let (mut app, idle) = (app(), fake::idle());
    press(&mut app, &idle, "\x1b");
    for key in ["o", "t", "h", "H", "a", "d", "A", "b", "p", "v", "V", "+", "-", "M"] {
        app.messages.clear();
        press(&mut app, &idle, key);
        assert_eq!(effects(&mut app), [], "{key}");
        assert!(app.message().is_some(), "{key} says why");
    }
}

#[test]
fn the_keys_of_a_call_become_its_commands() {
    let (mut app, snapshot) = in_call();
    press(&mut app, &snapshot, "ot.,m+-][DrhH");
    let slot = || Target::Slot(fake::id(0));
    let wanted = [
        Command::Open(Switch::Toggle),
        Command::Voice(Switch::Toggle),
        Command::Sensitivity(55),
        Command::Sensitivity(45),
        Command::Mute(Switch::Toggle),
        Command::Volume { target: slot(), percent: 105 },
        Command::Volume { target: slot(), percent: 95 },
        Command::Volume { target: Target::All, percent: 105 },
        Command::Volume { target: Target::All, percent: 95 },
        Command::Deafen(Switch::Toggle),
        Command::Record(Switch::Toggle),
        Command::Hangup(slot()),
        Command::Hangup(Target::All),
    ];
    assert_eq!(commands(&mut app), wanted);
    press(&mut app, &snapshot, "M");
    assert_eq!(effects(&mut app), [Effect::MutePeer(fake::id(0), true)]);
}

#[test]
fn a_ring_is_answered_or_declined_and_never_from_a_text_field() {
    let (mut app, mut snapshot) = (app(), fake::call(vec![fake::peer(0), fake::peer(3)]));
    snapshot.peers[1].state = CallState::Ringing;
    fake::introduce(&mut app, &snapshot, &[("alice", "a"), ("bob", "b")]);
    app.tick(&snapshot);
    app.mode = Mode::Field;
    effects(&mut app);
    press(&mut app, &snapshot, "ad");
    assert_eq!((commands(&mut app), app.field.text()), (vec![], "ad"));
    press(&mut app, &snapshot, "\x1bad");
    assert_eq!(commands(&mut app), [Command::Answer(Target::Slot(fake::id(3))), Command::Decline(Target::Slot(fake::id(3)))]);
}

#[test]
fn the_field_loses_the_focus_when_a_call_is_live() {
    let mut app = app();
    let now = Instant::now();
    app.handle_notice(Notice::Peer { id: fake::id(0), address: "b".into(), format: Format::Rtp, incoming: true }, now);
    assert!(app.field_focused());
    app.handle_notice(Notice::State { id: fake::id(0), state: CallState::Live }, now);
    assert!(!app.field_focused());
}

#[test]
fn quitting_a_call_asks_once_and_ctrl_c_does_not() {
    let (mut app, snapshot) = in_call();
    press(&mut app, &snapshot, "q");
    assert_eq!((effects(&mut app), &app.mode), (vec![], &Mode::Quit));
    press(&mut app, &snapshot, "\x1b");
    assert_eq!(app.mode, Mode::Main);
    press(&mut app, &snapshot, "qq");
    assert_eq!(effects(&mut app), [Effect::Quit]);
    for mode in [Mode::Main, Mode::Field, Mode::Help { scroll: 0 }, Mode::Picker(Picker::default()), Mode::Quit] {
        app.mode = mode;
        app.handle_key(&KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL), &snapshot);
        assert_eq!(effects(&mut app), [Effect::Quit]);
    }
    let (mut app, idle) = (self::app(), fake::idle());
    press(&mut app, &idle, "\x1bq");
    assert_eq!(effects(&mut app), [Effect::Quit]);
}

#[test]
fn tab_and_digits_switch_views() {
    let (mut app, snapshot) = in_call();
    let mut seen = vec![app.view];
    for key in ["\t", "\t", "\t", "\t", "3", "1"] {
        press(&mut app, &snapshot, key);
        seen.push(app.view);
    }
    use View::{Listen, Network, Peers, Talk};
    assert_eq!(seen, [Talk, Listen, Network, Peers, Talk, Network, Talk]);
}

#[test]
fn the_picker_lists_tests_the_level_and_switches_devices() {
    let (mut app, snapshot) = in_call();
    press(&mut app, &snapshot, "i");
    assert_eq!(commands(&mut app), [Command::ListDevices, Command::LevelTest(Switch::On)]);
    press(&mut app, &snapshot, "\n");
    assert_eq!(commands(&mut app), [Command::Input("silence".into())]);
    press(&mut app, &snapshot, "\t\n\x1b");
    assert_eq!(commands(&mut app), [Command::Output("null".into()), Command::LevelTest(Switch::Off)]);
    assert_eq!(app.mode, Mode::Main);
}

#[test]
fn a_held_key_does_not_toggle_again_and_again() {
    let (mut app, snapshot) = in_call();
    let repeat = |c| KeyEvent::new_with_kind(KeyCode::Char(c), KeyModifiers::NONE, KeyEventKind::Repeat);
    for c in ['m', 'o', 'h', 'q', 'r'] {
        app.handle_key(&repeat(c), &snapshot);
    }
    assert_eq!((effects(&mut app), &app.mode), (vec![], &Mode::Main));
    app.handle_key(&repeat('+'), &snapshot);
    assert_eq!(commands(&mut app).len(), 1);
}

#[test]
fn a_paste_never_acts_as_keys() {
    let (mut app, _) = in_call();
    app.handle_paste("hqHq\nq");
    assert_eq!((effects(&mut app), app.field.text(), app.field_focused()), (vec![], "hqHq", true));
}

#[test]
fn the_selection_survives_whoever_leaves() {
    let (mut app, mut snapshot) = (app(), fake::call(vec![fake::peer(0), fake::peer(2), fake::peer(5)]));
    app.mode = Mode::Main;
    app.tick(&snapshot);
    press(&mut app, &snapshot, "jjjj");
    assert_eq!(app.selected, Some(fake::id(5)));
    press(&mut app, &snapshot, "k");
    assert_eq!(app.selected, Some(fake::id(2)));
    snapshot.peers.remove(1);
    app.tick(&snapshot);
    assert_eq!(app.selected, Some(fake::id(0)));
    snapshot.peers.clear();
    app.tick(&snapshot);
    assert_eq!(app.selected, None);
}

#[test]
fn what_a_peer_calls_itself_cannot_steer_the_terminal() {
    let (mut app, snapshot) = in_call();
    let hostile = "\x1b[2J\u{9b}1mEve\u{202e}\n".to_string();
    app.handle_notice(Notice::Name { id: fake::id(0), name: hostile }, snapshot.now);
    assert_eq!(app.name(fake::id(0)), "[2J1mEve");
    assert!(app.title(&snapshot).chars().all(|c| !c.is_control()));
    app.handle_notice(Notice::Name { id: fake::id(0), name: "\x1b\x07".into() }, snapshot.now);
    assert_eq!(app.name(fake::id(0)), "10.0.1.217", "a name of nothing is no name");
}

#[test]
fn the_title_says_on_air_running_and_ringing() {
    let (app, mut snapshot) = in_call();
    assert_eq!(app.title(&snapshot), "(microphone ready) alice - voicetui");
    snapshot.voice_armed = true;
    assert_eq!(app.title(&snapshot), "(voice activation: listening) alice - voicetui");
    snapshot.on_air = true;
    assert_eq!(app.title(&snapshot), "(ON AIR) alice - voicetui");
    snapshot.on_air = false;
    snapshot.measuring = true;
    assert_eq!(app.title(&snapshot), "(measuring) alice - voicetui");
    snapshot.measuring = false;
    snapshot.peers[0].state = CallState::Ringing;
    assert_eq!(app.title(&snapshot), "(ringing) alice is calling - voicetui");
    assert_eq!(app.title(&fake::idle()), "voicetui");
}

#[test]
fn who_talks_while_muted_is_told_what_unmutes() {
    let (mut app, snapshot) = in_call();
    app.handle_notice(Notice::MutedTalk, snapshot.now);
    assert_eq!(app.message().map(|message| message.text.as_str()), Some("You are muted; m unmutes."));
    app.tick(&Snapshot { muted: true, ..snapshot.clone() });
    assert!(app.message().is_some());
    app.tick(&snapshot);
    assert_eq!(app.message(), None, "it is true no more");
}

#[test]
fn how_a_call_ended_is_said_and_problems_stay_longer() {
    let (mut app, mut snapshot) = in_call();
    app.handle_notice(Notice::Problem("No route to 10.9.9.9: check the network.".into()), snapshot.now);
    app.handle_notice(Notice::State { id: fake::id(0), state: CallState::Ended(Reason::NoAnswer) }, snapshot.now);
    assert_eq!(app.message().expect("a problem").tone, Tone::Problem);
    snapshot.now += Duration::from_secs(4);
    app.handle_notice(Notice::Info("The loudspeaker is a headset.".into()), snapshot.now);
    assert_eq!(app.message().expect("the answer to a key").tone, Tone::Info);
    snapshot.now += Duration::from_secs(7);
    app.tick(&snapshot);
    assert_eq!(app.message().expect("a problem again").tone, Tone::Problem);
    snapshot.now += Duration::from_secs(5);
    app.tick(&snapshot);
    assert_eq!(app.message(), None);
    app.handle_notice(Notice::State { id: fake::id(0), state: CallState::Ended(Reason::NoAnswer) }, snapshot.now);
    assert_eq!(app.message().expect("a word").text, "alice did not answer.");
}

#[test]
fn sleep_unkeys_and_missed_calls_are_bounded() {
    let (mut app, snapshot) = in_call();
    app.handle_notice(Notice::Slept(Duration::from_secs(61)), snapshot.now);
    assert_eq!(effects(&mut app), [Effect::Slept]);
    for n in 0..200 {
        app.handle_notice(Notice::Missed { address: format!("host{n}\x1b[31m"), at: SystemTime::UNIX_EPOCH }, snapshot.now);
    }
    assert_eq!((app.missed.len(), app.missed[0].address.as_str()), (MISSED_MAX, "host199[31m"));
}

#[test]
fn the_bell_sounds_until_nobody_rings() {
    let (mut app, mut snapshot) = (app(), fake::call(vec![fake::peer(0)]));
    snapshot.peers[0].state = CallState::Ringing;
    app.handle_notice(Notice::Peer { id: fake::id(0), address: "10.0.1.9:5005".into(), format: Format::Rtp, incoming: true }, snapshot.now);
    app.handle_notice(Notice::State { id: fake::id(0), state: CallState::Ringing }, snapshot.now);
    assert_eq!(effects(&mut app), [Effect::Ring(Some("10.0.1.9:5005 is calling".into()))]);
    let mut rings = 0;
    for _ in 0..100 {
        snapshot.now += Duration::from_millis(125);
        app.tick(&snapshot);
        rings += effects(&mut app).into_iter().filter(|effect| *effect == Effect::Ring(None)).count();
    }
    assert_eq!(rings, 3, "in 12.5 s");
    snapshot.peers[0].state = CallState::Live;
    snapshot.now += Duration::from_secs(60);
    app.tick(&snapshot);
    snapshot.peers[0].state = CallState::Ringing;
    app.tick(&snapshot);
    assert_eq!(effects(&mut app), []);
}

#[test]
fn a_sealed_peer_is_verified_once_and_the_mark_can_be_taken_back() {
    let (mut app, mut snapshot) = in_call();
    press(&mut app, &snapshot, "v");
    assert_eq!(commands(&mut app), [], "there are no words in a call in the clear");
    let sealed = |verified| Notice::Sealed { id: fake::id(0), sealed: fake::sealed(None, verified) };
    app.handle_notice(sealed(false), snapshot.now);
    let key = fake::sealed(None, false).key;
    read_words(&mut app, &mut snapshot);
    press(&mut app, &snapshot, "Vv");
    assert_eq!(commands(&mut app), [Command::Verify(Target::Key(key), true)]);
    app.handle_notice(sealed(true), snapshot.now);
    press(&mut app, &snapshot, "vV");
    assert_eq!(commands(&mut app), [Command::Verify(Target::Key(key), false)]);
}

/// The words of peer 0 are on the screen for as long as it takes to read them.
fn read_words(app: &mut App, snapshot: &mut Snapshot) {
    app.saw_words(Some(fake::sealed(None, false).key), snapshot.now);
    snapshot.now += Duration::from_millis(500);
}

#[test]
fn words_that_change_in_a_call_are_told() {
    let (mut app, snapshot) = in_call();
    let sealed = |sas, verified| Notice::Sealed { id: fake::id(0), sealed: Sealed { sas, ..fake::sealed(None, verified) } };
    for (notice, says) in [(sealed(1, false), false), (sealed(1, false), false), (sealed(2, true), false), (sealed(3, false), true)] {
        app.handle_notice(notice, snapshot.now);
        assert_eq!(app.message().is_some_and(|message| message.text.contains("words of alice have changed")), says);
    }
}

#[test]
fn nobody_is_verified_whose_words_nobody_can_have_read() {
    let (mut app, mut snapshot) = in_call();
    app.handle_notice(Notice::Sealed { id: fake::id(0), sealed: fake::sealed(None, false) }, snapshot.now);
    let refuses = |app: &mut App, snapshot: &Snapshot| {
        press(app, snapshot, "v");
        assert_eq!(commands(app), []);
        assert!(app.message().is_some_and(|message| message.text.contains("Compare the four words first")));
    };
    refuses(&mut app, &snapshot);
    // Somebody else's are not its.
    app.saw_words(Some(PublicKey([1; 32])), snapshot.now);
    snapshot.now += Duration::from_secs(5);
    refuses(&mut app, &snapshot);
    app.saw_words(Some(fake::sealed(None, false).key), snapshot.now);
    snapshot.now += Duration::from_millis(400);
    app.saw_words(Some(fake::sealed(None, false).key), snapshot.now);
    refuses(&mut app, &snapshot);
    // Covered in between, they begin anew.
    app.saw_words(None, snapshot.now);
    read_words(&mut app, &mut snapshot);
    press(&mut app, &snapshot, "v");
    assert_eq!(commands(&mut app).len(), 1);
}

#[test]
fn what_is_being_typed_stays_text_when_a_call_goes_live() {
    let (mut app, mut snapshot) = (app(), fake::call(vec![fake::peer(0)]));
    snapshot.peers[0].state = CallState::Calling;
    fake::introduce(&mut app, &snapshot, &[("alice", "10.0.1.217")]);
    effects(&mut app);
    press(&mut app, &snapshot, "cworksh");
    // Called from elsewhere, and answered.
    app.handle_notice(Notice::Peer { id: fake::id(1), address: "bench".into(), format: Format::Rtp, incoming: false }, snapshot.now);
    for id in [fake::id(0), fake::id(1)] {
        app.handle_notice(Notice::State { id, state: CallState::Live }, snapshot.now);
    }
    press(&mut app, &snapshot, "op");
    assert_eq!(commands(&mut app), []);
    assert_eq!((app.field_focused(), app.field.text()), (true, "workshop"));
    // An empty field gives the keys to the call.
    app.handle_key(&KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL), &snapshot);
    app.handle_notice(Notice::State { id: fake::id(0), state: CallState::Live }, snapshot.now);
    assert!(!app.field_focused());
}

#[test]
fn of_two_who_ring_the_first_is_answered_and_no_key_hits_who_took_its_place() {
    let (mut app, mut snapshot) = (app(), fake::call(vec![fake::peer(0), fake::peer(1), fake::peer(2)]));
    snapshot.peers.iter_mut().for_each(|peer| peer.state = CallState::Ringing);
    fake::introduce(&mut app, &snapshot, &[("", "10.0.0.1:1"), ("", "10.0.0.2:1"), ("", "10.0.0.3:1")]);
    app.mode = Mode::Main;
    app.selected = None;
    for n in [2, 1, 0] {
        app.handle_notice(Notice::State { id: fake::id(n), state: CallState::Ringing }, snapshot.now);
    }
    snapshot.now += Duration::from_secs(1);
    app.selected = Some(fake::id(9));
    let shown = |app: &App, snapshot: &Snapshot| app.ringing(snapshot).map(|peer| peer.id);
    assert_eq!((shown(&app, &snapshot), app.others_ringing(&snapshot)), (Some(fake::id(2)), 2));
    app.ring_on(&snapshot);
    // It gives up while the finger is on its way.
    snapshot.peers.remove(2);
    app.ring_on(&snapshot);
    press(&mut app, &snapshot, "ad");
    assert_eq!(commands(&mut app), []);
    assert_eq!(shown(&app, &snapshot), Some(fake::id(1)));
    snapshot.now += Duration::from_millis(500);
    app.ring_on(&snapshot);
    press(&mut app, &snapshot, "a");
    assert_eq!(commands(&mut app), [Command::Answer(Target::Slot(fake::id(1)))]);
}

#[test]
fn a_known_peer_has_the_name_that_the_user_gave_it() {
    let (mut app, snapshot) = in_call();
    assert_eq!((app.name(fake::id(0)).as_str(), app.own_name(fake::id(0))), ("alice", None));
    app.handle_notice(Notice::Sealed { id: fake::id(0), sealed: fake::sealed(Some("door"), false) }, snapshot.now);
    assert_eq!((app.name(fake::id(0)).as_str(), app.own_name(fake::id(0))), ("door", Some("alice")));
    // An address is no name.
    app.handle_notice(Notice::Sealed { id: fake::id(0), sealed: fake::sealed(Some("10.0.1.217"), false) }, snapshot.now);
    assert_eq!(app.name(fake::id(0)), "alice");
}

#[test]
fn the_title_begins_with_our_own_words_whatever_a_peer_calls_itself() {
    let (mut app, mut snapshot) = in_call();
    app.handle_notice(Notice::Name { id: fake::id(0), name: "(ON AIR) alice".into() }, snapshot.now);
    for state in [CallState::Live, CallState::Ringing, CallState::Calling, CallState::RingingThere] {
        for (running, muted) in [(false, false), (true, false), (true, true)] {
            snapshot.peers[0].state = state;
            (snapshot.mic_running, snapshot.muted) = (running, muted);
            (snapshot.on_air, snapshot.holder) = (false, None);
            let title = app.title(&snapshot);
            assert!(title.starts_with('(') && !title.starts_with("(ON AIR)"), "{title}");
        }
    }
}

#[test]
fn only_a_sealed_caller_can_be_let_in_for_good_or_blocked() {
    let (mut app, mut snapshot) = in_call();
    snapshot.peers[0].state = CallState::Ringing;
    press(&mut app, &snapshot, "Ab");
    assert_eq!(commands(&mut app), []);
    assert!(app.message().is_some_and(|message| message.text.contains("not sealed")));
    app.handle_notice(Notice::Sealed { id: fake::id(0), sealed: fake::sealed(None, false) }, snapshot.now);
    press(&mut app, &snapshot, "Ab");
    let key = || Target::Key(fake::sealed(None, false).key);
    assert_eq!(commands(&mut app), [Command::Admit(key()), Command::Block(key())]);
}

#[test]
fn a_changed_key_is_said_until_it_is_put_away() {
    let (mut app, mut snapshot) = in_call();
    let (pinned, shown) = (PublicKey([1; 32]), PublicKey([2; 32]));
    app.handle_notice(Notice::KeyChanged { address: "work\u{1b}shop".into(), pinned, shown, verified: false }, snapshot.now);
    assert_eq!(effects(&mut app), [Effect::Ring(None)]);
    snapshot.now += Duration::from_secs(3_600);
    app.tick(&snapshot);
    press(&mut app, &snapshot, "c\x1b");
    assert_eq!(app.alarm.as_ref().map(|alarm| alarm.address.as_str()), Some("workshop"), "Esc left the field only");
    press(&mut app, &snapshot, "\x1b");
    assert_eq!(app.alarm, None);
}

#[test]
fn a_call_in_the_clear_is_asked_for_and_needs_the_name_of_whom_we_met_sealed() {
    let (mut app, mut snapshot) = in_call();
    (snapshot.peers[0].state, snapshot.peers[0].format) = (CallState::Calling, Format::Sealed);
    press(&mut app, &snapshot, "p");
    assert_eq!(commands(&mut app), [], "not before it was said");
    app.handle_notice(Notice::Unsealed { id: fake::id(0), met: false }, snapshot.now);
    assert!(app.message().is_some_and(|message| message.text.starts_with("No sealed answer from 10.0.1.217. p calls in the clear")));
    press(&mut app, &snapshot, "p");
    assert_eq!(commands(&mut app), [Command::Clear(Target::Slot(fake::id(0)))]);
    app.handle_notice(Notice::Unsealed { id: fake::id(0), met: true }, snapshot.now);
    press(&mut app, &snapshot, "p\n10.0.1.2 q");
    assert!(app.is_typing() && !app.field_focused());
    press(&mut app, &snapshot, "\n");
    assert_eq!(commands(&mut app), []);
    app.handle_key(&KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL), &snapshot);
    press(&mut app, &snapshot, "10.0.1.217\n");
    assert_eq!(commands(&mut app), [Command::Clear(Target::Named("10.0.1.217".into()))]);
    assert_eq!(app.mode, Mode::Main);
    // It answers sealed after all.
    press(&mut app, &snapshot, "p");
    app.handle_notice(Notice::Sealed { id: fake::id(0), sealed: fake::sealed(None, false) }, snapshot.now);
    app.handle_notice(Notice::State { id: fake::id(0), state: CallState::Live }, snapshot.now);
    assert_eq!(app.mode, Mode::Main);
    press(&mut app, &snapshot, "p");
    assert_eq!(commands(&mut app), []);
}

#[test]
fn the_doctor_is_called_once_and_its_report_is_kept_until_it_is_called_again() {
    let (mut app, snapshot) = in_call();
    press(&mut app, &snapshot, "x");
    assert_eq!((app.mode.context(), effects(&mut app)), (Context::Doctor, vec![Effect::Examine]));
    press(&mut app, &snapshot, "jr\x1bx");
    assert_eq!(effects(&mut app), [], "one at a time");
    app.checkup.running = false;
    press(&mut app, &snapshot, "jjk");
    assert_eq!(app.mode, Mode::Doctor { scroll: 1 });
    press(&mut app, &snapshot, "r");
    assert_eq!(effects(&mut app), [Effect::Examine]);
    press(&mut app, &snapshot, "q");
    assert_eq!((app.mode.clone(), effects(&mut app)), (Mode::Main, vec![]), "q closes the report, not the program");
}
