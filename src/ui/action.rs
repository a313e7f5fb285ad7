//! Everything a key or a click can mean on the screen.

use tui_input::InputRequest;

/// The four views, one keypress each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum View {
    #[default]
    Talk,
    Listen,
    Network,
    Peers,
}

impl View {
    pub const ALL: [Self; 4] = [Self::Talk, Self::Listen, Self::Network, Self::Peers];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Talk => "Talk",
            Self::Listen => "Listen",
            Self::Network => "Network",
            Self::Peers => "Peers",
        }
    }

    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// The view `by` tabs further, round and round.
    #[must_use]
    pub fn step(self, by: usize) -> Self {
        Self::ALL[(self.index() + by) % Self::ALL.len()]
    }
}

/// What the user wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Held, not pressed: the input thread sees to it, the table only names it.
    Talk,
    Open,
    Voice,
    /// Voice activation opens sooner, or later.
    MoreSensitive,
    LessSensitive,
    /// Echo cancellation, noise suppression: auto, on, off; automatic gain on or off.
    Echo,
    Noise,
    Gain,
    /// What the output is.
    IsHeadset,
    IsLoudspeaker,
    Mute,
    /// Focus the address field.
    Address,
    /// Call what the address field says.
    Call,
    Hangup,
    HangupAll,
    Answer,
    Decline,
    /// Answer, and connect at once from now on.
    Admit,
    Block,
    /// Call in the clear, since nobody answers sealed.
    Clear,
    /// The name is typed: call in the clear.
    ClearNow,
    /// The words are the same on both sides.
    Verify,
    Unverify,
    PeerLouder,
    PeerQuieter,
    PeerMute,
    Louder,
    Quieter,
    Deafen,
    Next,
    Previous,
    View(View),
    NextView,
    PreviousView,
    Devices,
    /// The picker's next list.
    NextList,
    PreviousList,
    Choose,
    Record,
    /// The doctor's checks and their report.
    Examine,
    Help,
    Redraw,
    Suspend,
    Quit,
    QuitNow,
    /// Out of the field, the picker, the help, the question.
    Leave,
    /// Older and newer addresses.
    Older,
    Newer,
    Edit(InputRequest),
}

impl Action {
    /// Whether a key held down does it again and again.
    #[must_use]
    pub fn repeats(self) -> bool {
        matches!(
            self,
            Self::PeerLouder
                | Self::PeerQuieter
                | Self::Louder
                | Self::Quieter
                | Self::MoreSensitive
                | Self::LessSensitive
                | Self::Next
                | Self::Previous
                | Self::Older
                | Self::Newer
                | Self::Edit(_)
        )
    }
}
