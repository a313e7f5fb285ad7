//! A peer's text, made safe for terminals and logs. Pure; any thread runs it.

/// Characters of a peer's text that are ever shown.
pub const PRINTABLE_MAX: usize = 64;

/// A peer's text as it may reach a terminal, a log or a file's name: bad UTF-8 replaced, control characters (C0, C1), direction
/// overrides, line separators and invisible characters removed, every kind of white space a single plain space, at most
/// [`PRINTABLE_MAX`] characters.
#[must_use]
pub fn printable(text: impl AsRef<[u8]>) -> String {
    // Four bytes a character at most, and as much again for what is removed: a megabyte of nothing is not walked.
    let bytes = text.as_ref();
    let bytes = &bytes[..bytes.len().min(8 * PRINTABLE_MAX)];
    let mut out = String::with_capacity(bytes.len().min(4 * PRINTABLE_MAX));
    let mut count = 0;
    for ch in String::from_utf8_lossy(bytes).chars() {
        let ch = if ch.is_whitespace() { ' ' } else { ch };
        if is_unprintable(ch) || (ch == ' ' && (out.is_empty() || out.ends_with(' '))) {
            continue;
        }
        if count == PRINTABLE_MAX {
            break;
        }
        out.push(ch);
        count += 1;
    }
    out.truncate(out.trim_end().len());
    out
}

/// Characters that steer a terminal, reorder a line, or are seen by nobody.
fn is_unprintable(ch: char) -> bool {
    ch.is_control()
        || matches!(ch,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{10ffff}')
}

/// The longest prefix of `text` that is at most `max` bytes and ends between characters.
pub(super) fn bounded(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_survives() {
        assert_eq!(printable("\x1b[31mred\x07\x1b]0;title\x1b\\"), "[31mred]0;title\\");
        assert_eq!(printable("a\u{9b}2Jb\u{85}c\u{7f}"), "a2Jb c");
        assert_eq!(printable("up\u{202e}nwod\u{2066}x\u{2069}\u{2028}y\u{200b}z"), "upnwodx yz");
    }

    #[test]
    fn plain_text_in_any_script_survives() {
        for text in ["Ada Lovelace", "Zoë", "日本語", "Ольга", "שלום", "🎤 desk"] {
            assert_eq!(printable(text), text);
        }
    }

    #[test]
    fn white_space_is_folded_and_trimmed() {
        assert_eq!(printable("  a\t\n b\u{a0}\u{3000}c \r\n"), "a b c");
    }

    #[test]
    fn bad_utf8_and_endless_text_are_bounded() {
        assert_eq!(printable([b'a', 0xff, b'b']), "a\u{fffd}b");
        assert_eq!(printable("x".repeat(1 << 20)).len(), PRINTABLE_MAX);
        assert_eq!(printable("\u{0}".repeat(1 << 20)), "");
    }

    #[test]
    fn a_bounded_text_ends_between_characters() {
        assert_eq!(bounded("zoë", 3), "zo");
        assert_eq!(bounded("zoë", 4), "zoë");
        assert_eq!(bounded("zoë", 99), "zoë");
    }
}
