//! The doctor's report on the screen: it grows while the screen lives, ends with what to do, and never puts a microphone on air.

use crate::term::{Term, the_program};

#[test]
fn x_examines_and_shows_what_to_do() {
    let mut term = Term::run(the_program(), (100, 60));
    term.wait("a name, or an address");
    term.send("\x1b");
    term.wait("devices");
    term.send("x");
    term.wait("Checking, for some ten seconds");
    // The screen goes on living meanwhile.
    term.send("q");
    term.until("the report closed", || !term.text().contains("Checking"));
    term.send("2x");
    term.wait("Checked.");
    term.until("what to do", || ["What to do", "Nothing to do."].iter().any(|words| term.text().contains(words)));
    for part in [
        "Program and system",
        "microphone level",
        "round trip",
        "own addresses",
        "xterm-256color, 100x60",
        "auto-repeat",
        "a sleep of 2 ms",
        "known peers",
    ] {
        term.wait(part);
    }
    assert_eq!(term.changes(), Vec::<String>::new(), "never on air");
    term.send("\x03");
    assert_eq!(term.wait_exit().exit_code(), 0);
    term.assert_restored();
}

#[test]
fn in_a_call_the_devices_are_left_alone_and_space_still_talks() {
    let mut term = Term::in_call();
    term.resize(100, 60);
    term.send("x");
    term.wait("Checked.");
    term.wait("a call is up");
    term.kitty_space(1);
    term.wait_on_air(true);
    term.kitty_space(3);
    term.wait_on_air(false);
    term.until("the release seen", || term.text().contains("Checked."));
    term.send("r");
    term.wait("rung \"key releases\"");
    term.send("\x03");
    term.wait_exit();
}
