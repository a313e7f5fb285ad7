//! Lines out of a stream of bytes, each of bounded length. Pure; thread `control`.

use crate::engine::command::LINE_MAX;

/// The refusal of an overlong line.
pub const TOO_LONG: &str = "That line is too long for a command.";

/// One line, without its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    /// Bad UTF-8 is replaced.
    Text(String),
    TooLong,
}

/// The line that has not ended yet. Never more than [`LINE_MAX`] bytes.
#[derive(Debug, Default)]
pub struct Lines {
    pending: Vec<u8>,
    /// The pending line is too long; its rest is thrown away.
    overlong: bool,
}

impl Lines {
    /// Takes what was read; the lines that are complete now.
    pub fn push(&mut self, mut bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.keep(&bytes[..end]);
            lines.push(self.complete());
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
        lines
    }

    /// What stands after the last line's end, when nothing more will come.
    pub fn rest(mut self) -> Option<Line> {
        (self.overlong || !self.pending.is_empty()).then(|| self.complete())
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.overlong || self.pending.len() + bytes.len() > LINE_MAX {
            self.overlong = true;
            self.pending.clear();
        } else {
            self.pending.extend_from_slice(bytes);
        }
    }

    fn complete(&mut self) -> Line {
        let pending = std::mem::take(&mut self.pending);
        if std::mem::take(&mut self.overlong) {
            return Line::TooLong;
        }
        Line::Text(String::from_utf8_lossy(&pending).trim_end_matches('\r').to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(line: &str) -> Line {
        Line::Text(line.into())
    }

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"ca"), []);
        assert_eq!(lines.push(b"ll ::1\r\nstats\nqu"), [text("call ::1"), text("stats")]);
        assert_eq!(lines.rest(), Some(text("qu")));
        assert_eq!(Lines::default().rest(), None);
    }

    #[test]
    fn an_overlong_line_is_said_once_and_the_next_is_read() {
        let mut lines = Lines::default();
        for _ in 0..1_000 {
            assert_eq!(lines.push(&[b'x'; 1_000]), []);
            assert!(lines.pending.len() <= LINE_MAX);
        }
        assert_eq!(lines.push(b"\nquit\n"), [Line::TooLong, text("quit")]);
    }

    proptest! {
        #[test]
        fn cutting_changes_nothing(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200), cut in 0usize..200) {
            let cut = cut.min(bytes.len());
            let (mut whole, mut cut_up) = (Lines::default(), Lines::default());
            let mut pieces = cut_up.push(&bytes[..cut]);
            pieces.extend(cut_up.push(&bytes[cut..]));
            prop_assert_eq!(whole.push(&bytes), pieces);
            prop_assert_eq!(whole.rest(), cut_up.rest());
        }
    }
}
