//! What two voicetuis say while one measures the delay of their call: the value of [`super::app::Tlv::Measure`]. Pure.
//!
//! ```text
//!   ask:     1, run (4 bytes), phase           who measures, in all that it says as long as it measures
//!   answer:  2, run (4 bytes), phase, verdict  the other side, likewise
//! ```
//!
//! Like all control it states, and commands nothing: an ask alone moves nothing over there.

/// What is measured now.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Phase {
    /// Mouth to ear: both sides send all the time.
    Steady = 1,
    /// Access time: each chirp is a talk spurt of its own.
    Keyed = 2,
}

impl Phase {
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        [Self::Steady, Self::Keyed].into_iter().find(|phase| *phase as u8 == byte)
    }
}

/// What the asked side says to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Verdict {
    /// It returns chirps.
    Yes = 1,
    /// Its user has not allowed it.
    NotAllowed = 2,
    /// Others are in its call, and would hear it.
    Others = 3,
    /// Its user talks, or has the microphone open.
    Talks = 4,
    /// It went on for too long.
    Enough = 5,
}

impl Verdict {
    pub const ALL: [Self; 5] = [Self::Yes, Self::NotAllowed, Self::Others, Self::Talks, Self::Enough];
}

/// One statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// `run`: random, another for each measurement.
    Ask {
        run: u32,
        phase: Phase,
    },
    Answer {
        run: u32,
        phase: Phase,
        verdict: Verdict,
    },
}

/// Bytes of the longest statement.
pub const MEASURE_MAX: usize = 7;

impl Measure {
    /// `None`: not one that this version knows.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        match *value {
            [1, a, b, c, d, phase] => Some(Self::Ask { run: u32::from_be_bytes([a, b, c, d]), phase: Phase::from_byte(phase)? }),
            [2, a, b, c, d, phase, verdict] => {
                let verdict = Verdict::ALL.into_iter().find(|known| *known as u8 == verdict)?;
                Some(Self::Answer { run: u32::from_be_bytes([a, b, c, d]), phase: Phase::from_byte(phase)?, verdict })
            }
            _ => None,
        }
    }

    /// Writes it to the front of `out`; returns its length.
    pub fn write(self, out: &mut [u8; MEASURE_MAX]) -> usize {
        let (run, phase, len) = match self {
            Self::Ask { run, phase } => (run, phase, 6),
            Self::Answer { run, phase, verdict } => {
                out[6] = verdict as u8;
                (run, phase, 7)
            }
        };
        out[0] = if len == 6 { 1 } else { 2 };
        out[1..5].copy_from_slice(&run.to_be_bytes());
        out[5] = phase as u8;
        len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_survives_and_all_else_is_none() {
        for phase in [Phase::Steady, Phase::Keyed] {
            let ask = Measure::Ask { run: 0x0102_0304, phase };
            let answers = Verdict::ALL.map(|verdict| Measure::Answer { run: u32::MAX, phase, verdict });
            for statement in std::iter::once(ask).chain(answers) {
                let mut out = [0; MEASURE_MAX];
                let len = statement.write(&mut out);
                assert_eq!(Measure::parse(&out[..len]), Some(statement));
                assert_eq!(Measure::parse(&out[..len - 1]), None);
            }
        }
        for garbage in [&b"talk on"[..], &[], &[1], &[1, 0, 0, 0, 1, 3], &[2, 0, 0, 0, 1, 1, 6], &[3, 0, 0, 0, 1, 1], &[0; 255]] {
            assert_eq!(Measure::parse(garbage), None, "{garbage:?}");
        }
    }

    #[test]
    fn the_bytes_are_the_ones_agreed_on() {
        let mut out = [0; MEASURE_MAX];
        let len = Measure::Answer { run: 0x0a0b_0c0d, phase: Phase::Keyed, verdict: Verdict::Others }.write(&mut out);
        assert_eq!(out[..len], [2, 10, 11, 12, 13, 2, 3]);
    }
}
