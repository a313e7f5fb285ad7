//! Every way out leaves the terminal as it was found, with the microphone closed.

use std::process::{Command, Stdio};

use portable_pty::CommandBuilder;
use rustix::process::Signal;

use crate::child;
use crate::term::{Term, the_program};

#[test]
fn quitting_restores_the_terminal() {
    let mut term = Term::in_call();
    term.send("q");
    term.wait("hang up and quit");
    term.send("q");
    assert_eq!(term.wait_exit().exit_code(), 0);
    term.assert_restored();
}

#[test]
fn ctrl_c_quits_at_once_in_plain_and_in_kitty_form() {
    for keys in ["\x03", "\x1b[99;5u"] {
        let mut term = Term::in_call();
        term.send("o");
        term.wait_on_air(true);
        term.send(keys);
        assert_eq!(term.wait_exit().exit_code(), 0);
        term.assert_restored();
        assert!(!term.on_air());
    }
}

#[test]
fn a_panic_unkeys_and_restores_before_it_is_told() {
    let mut term = Term::in_call();
    term.send("o");
    term.wait_on_air(true);
    term.send("r");
    assert_ne!(term.wait_exit().exit_code(), 0);
    term.until("the message", || term.raw().contains("asked to panic"));
    let raw = term.raw();
    assert!(raw.rfind("\x1b[?1049l") < raw.rfind("asked to panic"), "the message stands on the shell's screen");
    term.assert_restored();
}

#[test]
fn a_panic_of_another_thread_ends_the_screen_too() {
    let mut term = Term::in_call();
    term.send("o");
    term.wait_on_air(true);
    term.send("D");
    assert_eq!(term.wait_exit().exit_code(), 3);
    term.until("the sentence", || term.raw().contains("a part of the program failed"));
    term.assert_restored();
    assert!(!term.on_air());
}

#[test]
fn signals_end_it_cleanly() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut term = Term::in_call();
        term.send("o");
        term.wait_on_air(true);
        term.signal(signal);
        assert_eq!(term.wait_exit().exit_code(), 0, "{signal:?}");
        term.assert_restored();
        assert!(!term.on_air());
    }
}

#[test]
fn a_closed_window_ends_it() {
    let mut term = Term::in_call();
    term.send("o");
    term.wait_on_air(true);
    term.close();
    term.wait_exit();
    assert!(!term.on_air());
}

#[test]
fn a_terminal_that_reads_nothing_cannot_keep_it_from_ending() {
    let mut term = Term::in_call();
    term.send("o");
    term.wait_on_air(true);
    term.set_reading(false);
    std::thread::sleep(std::time::Duration::from_secs(2));
    term.signal(Signal::TERM);
    term.wait_on_air(false);
    term.wait_exit();
}

#[test]
fn ctrl_z_stops_with_the_microphone_closed_and_fg_brings_it_back() {
    let mut shell = CommandBuilder::new("bash");
    shell.args(["--norc", "--noprofile", "-i"]);
    shell.env("PS1", "prompt> ");
    let mut term = Term::run(shell, (80, 24));
    term.wait("prompt>");
    let words: Vec<String> = the_program().get_argv().iter().map(|word| word.to_string_lossy().into_owned()).collect();
    term.send(&format!("{}\r", words.join(" ")));
    term.wait("a name, or an address");
    term.send("10.0.1.217\r");
    term.wait("hold Space, or hold this");
    term.send("o");
    term.wait_on_air(true);
    term.send("\x1a");
    term.wait("Stopped");
    assert_eq!(term.keyboard_flags(), 0, "the shell gets an ordinary keyboard");
    term.send("fg\r");
    term.wait("hold Space, or hold this");
    term.until("the terminal taken again", || term.has_terminal());
    term.wait_on_air(false);
    term.kitty_space(1);
    term.wait_on_air(true);
    term.kitty_space(3);
    term.wait_on_air(false);
    term.send("\x03");
    term.wait("prompt>");
    term.until("the flags popped", || term.keyboard_flags() == 0);
}

#[test]
fn a_tiny_terminal_says_so_and_can_be_left() {
    let mut term = Term::run(the_program(), (5, 3));
    term.wait("too");
    term.send("\x03");
    assert_eq!(term.wait_exit().exit_code(), 0);
    term.assert_restored();
}

#[test]
fn a_resize_is_followed() {
    let term = Term::in_call();
    term.resize(40, 12);
    term.wait("Call: press c");
    term.resize(20, 6);
    term.wait("too small");
    term.resize(120, 40);
    term.wait("Who hears you");
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let program = the_program();
    let argv = program.get_argv();
    let output = Command::new(&argv[0])
        .args(&argv[1..])
        .env(child::LOG, std::env::temp_dir().join(format!("no-terminal-{}", std::process::id())))
        .stdin(Stdio::null())
        .output()
        .expect("started");
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--plain"), "{said}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains('\x1b'), "no terminal is written to");
}

#[test]
fn what_was_called_is_remembered() {
    let mut term = Term::in_call();
    term.send("h");
    term.wait("nobody to talk to yet");
    term.send("c\x1b[A");
    term.wait("10.0.1.217");
    term.send("\x03");
    term.wait_exit();
    assert_eq!(term.called(), "10.0.1.217\n");
}
