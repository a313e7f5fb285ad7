//! Whether what is read of the far end comes before the sound that it explains, and is there: two wishes against each other. Pure.

/// Left between what is read and the newest there is, for callbacks that come late, samples: of what there was but for the worst frames
/// of the last second, as many as [`MISSES`].
pub const SPARE: f64 = 192.0;
const LOOKED_AT: u32 = 100;
const MISSES: usize = 3;
/// A lead below this is not safe; so much more is worth a jump. For there must have been room for it for a second, and for so many times as long
/// whenever it was too much, s: each jump is a new room to the canceller, and a machine that is busy now and then would make one each second.
const SAFE: f64 = 384.0;
const WORTH: f64 = 96.0;
const PATIENCE_GROWS: u32 = 4;
const PATIENCE_MAX: u32 = 64;
/// And it must lack for so many seconds: what slipped is lacking too, until that is known.
const LACKING: u32 = 2;

/// Seconds in a row in which there was room for more lead, and how much at least, samples; and how many of them it takes.
#[derive(Debug)]
pub struct Room {
    seconds: u32,
    least: f64,
    patience: u32,
}

impl Default for Room {
    fn default() -> Self {
        Self { seconds: 0, least: f64::INFINITY, patience: 1 }
    }
}

impl Room {
    /// A second's `least` beyond what was read, and how much before its time that was. The room there is, or lacks (below 0), where it is
    /// time to read from another place.
    pub fn push(&mut self, least: f64, lead: f64) -> Option<f64> {
        let (lacks, has_room) = (least < 0.0, lead < SAFE && least > SPARE + WORTH);
        if !lacks && !has_room || lacks != (self.least < 0.0) {
            (self.seconds, self.least) = (0, f64::INFINITY);
        }
        if !lacks && !has_room {
            return None;
        }
        (self.seconds, self.least) = (self.seconds + 1, self.least.min(least));
        if self.seconds < if has_room { self.patience } else { LACKING } {
            return None;
        }
        let patience = if has_room { self.patience } else { (PATIENCE_GROWS * self.patience).min(PATIENCE_MAX) };
        let room = self.least;
        *self = Self { patience, ..Self::default() };
        Some(room)
    }
}

/// What there was beyond each of some frames.
#[derive(Debug)]
pub struct Spares {
    seen: u32,
    /// The least of them, ascending, samples.
    least: [f64; MISSES],
}

impl Default for Spares {
    fn default() -> Self {
        Self { seen: 0, least: [f64::INFINITY; MISSES] }
    }
}

impl Spares {
    /// What was `left` beyond a frame. Once a second what there was most of the time: but for so few frames as may come too late, below 0.
    pub fn push(&mut self, mut left: f64) -> Option<f64> {
        self.seen += 1;
        for least in &mut self.least {
            if left < *least {
                std::mem::swap(least, &mut left);
            }
        }
        (self.seen == LOOKED_AT).then(|| std::mem::take(self).least[MISSES - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_told_by_its_worst_frames_but_two() {
        let mut spares = Spares::default();
        for second in 0..3 {
            let told: Vec<f64> = (0..100).filter_map(|n| spares.push(if n % 40 == 0 { -500.0 } else { 300.0 + f64::from(n) })).collect();
            assert_eq!(told, [-500.0], "three are late, second {second}");
            let told: Vec<f64> = (0..100).filter_map(|n| spares.push(if n % 60 == 0 { -500.0 } else { 300.0 + f64::from(n) })).collect();
            assert_eq!(told, [301.0], "two are late, second {second}");
        }
    }

    #[test]
    fn what_lacks_is_taken_at_once_and_what_there_is_only_when_it_has_lasted() {
        let (mut room, unsafe_lead) = (Room::default(), 100.0);
        assert_eq!(room.push(500.0, unsafe_lead), Some(500.0), "at first at once");
        assert_eq!((room.push(-50.0, 400.0), room.push(-80.0, 400.0)), (None, Some(-80.0)), "once it is no chance");
        let waited = |room: &mut Room| (1..200).find(|_| room.push(500.0, unsafe_lead) == Some(500.0));
        assert_eq!(waited(&mut room), Some(4));
        for seconds in [16, 64, 64] {
            assert_eq!((room.push(-50.0, 400.0), room.push(-50.0, 400.0)), (None, Some(-50.0)));
            assert_eq!(waited(&mut room), Some(seconds));
        }
        assert!((0..200).all(|_| room.push(500.0, 400.0).is_none()), "a lead that is safe is left alone");
        assert!(
            (0..200).all(|n| room.push(if n % 9 == 0 { -50.0 } else { 500.0 }, unsafe_lead).is_none()),
            "one bad second in nine is borne"
        );
    }
}
