//! What the user wants of the playout delay: nothing, a fixed one, a floor, a ceiling or both. Pure.

use std::fmt;
use std::str::FromStr;

use crate::playout::Delay;

/// No delay is longer, ms.
const MAX_MS: u16 = 400;

/// The delay lies between the two; it is fixed when they are one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DelayBounds {
    pub min_ms: u16,
    pub max_ms: u16,
}

impl Default for DelayBounds {
    fn default() -> Self {
        Self { min_ms: 0, max_ms: MAX_MS }
    }
}

impl DelayBounds {
    /// As short as network and card allow, without bounds of the user's.
    #[must_use]
    pub fn is_auto(self) -> bool {
        self == Self::default()
    }

    /// As playout takes it.
    #[must_use]
    pub fn choice(self) -> Delay {
        match self {
            _ if self.is_auto() => Delay::Auto,
            Self { min_ms, max_ms } if min_ms == max_ms => Delay::Fixed(min_ms),
            Self { min_ms, max_ms } => Delay::Between { min_ms, max_ms },
        }
    }

    /// For people: `60 ms`, `at least 40 ms`.
    #[must_use]
    pub fn words(self) -> String {
        match (self.min_ms, self.max_ms) {
            (0, MAX_MS) => "auto".into(),
            (min, max) if min == max => format!("{min} ms"),
            (min, MAX_MS) => format!("at least {min} ms"),
            (0, max) => format!("at most {max} ms"),
            (min, max) => format!("{min} to {max} ms"),
        }
    }
}

/// As the user writes it.
impl fmt::Display for DelayBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min_ms, self.max_ms) {
            (0, MAX_MS) => f.write_str("auto"),
            (min, max) if min == max => write!(f, "{min}"),
            (min, MAX_MS) => write!(f, "{min}.."),
            (0, max) => write!(f, "..{max}"),
            (min, max) => write!(f, "{min}..{max}"),
        }
    }
}

impl FromStr for DelayBounds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("a delay is auto, MS, MS.. (at least), ..MS (at most) or MIN..MAX, in ms from 0 to {MAX_MS}");
        let number = |text: &str| match text.parse::<u16>() {
            Ok(ms) if ms <= MAX_MS && text.bytes().all(|c| c.is_ascii_digit()) => Ok(ms),
            _ => Err(refused()),
        };
        let auto = Self::default();
        let (min_ms, max_ms) = match text.split_once("..") {
            None if text == "auto" => return Ok(auto),
            None => (number(text)?, number(text)?),
            Some(("", "")) => return Err(refused()),
            Some((min, "")) => (number(min)?, auto.max_ms),
            Some(("", max)) => (auto.min_ms, number(max)?),
            Some((min, max)) => (number(min)?, number(max)?),
        };
        if min_ms > max_ms {
            return Err(format!("the least delay comes first: {max_ms}..{min_ms}"));
        }
        Ok(Self { min_ms, max_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_read_as_it_is_written() {
        for (text, min_ms, max_ms, words) in [
            ("auto", 0, 400, "auto"),
            ("60", 60, 60, "60 ms"),
            ("0", 0, 0, "0 ms"),
            ("40..", 40, 400, "at least 40 ms"),
            ("..120", 0, 120, "at most 120 ms"),
            ("40..120", 40, 120, "40 to 120 ms"),
            ("400", 400, 400, "400 ms"),
        ] {
            let bounds = DelayBounds { min_ms, max_ms };
            assert_eq!((text.parse(), bounds.to_string(), bounds.words()), (Ok(bounds), text.to_owned(), words.to_owned()));
        }
        assert!("..400".parse().is_ok_and(DelayBounds::is_auto) && "0..400".parse().is_ok_and(DelayBounds::is_auto));
    }

    #[test]
    fn nonsense_is_refused_with_what_is_possible() {
        for text in ["", "..", "401", "-1", "+5", "60ms", "1.5", "40...60", "a..b", "auto..60", "99999", "٣"] {
            assert!(text.parse::<DelayBounds>().is_err_and(|error| error.contains("MIN..MAX")), "{text}");
        }
        assert!("120..40".parse::<DelayBounds>().is_err_and(|error| error.contains("40..120")));
    }
}
