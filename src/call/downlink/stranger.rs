//! Who knocks without having been called: bounded memory of the last few, so that a stream rings once and the declined stay quiet.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::session::PublicKey;
use crate::wire::app::CallWord;

/// Strangers remembered; the one heard from longest ago makes room.
const STRANGERS_MAX: usize = 64;
/// Datagrams of media within [`MEDIA_WINDOW`] that ring: five ring once, one never.
pub(super) const MEDIA_KNOCKS: u32 = 5;
pub(super) const MEDIA_WINDOW: Duration = Duration::from_secs(1);
/// A voicetui says twice that it calls within this time; the first time alone could be a forged datagram.
pub(super) const CALL_KNOCKS: u32 = 2;
pub(super) const CALL_WINDOW: Duration = Duration::from_secs(3);

/// What a knock leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Knock {
    /// Too few yet.
    Counted,
    /// Enough: ring.
    Rings,
    /// Not to be rung for.
    Hushed(Hush),
}

/// Who knocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Caller {
    /// In the clear. A voicetui is known by its port too: others may live behind the same address. `None`: media from any port.
    Place(IpAddr, Option<u16>),
    /// Out of a sealed session, wherever it is.
    Key(PublicKey),
}

/// Why somebody is not rung for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Hush {
    /// What a voicetui there is told. Declined: a new call is refused too, not only what goes on of the old one.
    pub word: CallWord,
    /// The caller's number of the call that is over.
    pub leg: u32,
}

/// How long nobody is rung for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Quiet {
    For(Duration),
    /// As long as it goes on, and until it was silent for this long.
    While(Duration),
}

#[derive(Debug)]
struct Stranger {
    who: Caller,
    since: Instant,
    count: u32,
    last: Instant,
    hush: Option<(Hush, Quiet)>,
    /// The hush ends then.
    until: Instant,
}

/// The last few strangers.
#[derive(Debug, Default)]
pub(super) struct Strangers(Vec<Stranger>);

impl Strangers {
    /// Media came from an unknown `from`.
    pub(super) fn knock_media(&mut self, now: Instant, from: SocketAddr) -> Knock {
        if let Some(hush) = self.hushed(now, Caller::Place(from.ip(), Some(from.port()))) {
            return Knock::Hushed(hush);
        }
        let anywhere = Caller::Place(from.ip(), None);
        match self.hushed(now, anywhere) {
            Some(hush) => Knock::Hushed(hush),
            None => self.knock(now, anywhere, MEDIA_KNOCKS, MEDIA_WINDOW),
        }
    }

    /// A voicetui says that it calls, and which call of its own it means.
    pub(super) fn knock_call(&mut self, now: Instant, who: Caller, leg: u32) -> Knock {
        match self.hushed(now, who) {
            Some(hush) if hush.word == CallWord::Declined || hush.leg == leg => Knock::Hushed(hush),
            _ => self.knock(now, who, CALL_KNOCKS, CALL_WINDOW),
        }
    }

    /// Nobody is rung for by this one.
    pub(super) fn hush(&mut self, now: Instant, who: Caller, hush: Hush, quiet: Quiet) {
        let (Quiet::For(time) | Quiet::While(time)) = quiet;
        let at = self.at(now, who);
        self.0[at].hush = Some((hush, quiet));
        self.0[at].until = now + time;
        self.0[at].last = now;
    }

    /// The user called or accepted this one (at any port): what was held against it is forgotten.
    pub(super) fn forgive(&mut self, who: Caller) {
        self.0.retain(|stranger| match (stranger.who, who) {
            (Caller::Place(ip, _), Caller::Place(forgiven, _)) => ip != forgiven,
            (one, other) => one != other,
        });
    }

    fn hushed(&mut self, now: Instant, who: Caller) -> Option<Hush> {
        let stranger = self.0.iter_mut().find(|stranger| stranger.who == who && stranger.hush.is_some())?;
        let (hush, quiet) = stranger.hush?;
        if now >= stranger.until {
            stranger.hush = None;
            stranger.count = 0;
            return None;
        }
        stranger.last = now;
        if let Quiet::While(time) = quiet {
            stranger.until = now + time;
        }
        Some(hush)
    }

    fn knock(&mut self, now: Instant, who: Caller, needed: u32, window: Duration) -> Knock {
        let at = self.at(now, who);
        let stranger = &mut self.0[at];
        if stranger.count == 0 || now.saturating_duration_since(stranger.since) > window {
            (stranger.since, stranger.count) = (now, 0);
        }
        stranger.last = now;
        stranger.count += 1;
        if stranger.count < needed {
            return Knock::Counted;
        }
        stranger.count = 0;
        Knock::Rings
    }

    /// The index of an entry, made anew if need be; a hushed one is the last to be pushed out.
    fn at(&mut self, now: Instant, who: Caller) -> usize {
        if let Some(at) = self.0.iter().position(|stranger| stranger.who == who) {
            return at;
        }
        let new = Stranger { who, since: now, count: 0, last: now, hush: None, until: now };
        if self.0.len() < STRANGERS_MAX {
            self.0.push(new);
            return self.0.len() - 1;
        }
        let oldest = self.0.iter().enumerate().min_by_key(|(_, stranger)| (stranger.hush.is_some(), stranger.last));
        let at = oldest.map_or(0, |(at, _)| at);
        self.0[at] = new;
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect(text)
    }

    fn place(from: SocketAddr) -> Caller {
        Caller::Place(from.ip(), Some(from.port()))
    }

    fn anywhere(text: &str) -> Caller {
        Caller::Place(at(text).ip(), None)
    }

    const DECLINED: Hush = Hush { word: CallWord::Declined, leg: 7 };

    #[test]
    fn five_datagrams_within_a_second_ring_once_and_one_never() {
        let mut strangers = Strangers::default();
        let start = Instant::now();
        let ms = Duration::from_millis;
        for n in 0..20 {
            assert_eq!(strangers.knock_media(start + ms(300 * n), at("10.0.0.1:4000")), Knock::Counted, "one each 300 ms");
        }
        let later = start + ms(60_000);
        let knocks: Vec<Knock> = (0..5).map(|n| strangers.knock_media(later + ms(n), at(&format!("10.0.0.1:{}", 4_000 + n)))).collect();
        assert_eq!(knocks[..4], [Knock::Counted; 4]);
        assert_eq!(knocks[4], Knock::Rings);
    }

    #[test]
    fn who_was_declined_stays_quiet_as_long_as_it_goes_on() {
        let mut strangers = Strangers::default();
        let start = Instant::now();
        let quiet = Duration::from_secs(60);
        strangers.hush(start, anywhere("10.0.0.1:1"), DECLINED, Quiet::While(quiet));
        let mut now = start;
        for _ in 0..1_000 {
            now += Duration::from_secs(1);
            assert_eq!(strangers.knock_media(now, at("10.0.0.1:9")), Knock::Hushed(DECLINED));
        }
        now += quiet;
        let rings = (0..5).filter(|_| strangers.knock_media(now, at("10.0.0.1:9")) == Knock::Rings).count();
        assert_eq!(rings, 1, "after a minute of silence it may ring again");
    }

    #[test]
    fn a_hung_up_call_stays_over_and_a_new_one_rings() {
        let mut strangers = Strangers::default();
        let (now, caller) = (Instant::now(), at("10.0.0.1:5005"));
        let hush = Hush { word: CallWord::Ended, leg: 7 };
        strangers.hush(now, place(caller), hush, Quiet::While(Duration::from_secs(60)));
        assert_eq!(strangers.knock_call(now, place(caller), 7), Knock::Hushed(hush));
        assert_eq!(strangers.knock_media(now, caller), Knock::Hushed(hush));
        assert_eq!(strangers.knock_call(now, place(caller), 8), Knock::Counted);
        assert_eq!(strangers.knock_call(now, place(caller), 8), Knock::Rings);
        assert_eq!(strangers.knock_call(now, place(at("10.0.0.1:5006")), 7), Knock::Counted, "another one behind the same address");
    }

    #[test]
    fn a_crowd_of_strangers_takes_no_more_room_than_a_few() {
        let mut strangers = Strangers::default();
        let start = Instant::now();
        strangers.hush(start, anywhere("10.0.0.1:1"), DECLINED, Quiet::For(Duration::from_secs(3_600)));
        for n in 0..100_000u32 {
            let ip = IpAddr::V4((0x0b00_0000 + n).into());
            strangers.knock_media(start + Duration::from_micros(u64::from(n)), SocketAddr::new(ip, 9));
        }
        assert_eq!(strangers.0.len(), STRANGERS_MAX);
        assert_eq!(strangers.knock_media(start, at("10.0.0.1:9")), Knock::Hushed(DECLINED), "the declined are not pushed out");
    }
}
