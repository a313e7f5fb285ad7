//! The talk key in terminals that report releases and in those that do not.

use std::time::Duration;

use crate::term::{Term, the_program};

const A_MOMENT: Duration = Duration::from_millis(700);

#[test]
fn with_releases_the_first_press_keys_up_and_the_release_unkeys() {
    let mut term = Term::in_call();
    term.stays(false, Duration::from_millis(100));
    term.kitty_space(1);
    term.wait_on_air(true);
    term.wait("ON AIR");
    term.kitty_space(3);
    term.wait_on_air(false);
    term.wait("release reported");
    // From now on releases are trusted: a hold needs no repeats and lasts.
    term.kitty_space(1);
    term.wait_on_air(true);
    term.stays(true, Duration::from_millis(1_800));
    term.kitty_space(3);
    term.wait_on_air(false);
    term.stays(false, Duration::from_millis(200));
    assert_eq!(term.changes(), ["on", "off", "on", "off"]);
}

#[test]
fn a_fresh_press_that_kitty_calls_a_repeat_keys_up() {
    let mut term = Term::in_call();
    term.kitty_space(1);
    term.kitty_space(3);
    term.wait_on_air(false);
    term.kitty_space(2);
    term.wait_on_air(true);
    term.kitty_space(3);
    term.wait_on_air(false);
}

/// Both wake the reader at once, and it must see both.
#[test]
fn a_release_while_the_window_changes_its_size_unkeys() {
    let mut term = Term::in_call();
    for columns in 80..120 {
        term.kitty_space(1);
        term.wait_on_air(true);
        term.resize(columns, 24);
        term.kitty_space(3);
        term.wait_on_air(false);
    }
}

#[test]
fn without_releases_the_hold_lasts_while_the_keyboard_repeats() {
    let mut term = Term::in_call();
    term.send(" ");
    term.wait_on_air(true);
    std::thread::sleep(Duration::from_millis(400));
    for _ in 0..40 {
        term.send(" ");
        assert!(term.on_air(), "no hole while it repeats");
        std::thread::sleep(Duration::from_millis(30));
    }
    term.wait_on_air(false);
    term.wait("by auto-repeat");
    assert_eq!(term.changes(), ["on", "off"]);
}

#[test]
fn a_tap_never_latches() {
    let mut term = Term::in_call();
    term.send(" ");
    term.wait_on_air(true);
    term.wait_on_air(false);
    term.stays(false, A_MOMENT);
}

#[test]
fn focus_loss_unkeys_in_both_kinds_of_terminal() {
    let mut term = Term::in_call();
    term.kitty_space(1);
    term.kitty_space(3);
    term.wait_on_air(false);
    term.kitty_space(1);
    term.wait_on_air(true);
    // alacritty sends no release when the focus is lost.
    term.send("\x1b[O");
    term.wait_on_air(false);
    for _ in 0..10 {
        term.kitty_space(2);
        std::thread::sleep(Duration::from_millis(30));
    }
    term.stays(false, Duration::from_millis(100));

    let mut term = Term::in_call();
    term.send(" ");
    term.wait_on_air(true);
    term.send("\x1b[O");
    let at = std::time::Instant::now();
    term.wait_on_air(false);
    assert!(at.elapsed() < Duration::from_millis(600), "not by the silence of the keyboard");
}

#[test]
fn the_button_talks_while_the_mouse_holds_it() {
    let mut term = Term::in_call();
    term.send("\x1b[<0;10;8M");
    term.wait_on_air(true);
    term.stays(true, A_MOMENT);
    term.send("\x1b[<0;70;20m");
    term.wait_on_air(false);
}

#[test]
fn a_terminal_that_reads_nothing_cannot_hold_the_microphone_open() {
    let mut term = Term::in_call();
    term.kitty_space(1);
    term.kitty_space(3);
    term.wait_on_air(false);
    term.kitty_space(1);
    term.wait_on_air(true);
    term.set_reading(false);
    // The moving picture fills the pty; the screen's thread is stuck in its write, the input thread is not.
    std::thread::sleep(Duration::from_secs(3));
    assert!(term.on_air(), "the hold goes on without the screen");
    term.send("\x1b[32;1:3u");
    term.wait_on_air(false);
    term.set_reading(true);
    term.wait("hold Space, or hold this");
}

#[test]
fn half_an_escape_sequence_lets_the_lease_run_out() {
    let mut term = Term::in_call();
    term.kitty_space(1);
    term.kitty_space(3);
    term.wait_on_air(false);
    term.kitty_space(1);
    term.wait_on_air(true);
    // The reader is stuck in it, whatever comes of the key.
    term.send("\x1b[32;1:");
    term.wait_on_air(false);
    term.stays(false, A_MOMENT);
}

#[test]
fn space_is_text_in_the_field_and_nobody_is_keyed_up_without_a_call() {
    let mut term = Term::start();
    term.wait("a name, or an address");
    term.send("my host");
    term.wait("my host");
    term.send("\x1b");
    term.wait("Tab view");
    term.send(" ");
    term.wait("Nobody to talk to yet: press c");
    assert_eq!(term.changes(), Vec::<String>::new());
}

#[test]
fn hanging_up_unkeys_though_the_key_stays_down() {
    let mut term = Term::in_call();
    term.kitty_space(1);
    term.kitty_space(3);
    term.kitty_space(1);
    term.wait_on_air(true);
    term.send("\x1b[104;1:1u\x1b[104;1:3u");
    term.wait_on_air(false);
    for _ in 0..20 {
        term.kitty_space(2);
        std::thread::sleep(Duration::from_millis(30));
    }
    term.stays(false, Duration::from_millis(200));
}

#[test]
fn inside_tmux_the_plain_rung_works() {
    if std::process::Command::new("tmux").arg("-V").output().is_err() {
        eprintln!("tmux is not installed: nothing was tested");
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = portable_pty::CommandBuilder::new("tmux");
    command.args(["-S", &dir.path().join("socket").to_string_lossy(), "-f", "/dev/null", "new-session"]);
    let program: Vec<String> = the_program().get_argv().iter().map(|word| word.to_string_lossy().into_owned()).collect();
    command.args(program);
    let mut term = Term::run(command, (80, 25));
    term.wait("a name, or an address");
    term.send("10.0.1.217\r");
    term.wait("hold Space, or hold this");
    term.send(" ");
    term.wait_on_air(true);
    std::thread::sleep(Duration::from_millis(400));
    for _ in 0..20 {
        term.send(" ");
        assert!(term.on_air());
        std::thread::sleep(Duration::from_millis(30));
    }
    term.wait_on_air(false);
    term.send("\x03");
    term.wait_exit();
}
