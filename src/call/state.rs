//! Where one peer of the call stands. Pure.

use std::fmt;

/// One peer's place in the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CallState {
    #[default]
    Idle,
    /// We called; the name is being resolved or nobody has answered yet.
    Calling,
    /// The other side says that it rings there.
    RingingThere,
    /// Somebody calls us and waits for an answer; nothing of theirs is heard.
    Ringing,
    /// Connected: media may flow both ways.
    Live,
    Ended(Reason),
}

/// Why a call ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Reason {
    /// This side hung up.
    HungUp = 0,
    /// The other side hung up (BYE, or `ended`).
    PeerHungUp = 1,
    /// The other side declined.
    Declined = 2,
    /// This side declined.
    WeDeclined = 3,
    /// The other side is busy.
    Busy = 4,
    /// Nobody answered in time.
    NoAnswer = 5,
    /// Nothing can be sent there (no route, name does not resolve).
    Unreachable = 6,
    /// Incoming, and it stopped ringing before an answer.
    Missed = 7,
    /// The peer fell silent for good.
    TimedOut = 8,
}

impl Reason {
    const ALL: [Self; 9] = [
        Self::HungUp,
        Self::PeerHungUp,
        Self::Declined,
        Self::WeDeclined,
        Self::Busy,
        Self::NoAnswer,
        Self::Unreachable,
        Self::Missed,
        Self::TimedOut,
    ];
}

impl CallState {
    /// Called, ringing there or live: our voice may be meant for them.
    pub const ENGAGED: [Self; 3] = [Self::Calling, Self::RingingThere, Self::Live];

    /// Whether it is one of [`CallState::ENGAGED`].
    #[must_use]
    pub fn is_engaged(self) -> bool {
        Self::ENGAGED.contains(&self)
    }

    /// One byte, for the shared atomics.
    #[must_use]
    pub fn to_byte(self) -> u8 {
        match self {
            Self::Idle => 0,
            Self::Calling => 1,
            Self::RingingThere => 2,
            Self::Ringing => 3,
            Self::Live => 4,
            Self::Ended(reason) => 16 + reason as u8,
        }
    }

    /// The inverse of [`CallState::to_byte`]; what it never makes reads as `Idle`.
    #[must_use]
    pub fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Calling,
            2 => Self::RingingThere,
            3 => Self::Ringing,
            4 => Self::Live,
            16.. => Reason::ALL.get(usize::from(byte - 16)).map_or(Self::Idle, |reason| Self::Ended(*reason)),
            _ => Self::Idle,
        }
    }

    /// The machine-readable name (`--json`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Calling => "calling",
            Self::RingingThere => "ringing there",
            Self::Ringing => "ringing",
            Self::Live => "live",
            Self::Ended(Reason::HungUp) => "ended",
            Self::Ended(Reason::PeerHungUp) => "hung up",
            Self::Ended(Reason::Declined) => "declined",
            Self::Ended(Reason::WeDeclined) => "declined here",
            Self::Ended(Reason::Busy) => "busy",
            Self::Ended(Reason::NoAnswer) => "no answer",
            Self::Ended(Reason::Unreachable) => "unreachable",
            Self::Ended(Reason::Missed) => "missed",
            Self::Ended(Reason::TimedOut) => "gone",
        }
    }
}

impl fmt::Display for CallState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_survives_its_byte() {
        let ended = Reason::ALL.into_iter().map(CallState::Ended);
        for state in
            [CallState::Idle, CallState::Calling, CallState::RingingThere, CallState::Ringing, CallState::Live].into_iter().chain(ended)
        {
            assert_eq!(CallState::from_byte(state.to_byte()), state);
        }
        assert_eq!(CallState::from_byte(200), CallState::Idle);
    }
}
