//! The text of a flight recorder: when each packet came, and nothing of what it carried. Written by a dump, read by tests. Pure.
//!
//! ```text
//! voicetui trace 1                     <- the first line: what this is, and its version
//! # ...                                <- for people; so are empty lines
//! peer 1                               <- what follows is of this peer, in the order of time
//! 0 1 0 0 marker                       <- us since the first packet, stream, sequence number, media time, what is unusual
//! 10013 1 1 480
//! 20051 1 3 1440
//! 20051 1 2 960 red                    <- a copy of the lost packet, in the same datagram
//! 2004000 note delay 21.4 ms, ...
//! 2500000 slept                        <- the machine was suspended until then
//! ```
//!
//! A packet is 480 ticks of Opus, as first sent, unless its line says otherwise, in any order: a number of ticks; `l16`,
//! `pcmu` or `seed`; `red` or `nack`; `marker`; `dtx`; `lbrr`. Sequence numbers and media times count from the first packet
//! of their stream, so that they tell nothing about what was before. Lengths in bytes would tell what was said (Opus spends
//! bits on sounds), and no replay needs them: they are not there.

use std::fmt;

use crate::playout::{Codec, Origin};

/// First line of every file, up to the version.
const MAGIC: &str = "voicetui trace ";
const VERSION: &str = "1";
/// What is taken from a file, whoever wrote it: 20 tapes of 65,536 packets and their notes are the most that a dump holds.
const LINES_MAX: usize = 2_000_000;
const LINE_BYTES_MAX: usize = 256;
const PEERS_MAX: usize = 64;
/// Ticks that need not be said.
const TICKS: u16 = 480;

/// The packets of a call, by peer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trace {
    pub peers: Vec<Vec<Line>>,
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Since the first packet of all.
    pub at_us: u64,
    pub what: What,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    Packet(Timing),
    /// The machine was suspended: what waited is old.
    Slept,
    /// For people.
    Note(String),
}

/// One packet, without what it carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    pub stream: u32,
    /// Since the first packet of the stream; one that was overtaken by it lies before.
    pub seq: i32,
    /// The same in ticks of the codec's clock.
    pub time: i32,
    /// How long it lasts.
    pub ticks: u16,
    pub codec: Codec,
    pub origin: Origin,
    pub marker: bool,
    pub shape: Shape,
}

/// What playout treats apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Shape {
    #[default]
    Plain,
    /// Two bytes at the most: the sender says that it is silent.
    Dtx,
    /// With a low-bitrate copy of the packet before.
    Lbrr,
}

/// Why a text is no trace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceError {
    /// The first line is 1.
    pub line: usize,
    pub fault: Fault,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    NotATrace,
    /// Of a version that this program does not know.
    Version,
    /// Something happens before anybody is named.
    NoPeer,
    /// "peer" without the number that is due.
    PeerNumber,
    TooManyPeers,
    TooManyLines,
    LineTooLong,
    /// Something is not there, or is no whole number in its range.
    Number(&'static str),
    /// A word that means nothing here.
    Word(String),
    /// It happens before the line above it.
    Backwards,
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.fault {
            Fault::NotATrace => write!(f, "this is no packet trace: its first line is not \"{MAGIC}{VERSION}\""),
            Fault::Version => write!(f, "a trace of another version; this program reads version {VERSION}"),
            Fault::NoPeer => f.write_str("a line \"peer 1\" must come before the first packet"),
            Fault::PeerNumber => f.write_str("\"peer\" takes a number: peers are counted from 1, one after the other"),
            Fault::TooManyPeers => write!(f, "more than {PEERS_MAX} peers"),
            Fault::TooManyLines => write!(f, "more than {LINES_MAX} lines"),
            Fault::LineTooLong => write!(f, "longer than {LINE_BYTES_MAX} bytes"),
            Fault::Number(what) => write!(f, "{what} is missing, or no whole number in its range"),
            Fault::Word(word) => write!(f, "\"{word}\" means nothing here"),
            Fault::Backwards => f.write_str("this happens before the line above it"),
        }
    }
}

impl std::error::Error for TraceError {}

impl Trace {
    /// Reads what [`fmt::Display`] writes, and what a person made of it.
    ///
    /// # Errors
    /// The first line that is wrong, and what is.
    pub fn parse(text: &str) -> Result<Self, TraceError> {
        let mut trace = Self::default();
        for (at, line) in text.lines().enumerate() {
            let fault = |fault| TraceError { line: at + 1, fault };
            if at == 0 {
                check_header(line).map_err(fault)?;
                continue;
            }
            if at >= LINES_MAX {
                return Err(fault(Fault::TooManyLines));
            }
            trace.take(line).map_err(fault)?;
        }
        if text.is_empty() { Err(TraceError { line: 1, fault: Fault::NotATrace }) } else { Ok(trace) }
    }

    /// One line after the first.
    fn take(&mut self, line: &str) -> Result<(), Fault> {
        if line.len() > LINE_BYTES_MAX {
            return Err(Fault::LineTooLong);
        }
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if let Some(number) = line.strip_prefix("peer") {
            if number.trim().parse() != Ok(self.peers.len() + 1) {
                return Err(Fault::PeerNumber);
            }
            if self.peers.len() >= PEERS_MAX {
                return Err(Fault::TooManyPeers);
            }
            self.peers.push(Vec::new());
            return Ok(());
        }
        let peer = self.peers.last_mut().ok_or(Fault::NoPeer)?;
        let line = Line::parse(line)?;
        if peer.last().is_some_and(|last| last.at_us > line.at_us) {
            return Err(Fault::Backwards);
        }
        peer.push(line);
        Ok(())
    }

    /// Packets of all peers.
    #[must_use]
    pub fn packets(&self) -> usize {
        self.peers.iter().flatten().filter(|line| matches!(line.what, What::Packet(_))).count()
    }

    /// When the last line happened.
    #[must_use]
    pub fn end_us(&self) -> u64 {
        self.peers.iter().filter_map(|lines| lines.last()).map(|line| line.at_us).max().unwrap_or(0)
    }
}

fn check_header(line: &str) -> Result<(), Fault> {
    let version = line.strip_prefix(MAGIC).ok_or(Fault::NotATrace)?;
    if version.trim() == VERSION { Ok(()) } else { Err(Fault::Version) }
}

/// Whether a file that begins so is a trace, of any version.
#[must_use]
pub fn is_trace(beginning: &[u8]) -> bool {
    beginning.starts_with(MAGIC.as_bytes())
}

impl Line {
    fn parse(line: &str) -> Result<Self, Fault> {
        let (time, rest) = line.split_once(' ').unwrap_or((line, ""));
        let at_us = time.parse().map_err(|_| Fault::Number("the time in us"))?;
        let rest = rest.trim();
        let what = match rest.split_once(' ').unwrap_or((rest, "")) {
            ("note", text) => What::Note(text.chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned()),
            ("slept", "") => What::Slept,
            _ => What::Packet(Timing::parse(rest)?),
        };
        Ok(Self { at_us, what })
    }
}

impl Timing {
    fn parse(text: &str) -> Result<Self, Fault> {
        fn number<'a, T: std::str::FromStr>(words: &mut impl Iterator<Item = &'a str>, what: &'static str) -> Result<T, Fault> {
            words.next().and_then(|word| word.parse().ok()).ok_or(Fault::Number(what))
        }
        let words = &mut text.split_ascii_whitespace();
        let mut timing = Self {
            stream: number(words, "the stream")?,
            seq: number(words, "the sequence number")?,
            time: number(words, "the media time")?,
            ticks: TICKS,
            codec: Codec::Opus,
            origin: Origin::Media,
            marker: false,
            shape: Shape::Plain,
        };
        for word in words {
            match word {
                "l16" => timing.codec = Codec::L16,
                "pcmu" => timing.codec = Codec::Pcmu,
                "seed" => timing.codec = Codec::Seed,
                "red" => timing.origin = Origin::Red,
                "nack" => timing.origin = Origin::Nack,
                "marker" => timing.marker = true,
                "dtx" => timing.shape = Shape::Dtx,
                "lbrr" => timing.shape = Shape::Lbrr,
                _ if word.bytes().all(|byte| byte.is_ascii_digit()) => {
                    timing.ticks = word.parse().map_err(|_| Fault::Number("the length in ticks"))?;
                }
                _ => return Err(Fault::Word(word.chars().filter(|c| !c.is_control()).take(40).collect())),
            }
        }
        Ok(timing)
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{MAGIC}{VERSION}")?;
        writeln!(f, "# When each packet came; nothing of what it carried, no name and no address.")?;
        writeln!(f, "# A packet: us since the first one, stream, sequence number, media time in ticks; then what is not as usual:")?;
        writeln!(f, "# its length if not {TICKS} ticks, l16 pcmu seed if not opus, red nack if a copy, marker, dtx, lbrr.")?;
        for (number, lines) in (1..).zip(&self.peers) {
            writeln!(f, "peer {number}")?;
            lines.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.at_us)?;
        match &self.what {
            What::Packet(timing) => timing.fmt(f),
            What::Slept => f.write_str("slept"),
            What::Note(text) => write!(f, "note {text}"),
        }
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.stream, self.seq, self.time)?;
        if self.ticks != TICKS {
            write!(f, " {}", self.ticks)?;
        }
        f.write_str(match self.codec {
            Codec::Opus => "",
            Codec::L16 => " l16",
            Codec::Pcmu => " pcmu",
            Codec::Seed => " seed",
        })?;
        f.write_str(match self.origin {
            Origin::Media => "",
            Origin::Red => " red",
            Origin::Nack => " nack",
        })?;
        f.write_str(if self.marker { " marker" } else { "" })?;
        f.write_str(match self.shape {
            Shape::Plain => "",
            Shape::Dtx => " dtx",
            Shape::Lbrr => " lbrr",
        })
    }
}

#[cfg(test)]
mod tests;
