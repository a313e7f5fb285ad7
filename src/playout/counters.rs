//! What playout says about itself: what became of each sample, and the counts since its start. Pure.

/// What a stretch of output samples is made of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Step {
    /// Nobody speaks: silence, or the comfort noise of a DTX sender.
    #[default]
    Idle = 0,
    /// Voice as it came.
    Played = 1,
    /// Voice from a retransmission.
    Nack = 2,
    /// Voice from a redundant copy (RFC 2198).
    Red = 3,
    /// Voice from the low-bitrate copy in the packet after.
    Lbrr = 4,
    /// Made up by the codec.
    Concealed = 5,
    /// Silence where voice was due.
    Lost = 6,
}

impl Step {
    pub const ALL: [Self; 7] = [Self::Idle, Self::Played, Self::Nack, Self::Red, Self::Lbrr, Self::Concealed, Self::Lost];
}

/// What one pull was made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pulled {
    samples: [u32; Step::ALL.len()],
    /// The peer speaks (or is believed to: a gap is being concealed).
    pub speaking: bool,
}

impl Pulled {
    /// Samples of the pull that are `step`; over all steps they add up to its length.
    #[must_use]
    pub fn samples(&self, step: Step) -> usize {
        self.samples[step as usize] as usize
    }

    /// The worst that happened in this pull: what a mark on the waveform should show.
    #[must_use]
    pub fn worst(&self) -> Step {
        Step::ALL.into_iter().rev().find(|step| self.samples(*step) > 0).unwrap_or_default()
    }

    pub(super) fn add(&mut self, step: Step, samples: usize) {
        self.samples[step as usize] += samples as u32;
    }
}

/// Counts since the playout was made. Packets unless said otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Decoded and heard, as first sent.
    pub played: u64,
    /// Heard from a redundant copy (RFC 2198).
    pub repaired_red: u64,
    /// Heard from the low-bitrate copy in the packet after.
    pub repaired_lbrr: u64,
    /// Heard from a retransmission.
    pub repaired_nack: u64,
    /// Given up: their time passed without them, and nothing repaired them.
    pub lost: u64,
    /// Came after they were given up or repaired.
    pub late: u64,
    /// Came again, beyond redundant copies.
    pub duplicate: u64,
    /// Came after a packet sent later.
    pub reordered: u64,
    /// Thrown away unheard: no room, too old after an outage, malformed, another stream.
    pub discarded: u64,
    /// Samples of voice heard or due: played, repaired, concealed, lost.
    pub voice_samples: u64,
    /// Samples of `voice_samples` that were made up, or silent in their place. Known once the gap has ended: the end of a
    /// talk spurt is no loss.
    pub concealed_samples: u64,
    /// Gaps that the `concealed_samples` lie in: their ratio is the mean length of a gap.
    pub concealed_gaps: u64,
    /// Samples added by time-stretching.
    pub stretched_plus: u64,
    /// Samples taken away by time-stretching, and by cuts.
    pub stretched_minus: u64,
}

impl Counters {
    /// Packets heard that would have been lost.
    #[must_use]
    pub fn repaired(&self) -> u64 {
        self.repaired_red + self.repaired_lbrr + self.repaired_nack
    }
}
