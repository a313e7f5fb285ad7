//! Source descriptions (RFC 3550, 6.5): who is behind an SSRC. Pure; the receiver runs it.

use crate::units::Ssrc;
use crate::wire::Malformed;
use crate::wire::bytes::Reader;

pub(super) const CNAME: u8 = 1;
pub(super) const NAME: u8 = 2;

/// The chunks of one packet, one a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sdes<'a> {
    rest: &'a [u8],
    left: u8,
}

impl<'a> Sdes<'a> {
    /// Checks every item of every chunk.
    pub(super) fn parse(body: &'a [u8], count: u8) -> Result<Self, Malformed> {
        let mut rest = body;
        for _ in 0..count {
            (_, rest) = split_chunk(rest)?;
        }
        Ok(Self { rest: body, left: count })
    }
}

impl<'a> Iterator for Sdes<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (chunk, rest) = split_chunk(self.rest).ok()?;
        self.rest = rest;
        Some(chunk)
    }
}

/// What is said of one source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chunk<'a> {
    pub ssrc: Ssrc,
    pub items: SdesItems<'a>,
}

/// The items of a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SdesItems<'a>(&'a [u8]);

/// A peer's texts, as bytes that should be UTF-8: see [`crate::wire::printable`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SdesItem<'a> {
    /// The name that stays when the SSRC changes.
    Cname(&'a [u8]),
    /// The name for people.
    Name(&'a [u8]),
    Other(u8, &'a [u8]),
}

impl<'a> Iterator for SdesItems<'a> {
    type Item = SdesItem<'a>;

    fn next(&mut self) -> Option<SdesItem<'a>> {
        let (kind, text, rest) = split_item(self.0).ok()??;
        self.0 = rest;
        Some(match kind {
            CNAME => SdesItem::Cname(text),
            NAME => SdesItem::Name(text),
            other => SdesItem::Other(other, text),
        })
    }
}

/// Kind, text and what follows.
type Field<'a> = (u8, &'a [u8], &'a [u8]);

/// The first item; `None` at the end of the list. A list that ends with its packet, without a zero, is let pass.
fn split_item(bytes: &[u8]) -> Result<Option<Field<'_>>, Malformed> {
    if matches!(bytes, [] | [0, ..]) {
        return Ok(None);
    }
    let mut reader = Reader(bytes);
    let kind = reader.u8()?;
    let len = reader.u8()?;
    let text = reader.take(usize::from(len), Malformed::Length)?;
    Ok(Some((kind, text, reader.0)))
}

/// The first chunk and what follows it: the list ends in one to four zeros, up to the next word.
fn split_chunk(bytes: &[u8]) -> Result<(Chunk<'_>, &[u8]), Malformed> {
    let mut reader = Reader(bytes);
    let ssrc = Ssrc(reader.u32()?);
    let items = reader.0;
    let mut rest = items;
    while let Some((_, _, after)) = split_item(rest)? {
        rest = after;
    }
    let used = items.len() - rest.len();
    let end = (used + 1).next_multiple_of(4);
    Ok((Chunk { ssrc, items: SdesItems(&items[..used]) }, items.get(end..).unwrap_or_default()))
}
