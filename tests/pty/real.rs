//! The real program over its real engine: the demo's call, Space held, and a clean way out.

use portable_pty::CommandBuilder;

use crate::term::Term;

#[test]
fn the_demo_talks_and_leaves_cleanly() {
    let home = tempfile::tempdir().expect("a directory");
    let mut program = CommandBuilder::new(env!("CARGO_BIN_EXE_voicetui"));
    program.args(["--demo", "--input", "voice", "--output", "null"]);
    for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "HOME"] {
        program.env(name, home.path());
    }
    let mut term = Term::run(program, (100, 30));
    term.wait("hold Space, or hold this");
    term.wait("the built-in voice");
    term.kitty_space(1);
    term.wait("ON AIR");
    term.wait("heard: 0");
    term.kitty_space(3);
    term.until("off air", || !term.text().contains("ON AIR"));
    for (key, words) in [("2", "What you hear"), ("3", "Mouth to ear"), ("4", "Missed calls"), ("?", "Hold to talk to everybody")] {
        term.send(key);
        term.wait(words);
    }
    term.send("\x03");
    assert_eq!(term.wait_exit().exit_code(), 0);
    term.assert_restored();
}

#[test]
fn one_key_records_and_the_same_key_ends_it() {
    let home = tempfile::tempdir().expect("a directory");
    let mut program = CommandBuilder::new(env!("CARGO_BIN_EXE_voicetui"));
    program.args(["--demo", "--input", "voice", "--output", "null", "--record-format", "opus"]);
    for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "HOME"] {
        program.env(name, home.path());
    }
    let mut term = Term::run(program, (100, 30));
    term.wait("hold Space, or hold this");
    term.wait("the built-in voice");
    term.send("r");
    term.wait(" REC ");
    let tapes = home.path().join("voicetui/recordings");
    let count = |end: &str| {
        let files = std::fs::read_dir(&tapes).into_iter().flatten().flatten();
        files.filter(|file| file.file_name().to_string_lossy().ends_with(end)).count()
    };
    // The built-in voice is heard from the start; this side only once it keys up.
    term.until("a file of the mix", || count("_mix.opus") == 1);
    assert_eq!(count("_sent.opus"), 0);
    term.kitty_space(1);
    term.until("a file of this side", || count("_sent.opus") == 1);
    term.kitty_space(3);
    term.send("r");
    term.wait("The recording has ended.");
    term.until("no sign of it", || !term.text().contains(" REC "));
    assert_eq!(count(".opus"), 3);
    term.send("\x03");
    assert_eq!(term.wait_exit().exit_code(), 0);
}
