//! The top row: tabs to the left, what must never be overlooked to the right.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::{Scene, Zones, paint};
use crate::engine::{DeviceStatus, Sealed};
use crate::ui::action::View;
use crate::ui::app::is_open;

/// Wide enough for the name and every tab's word.
const ROOMY: u16 = 76;

pub fn draw(buf: &mut Buffer, area: Rect, scene: &Scene, zones: &mut Zones) {
    let theme = scene.theme;
    let roomy = area.width >= ROOMY;
    let mut x = 0;
    if roomy {
        x += paint::text(buf, area, 0, 0, " voicetui ", theme.accent.patch(theme.title));
        x += 1;
    }
    for view in View::ALL {
        let active = view == scene.app.view;
        let words = if roomy || active { format!(" {} {} ", view.index() + 1, view.name()) } else { format!(" {} ", view.index() + 1) };
        let style = if active { theme.tab_active } else { theme.tab };
        let used = paint::text(buf, area, 0, x, &words, style);
        zones.views.push((Rect::new(area.x + x, area.y, used, 1), view));
        x += used;
    }
    chips(buf, Rect::new(area.x + x, area.y, area.width - x, 1), scene);
}

/// From the right edge: the microphone, then what else holds, as far as there is room.
fn chips(buf: &mut Buffer, area: Rect, scene: &Scene) {
    let (theme, snapshot) = (scene.theme, scene.snapshot);
    let glyphs = theme.glyphs;
    let mut chips: Vec<(String, Style)> = vec![microphone(scene, area.width)];
    if !scene.app.recording.is_empty() {
        chips.push((format!(" {} REC ", glyphs.live), theme.bad));
    }
    chips.extend(seal(scene));
    if snapshot.peers.iter().any(|peer| scene.app.records(peer.id)) {
        chips.push((format!(" {} REC there ", glyphs.live), theme.bad));
    }
    if snapshot.deafened {
        chips.push((" DEAF ".into(), theme.warn));
    }
    if snapshot.volume != 100 {
        chips.push((format!(" vol {} % ", snapshot.volume), theme.dim));
    }
    if !scene.app.missed.is_empty() {
        chips.push((format!(" {} missed ", scene.app.missed.len()), theme.warn));
    }
    let mut end = area.width;
    for (words, style) in chips {
        let width = words.width() as u16;
        if width >= end {
            return;
        }
        end -= width;
        paint::text(buf, area, 0, end, &words, style);
    }
}

/// Whether those who hear us can be overheard: the worst of them counts.
fn seal(scene: &Scene) -> Option<(String, Style)> {
    let theme = scene.theme;
    let peers: Vec<_> = scene.snapshot.peers.iter().filter(|peer| peer.state.is_engaged()).collect();
    if peers.is_empty() {
        return None;
    }
    let all = |fits: fn(&Sealed) -> bool| peers.iter().all(|peer| scene.app.sealed(peer.id).is_some_and(fits));
    if peers.iter().any(|peer| is_open(peer.format)) {
        Some((" open ".into(), theme.warn))
    } else if all(|sealed| sealed.verified) {
        Some((" verified ".into(), theme.good))
    } else if all(|_| true) {
        let knows = |sealed: &Sealed| sealed.verified || sealed.known_as.is_some();
        match () {
            () if !all(|sealed| sealed.in_place_of.is_none()) => Some((" WRONG KEY? ".into(), theme.bad)),
            () if all(knows) => Some((" sealed ".into(), theme.good)),
            () => Some((" sealed ".into(), theme.text)),
        }
    } else {
        None
    }
}

fn microphone(scene: &Scene, room: u16) -> (String, Style) {
    let (theme, snapshot) = (scene.theme, scene.snapshot);
    let glyphs = theme.glyphs;
    if snapshot.on_air {
        (format!(" {} ON AIR ", glyphs.live), theme.on_air)
    } else if snapshot.measuring {
        (" MEASURING ".into(), theme.warn)
    } else if matches!(scene.app.devices.input, DeviceStatus::Lost { .. }) && !snapshot.mic_running {
        (" no microphone ".into(), theme.bad)
    } else if snapshot.muted {
        (" MUTED ".into(), theme.warn)
    } else if snapshot.mic_running && snapshot.voice_armed {
        let words = if room > 20 { "VOICE: listening" } else { "VOICE" };
        (format!(" {} {words} ", glyphs.idle), theme.accent)
    } else if snapshot.mic_running {
        (format!(" {} mic ready ", glyphs.idle), theme.accent)
    } else {
        (" mic closed ".into(), theme.dim)
    }
}
