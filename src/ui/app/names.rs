//! What the peers are called, and what the terminal's title says. Main thread.

use super::App;
use crate::engine::Snapshot;
use crate::units::PeerId;

impl App {
    /// What to call a peer: as the user named it, else as it names itself, else by its address.
    #[must_use]
    pub fn name(&self, id: PeerId) -> String {
        let Some(info) = self.info(id) else { return format!("peer {}", id.slot() + 1) };
        let named = info.sealed.as_ref().and_then(|sealed| sealed.user_name());
        named.map(str::to_owned).or_else(|| info.name.clone()).unwrap_or_else(|| info.address.clone())
    }

    /// The name that a peer gives itself, where it is shown by another one.
    #[must_use]
    pub fn own_name(&self, id: PeerId) -> Option<&str> {
        let name = self.info(id)?.name.as_deref()?;
        (name != self.name(id)).then_some(name)
    }

    /// A caller at `address`, as long as it is remembered: `Bench (10.0.0.7:5005)`.
    pub(super) fn who_called(&self, address: &str) -> String {
        let is_it = |id: &PeerId| self.info(*id).is_some_and(|info| info.incoming && info.address == address);
        let name = PeerId::all().find(is_it).map(|id| self.name(id)).filter(|name| name != address);
        name.map_or_else(|| address.to_owned(), |name| format!("{name} ({address})"))
    }

    /// For the terminal's title: on air and running are seen even when the window is not.
    #[must_use]
    pub fn title(&self, snapshot: &Snapshot) -> String {
        let with = match snapshot.peers.iter().filter(|peer| peer.state.is_engaged()).collect::<Vec<_>>()[..] {
            [] => String::new(),
            [one] => format!("{} - ", self.name(one.id)),
            ref several => format!("{} peers - ", several.len()),
        };
        if snapshot.on_air {
            return format!("(ON AIR) {with}voicetui");
        }
        if snapshot.measuring {
            return format!("(measuring) {with}voicetui");
        }
        if let Some(peer) = self.ringing(snapshot) {
            return format!("(ringing) {} is calling - voicetui", self.name(peer.id));
        }
        let microphone = match (snapshot.mic_running, snapshot.muted) {
            (true, true) => "(muted) ",
            (true, false) if snapshot.voice_armed => "(voice activation: listening) ",
            (true, false) => "(microphone ready) ",
            // No name that a peer gives itself comes first: it might read like one of these.
            _ if with.is_empty() => "",
            _ => "(in call) ",
        };
        format!("{microphone}{with}voicetui")
    }
}
