//! The house's rules, enforced over `src`: who may import whom, what pure rooms never say, how long a file may be.

#[path = "layers/paths.rs"]
mod paths;

use std::fs;
use std::path::{Path, PathBuf};

use paths::{Paths, Source};

/// Who may import whom; a room is a file `src/ROOM.rs` and what lies under `src/ROOM/`.
#[rustfmt::skip]
const ROOMS: &[(&str, Kind, &[&str])] = &[
    ("units",   Kind::Pure,  &[]),
    ("wire",    Kind::Pure,  &["units"]),
    ("audio",   Kind::Pure,  &["units"]),
    ("talk",    Kind::Pure,  &["units"]),
    ("playout", Kind::Pure,  &["units", "audio"]),
    ("session", Kind::Pure,  &["units", "wire"]),
    ("call",    Kind::Pure,  &["units", "wire", "audio", "talk", "playout", "session"]),
    ("doctor",  Kind::Pure,  &["units", "audio"]),
    ("os",      Kind::Shell, &["units", "audio"]),
    ("engine",  Kind::Shell, &["units", "audio", "talk", "playout", "call", "doctor", "os"]),
    ("ui",      Kind::Shell, &["units", "talk", "doctor", "engine"]),
    ("cli",     Kind::Free,  &[]),
    ("config",  Kind::Free,  &[]),
    ("run",     Kind::Free,  &[]),
    ("lib",     Kind::Free,  &[]),
    ("main",    Kind::Free,  &[]),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Sees no clock, thread, socket, device, terminal or randomness: they come as arguments.
    Pure,
    Shell,
    /// May import anything.
    Free,
}

/// Crates that only one corner of the house may name.
#[rustfmt::skip]
const CORNERS: &[(&str, &[&str])] = &[
    ("opus",             &["audio/codec"]),
    ("opusic_sys",       &["audio/codec"]),
    ("earshot",          &["audio/vad"]),
    ("snow",             &["session/handshake"]),
    ("chacha20poly1305", &["session/keys"]),
    ("argon2",           &["session/passphrase"]),
    ("bip39",            &["session/words"]),
    ("ogg",              &["os/ogg", "engine/disk"]),
    ("cpal",             &["os"]),
    ("pulseaudio",       &["os/sound/cards"]),
    ("socket2",          &["os"]),
    ("ratatui",          &["ui"]),
    ("crossterm",        &["ui"]),
];

/// What pure rooms never say outside their tests. A path is found wherever it stands in a longer one; `.name` is a method's call.
#[rustfmt::skip]
const FORBIDDEN: &[&str] = &[
    // clocks
    "Instant::now", "SystemTime::now", ".elapsed", "UNIX_EPOCH::elapsed", "Zoned::now", "Timestamp::now",
    // threads
    "std::thread", "thread::spawn", "thread::sleep", "std::sync::Mutex", "std::sync::RwLock", "std::sync::Condvar", "std::sync::mpsc",
    "crossbeam_channel",
    // sockets, files, the rest of the machine
    "UdpSocket", "TcpStream", "TcpListener", "UnixStream", "UnixListener", "ToSocketAddrs", ".to_socket_addrs", "std::fs", "std::env",
    "std::process", "std::io::stdin", "std::io::stdout", "std::io::stderr", "io::stdin", "io::stdout", "io::stderr", "std::os",
    "mio", "socket2", "rustix", "libc", "signal_hook", "directories",
    // devices, terminals
    "cpal", "ratatui", "crossterm", "tui_input", "println!", "print!", "eprintln!", "eprint!", "dbg!",
    // randomness
    "rand::rng", "rand::random", "thread_rng", "OsRng", "SysRng", "ThreadRng", "getrandom",
];

/// Lines that a file may have.
const LINES_MAX: usize = 500;

/// A file of `src`, its rules and its paths.
struct File {
    /// Below `src`, without the ending: `audio/codec`.
    name: String,
    text: String,
    source: Source,
}

impl File {
    fn room(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    fn rule(&self) -> Option<(Kind, &'static [&'static str])> {
        ROOMS.iter().find(|(room, ..)| *room == self.room()).map(|(_, kind, imports)| (*kind, *imports))
    }

    /// `src/lib.rs` and `src/main.rs` are the crate's root; `src/a/b.rs` lies two modules below it.
    fn depth(&self) -> usize {
        if matches!(self.name.as_str(), "lib" | "main") { 0 } else { self.name.split('/').count() }
    }

    fn paths(&self) -> Vec<paths::Found> {
        Paths::of(&self.source, self.depth())
    }
}

fn all_files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut dirs = vec![root.clone()];
    let mut found: Vec<PathBuf> = Vec::new();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).expect("src can be listed") {
            let path = entry.expect("src can be listed").path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 30, "only {} files found in {}", found.len(), root.display());
    let mut files = Vec::new();
    for path in found {
        let text = fs::read_to_string(&path).expect("a source file can be read");
        let below = path.strip_prefix(&root).expect("a file of src").with_extension("");
        let name = below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
        files.push(File { name, source: Source::lex(&text), text });
    }
    files
}

/// Whether a file is compiled for tests only: some `#[cfg(test)] mod NAME;` declares it or what it lies under.
fn is_test_file(files: &[File], file: &File) -> bool {
    files.iter().any(|parent| {
        let mut modules = parent.source.test_modules().into_iter();
        let inside = if parent.depth() == 0 { String::new() } else { format!("{}/", parent.name) };
        modules.any(|module| {
            let declared = format!("{inside}{module}");
            file.name == declared || file.name.starts_with(&format!("{declared}/"))
        })
    })
}

fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn rooms_import_only_what_the_table_names() {
    let mut complaints = Vec::new();
    for file in all_files() {
        let Some((kind, imports)) = file.rule() else {
            complaints.push(format!("src/{}.rs: no row of the table names its room", file.name));
            continue;
        };
        if kind == Kind::Free {
            continue;
        }
        for found in file.paths() {
            let Some(room) = found.room() else { continue };
            if room != file.room() && !imports.contains(&room) {
                complaints.push(format!("src/{}.rs:{}: `{}` may not import `{room}`", file.name, found.line, file.room()));
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn pure_rooms_say_no_forbidden_word() {
    let files = all_files();
    let mut complaints = Vec::new();
    for file in &files {
        if !file.rule().is_some_and(|(kind, _)| kind == Kind::Pure) || is_test_file(&files, file) {
            continue;
        }
        for found in file.paths().into_iter().filter(|found| !found.in_test) {
            for word in FORBIDDEN.iter().filter(|word| found.contains(word)) {
                complaints.push(format!("src/{}.rs:{}: `{word}` in the pure room `{}`", file.name, found.line, file.room()));
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn crates_stay_in_their_corners() {
    let mut complaints = Vec::new();
    for file in all_files() {
        let is_in = |corner: &&str| file.name == **corner || file.name.starts_with(&format!("{corner}/"));
        for found in file.paths().into_iter().filter(paths::Found::is_long) {
            for (name, corners) in CORNERS.iter().filter(|(name, _)| found.starts_with(name)) {
                if !corners.iter().any(is_in) {
                    complaints.push(format!("src/{}.rs:{}: `{name}` is for {} only", file.name, found.line, corners.join(", ")));
                }
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn files_say_what_they_are_and_stay_short() {
    let mut complaints = Vec::new();
    for file in all_files() {
        if !file.text.starts_with("//! ") {
            complaints.push(format!("src/{}.rs: opens without a `//!` sentence", file.name));
        }
        let lines = file.text.lines().count();
        if lines > LINES_MAX {
            complaints.push(format!("src/{}.rs: {lines} lines, more than {LINES_MAX}", file.name));
        }
    }
    assert_none(&complaints);
}

#[test]
fn the_table_has_no_circle() {
    for (at, (room, _, imports)) in ROOMS.iter().enumerate() {
        for import in *imports {
            assert!(ROOMS[..at].iter().any(|(above, ..)| above == import), "`{room}` imports `{import}`, which does not stand above it");
        }
    }
}
