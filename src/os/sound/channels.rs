//! Which of a card's channels are ours: `NAME#2`, `NAME#3,4`. Pure.

/// More of them than this are no choice any more.
const CHOSEN_MAX: usize = 8;

/// Channels of a card, counted from 0; none: all of them, an input's mixed, an output's alike.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Channels(Vec<u16>);

impl Channels {
    /// The device that `spec` names, and its channels, which people count from 1. What does not read as a list of channels belongs
    /// to the name.
    #[must_use]
    pub fn split(spec: &str) -> (&str, Self) {
        let parsed = spec.rsplit_once('#').filter(|(name, _)| !name.is_empty()).and_then(|(name, list)| Some((name, Self::parse(list)?)));
        parsed.unwrap_or((spec, Self::default()))
    }

    fn parse(list: &str) -> Option<Self> {
        let number = |text: &str| text.parse::<u16>().ok()?.checked_sub(1);
        let chosen: Vec<u16> = list.split(',').map(number).collect::<Option<_>>()?;
        (chosen.len() <= CHOSEN_MAX).then_some(Self(chosen))
    }

    #[must_use]
    pub fn are_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Channels that a card must have for this; 1 for all.
    #[must_use]
    pub fn needed(&self) -> u16 {
        self.0.iter().max().map_or(1, |last| last.saturating_add(1))
    }

    /// One frame's sample: the mean of the chosen channels. Those that are not there are silent.
    #[must_use]
    pub fn gather(&self, frame: &[f32]) -> f32 {
        let sum: f32 = self.0.iter().filter_map(|channel| frame.get(usize::from(*channel))).sum();
        sum / self.0.len().max(1) as f32
    }

    /// Puts a sample on the chosen channels of a frame, and silence on the others.
    pub fn spread(&self, sample: f32, frame: &mut [f32]) {
        frame.fill(0.0);
        for channel in &self.0 {
            if let Some(to) = frame.get_mut(usize::from(*channel)) {
                *to = sample;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_channels_ends_a_name_and_nothing_else_does() {
        for (spec, name, channels) in [
            ("default", "default", &[][..]),
            ("default#2", "default", &[1]),
            ("alsa:hw:CARD=UMC,DEV=0#3,4", "alsa:hw:CARD=UMC,DEV=0", &[2, 3]),
            ("Mic #1#8", "Mic #1", &[7]),
            ("Mic #", "Mic #", &[]),
            ("Mic #a", "Mic #a", &[]),
            ("Mic#0", "Mic#0", &[]),
            ("Mic#1,", "Mic#1,", &[]),
            ("#1", "#1", &[]),
            ("Mic#1,2,3,4,5,6,7,8,9", "Mic#1,2,3,4,5,6,7,8,9", &[]),
            ("Mic#70000", "Mic#70000", &[]),
        ] {
            assert_eq!(Channels::split(spec), (name, Channels(channels.to_vec())), "{spec}");
        }
    }

    #[test]
    fn chosen_channels_are_heard_and_fed_and_no_others() {
        let (_, channels) = Channels::split("x#2,4");
        assert_eq!((channels.needed(), channels.are_all()), (4, false));
        assert_eq!(channels.gather(&[9.0, 0.5, 9.0, 0.25]), 0.375);
        assert_eq!(channels.gather(&[9.0]), 0.0);
        let mut frame = [9.0; 5];
        channels.spread(0.5, &mut frame);
        assert_eq!(frame, [0.0, 0.5, 0.0, 0.5, 0.0]);
        assert_eq!(Channels::default().needed(), 1);
    }
}
