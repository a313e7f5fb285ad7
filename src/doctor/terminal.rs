//! What a terminal can, and how the talk key works on it. Pure.

use std::time::Duration;

use super::{Finding, Section};

/// How the talk key ends here, as far as is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Releases {
    /// The terminal says that it speaks the kitty protocol, or a release was seen.
    Reported,
    /// It answers, and not that.
    Missing,
    /// Asked for, and none seen yet: no key has come up.
    Unseen,
    /// It does not answer.
    Silent,
}

/// What was found out about the terminal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terminal {
    /// TERM, and what else names the program.
    pub name: String,
    /// `None`: this is no terminal.
    pub size: Option<(u16, u16)>,
    pub colours: &'static str,
    pub unicode: bool,
    /// Between us and the terminal: "tmux".
    pub multiplexer: Option<&'static str>,
    pub mouse: bool,
    pub releases: Releases,
    /// The keyboard's first repeat, as earlier runs have learned it.
    pub repeat: Option<Duration>,
}

/// The least that the screen needs.
const COLUMNS: u16 = 40;
const ROWS: u16 = 12;

#[must_use]
pub fn judge(terminal: &Terminal) -> Vec<Finding> {
    let section = Section::Terminal;
    let Some((columns, rows)) = terminal.size else {
        let why = "no terminal here: the full screen needs one, --plain, --json and \"voicetui ctl\" do not";
        return vec![Finding::skipped(section, "terminal", why)];
    };
    let within = terminal.multiplexer.map(|name| format!(", inside {name}")).unwrap_or_default();
    let size = format!("{}{within}, {columns}x{rows}", terminal.name);
    let small = columns < COLUMNS || rows < ROWS;
    let size = if small {
        Finding::warn(section, "terminal", size, format!("Make the terminal larger: the screen needs {COLUMNS}x{ROWS}."))
    } else {
        Finding::ok(section, "terminal", size)
    };
    let signs = if terminal.unicode { "UTF-8" } else { "ASCII signs (no UTF-8 locale, a console, or --ascii)" };
    let signs = Finding::ok(section, "display", format!("{}, {signs}", terminal.colours));
    vec![size, signs, talk_key(terminal)]
}

fn talk_key(terminal: &Terminal) -> Finding {
    let (section, what) = (Section::Terminal, "talk key");
    let mouse = if terminal.mouse { "; the mouse on TALK is exact" } else { "" };
    let learned = terminal.repeat.map(|delay| format!(" (first repeat after {} ms, learned)", delay.as_millis())).unwrap_or_default();
    match terminal.releases {
        Releases::Reported => Finding::ok(section, what, "rung \"key releases\": ends when the key comes up (kitty keyboard protocol)"),
        Releases::Missing => Finding::ok(
            section,
            what,
            format!("rung \"auto-repeat\": this terminal reports no releases; a hold ends when the repeats stop{learned}{mouse}"),
        ),
        Releases::Unseen => Finding::ok(
            section,
            what,
            format!("rung \"auto-repeat\" until a release is seen, and none was yet; a hold ends when the repeats stop{learned}{mouse}"),
        ),
        Releases::Silent => Finding::skipped(
            section,
            what,
            format!("the terminal does not say whether it reports releases; else rung \"auto-repeat\"{learned}{mouse}"),
        ),
    }
}

/// What a terminal's answer to `CSI ? u` and a request for its attributes (`CSI c`) says; `None`: not whole yet.
#[must_use]
pub fn releases_of(answer: &[u8]) -> Option<Releases> {
    let mut reported = false;
    let mut rest = answer;
    while let Some(at) = rest.windows(3).position(|bytes| bytes == b"\x1b[?") {
        rest = &rest[at + 3..];
        let end = rest.iter().position(|byte| !byte.is_ascii_digit() && *byte != b';')?;
        match rest[end] {
            b'u' => reported = true,
            b'c' => return Some(if reported { Releases::Reported } else { Releases::Missing }),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn an_answer_tells_kitty_from_others_and_waits_until_it_is_whole() {
        for (answer, releases) in [
            (&b"\x1b[?0u\x1b[?62;c"[..], Some(Releases::Reported)),
            (b"\x1b[?62;4c", Some(Releases::Missing)),
            (b"x\x1b[?15u\x1b[?1;2c", Some(Releases::Reported)),
            (b"\x1b[?0u", None),
            (b"\x1b[?6", None),
            (b"\x1b[?", None),
            (b"", None),
        ] {
            assert_eq!(releases_of(answer), releases, "{answer:?}");
        }
    }

    #[test]
    fn the_rung_is_named() {
        let terminal = Terminal {
            name: "xterm-kitty".into(),
            size: Some((80, 24)),
            colours: "true colour",
            unicode: true,
            multiplexer: Some("tmux"),
            mouse: true,
            releases: Releases::Reported,
            repeat: None,
        };
        let says = |terminal: &Terminal| judge(terminal).into_iter().map(|finding| finding.says).collect::<Vec<_>>().join("\n");
        let text = says(&terminal);
        assert!(text.starts_with("xterm-kitty, inside tmux, 80x24\ntrue colour, UTF-8\nrung \"key releases\""), "{text}");
        let text = says(&Terminal { releases: Releases::Missing, repeat: Some(Duration::from_millis(500)), ..terminal.clone() });
        assert!(text.contains("rung \"auto-repeat\"") && text.contains("after 500 ms, learned") && text.contains("mouse"), "{text}");
        assert_eq!(judge(&Terminal { size: Some((39, 24)), ..terminal.clone() })[0].verdict, Verdict::Warn);
        assert_eq!(judge(&Terminal { size: None, ..terminal }).len(), 1);
    }
}
