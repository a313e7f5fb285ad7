//! The Peers view: who is there and how, whose voice is how loud, and who called in vain.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;

use super::{Scene, Zones, gauge, paint, talk};
use crate::engine::{CallState, PeerSnapshot, Sealed};
use crate::ui::action::Action;
use crate::ui::app::{Missed, is_open};
use crate::ui::keymap::{Context, key_name};
use crate::ui::text;

pub fn draw(buf: &mut Buffer, area: Rect, scene: &Scene, zones: &mut Zones) {
    let (theme, snapshot) = (scene.theme, scene.snapshot);
    let boxed = area.width >= 60 && area.height >= 14;
    let frame = if boxed { 2 } else { 0 };
    let details = if scene.app.selected.is_some_and(|id| scene.app.sealed(id).is_some()) { 3 } else { 2 };
    let wanted = snapshot.peers.len().max(1) as u16 + 1 + frame;
    let missed_rows = (scene.app.missed.len() as u16).clamp(1, 5) + frame;
    let sizes = [
        Constraint::Length(wanted.min(area.height.saturating_sub(missed_rows + 1))),
        Constraint::Length(details + frame),
        Constraint::Min(0),
    ];
    let [list, detail, missed] = Layout::vertical(sizes).areas(area);
    let count = format!("{} of 16", snapshot.peers.len());
    let list = if boxed { paint::panel(buf, list, theme, theme.border, "Peers", (&count, theme.dim)) } else { list };
    table(buf, list, scene, zones);
    let detail = if boxed { paint::panel(buf, detail, theme, theme.border, "Selected", ("", theme.dim)) } else { detail };
    draw_detail(buf, detail, scene, zones);
    let missed =
        if boxed && missed.height > 2 { paint::panel(buf, missed, theme, theme.border, "Missed calls", ("", theme.dim)) } else { missed };
    draw_missed(buf, missed, scene);
}

/// The peers that fit into `height` rows, the selected one among them.
pub fn window<'a>(scene: &Scene<'a>, height: u16) -> impl Iterator<Item = &'a PeerSnapshot> + use<'a> {
    let peers = &scene.snapshot.peers;
    let height = usize::from(height);
    let at = peers.iter().position(|peer| Some(peer.id) == scene.app.selected).unwrap_or(0);
    peers.iter().skip((at + 1).saturating_sub(height)).take(height)
}

fn table(buf: &mut Buffer, area: Rect, scene: &Scene, zones: &mut Zones) {
    let (app, theme) = (scene.app, scene.theme);
    let wide = area.width >= 70;
    let name_width = if wide { area.width / 4 } else { area.width.saturating_sub(26) };
    let state = name_width + 4;
    let (format, volume) = (state + 20, area.width.saturating_sub(18));
    let head = [(4, "name"), (state, "state"), (format, "format"), (volume, "volume")];
    for (column, words) in head.into_iter().take(if wide { 4 } else { 2 }) {
        paint::text(buf, area, 0, column, words, theme.dim);
    }
    if scene.snapshot.peers.is_empty() {
        paint::text(buf, area, 1, 4, "Nobody yet.", theme.dim);
    }
    for (row, peer) in window(scene, area.height.saturating_sub(1)).enumerate() {
        let line = paint::rows(area, row as u16 + 1, 1);
        let chosen = app.selected == Some(peer.id);
        if chosen {
            buf.set_style(line, theme.selected);
        }
        let pointer = if chosen { theme.glyphs.pointer.to_string() } else { " ".into() };
        let (mark, style) = talk::mark(peer, scene);
        let name = text::fit(&app.name(peer.id), usize::from(name_width.saturating_sub(1)), theme.glyphs.ellipsis);
        paint::spans(
            buf,
            line,
            0,
            0,
            &[(&pointer, theme.key), (" ", theme.text), (&mark.to_string(), style), (" ", theme.text), (&name, theme.title)],
        );
        let recorded = if app.records(peer.id) { paint::text(buf, line, 0, state, "REC ", theme.bad) } else { 0 };
        paint::text(buf, line, 0, state + recorded, &text::state(peer), theme.text);
        if wide {
            let verified = if app.sealed(peer.id).is_some_and(|sealed| sealed.verified) { ", verified" } else { "" };
            paint::text(buf, line, 0, format, &format!("{}{verified}", peer.format), seal_style(peer, scene));
            volume_cell(buf, Rect { x: line.x + volume, width: line.width - volume, ..line }, peer, scene);
        }
        zones.peers.push((line, peer.id));
    }
}

fn volume_cell(buf: &mut Buffer, area: Rect, peer: &PeerSnapshot, scene: &Scene) {
    let theme = scene.theme;
    if matches!(peer.state, CallState::Ended(_)) {
        return;
    }
    if peer.muted {
        paint::text(buf, area, 0, 0, "silenced", theme.warn);
        return;
    }
    gauge::share(buf, Rect { width: 10, ..area }, 0, f32::from(peer.volume) / 200.0, theme, theme.accent);
    paint::text(buf, area, 0, 11, &format!("{} %", peer.volume), theme.text);
}

/// Address, and who else can listen.
fn draw_detail(buf: &mut Buffer, area: Rect, scene: &Scene, zones: &mut Zones) {
    let theme = scene.theme;
    let Some(peer) = scene.app.selected(scene.snapshot) else { return };
    let info = scene.app.info(peer.id);
    let address = info.map_or(String::new(), |info| match info.remote {
        Some(remote) if remote.to_string() != info.address => format!("{} ({remote})", info.address),
        _ => info.address.clone(),
    });
    let way = if info.is_some_and(|info| info.incoming) { "called you from " } else { "called at " };
    let own = scene.app.own_name(peer.id).map_or_else(String::new, |name| format!("   calls itself {name}"));
    paint::spans(buf, area, 0, 1, &[(way, theme.dim), (&address, theme.text), (&own, theme.dim)]);
    let sealed = scene.app.sealed(peer.id);
    let volume = if peer.muted { "silenced here".to_string() } else { format!("volume {} %", peer.volume) };
    paint::spans(
        buf,
        area,
        1,
        1,
        &[
            (&text::privacy(peer.format, sealed), seal_style(peer, scene)),
            (if scene.app.records(peer.id) { "   it records this call" } else { "" }, theme.bad),
            ("   ", theme.text),
            (&volume, theme.dim),
        ],
    );
    if let Some(sealed) = sealed {
        draw_words(buf, area, scene, sealed);
        let is_whole = usize::from(area.width) > "words   ".len() + sealed.words().len() && area.height > 2;
        zones.words = Some(sealed.key).filter(|_| is_whole);
    }
}

/// The four words, and what to do with them.
fn draw_words(buf: &mut Buffer, area: Rect, scene: &Scene, sealed: &Sealed) {
    let theme = scene.theme;
    let words = sealed.words();
    let key = key_name(Context::Main, Action::Verify);
    let hint = if sealed.verified { "compared: the same on both sides".into() } else { format!("{key} if the peer reads the same") };
    paint::spans(buf, area, 2, 1, &[("words  ", theme.dim), (&words, theme.title), ("   ", theme.text), (&hint, theme.dim)]);
}

/// Good: sealed by a key that is known; a warning: open, or nobody knows whose key it is.
fn seal_style(peer: &PeerSnapshot, scene: &Scene) -> Style {
    let theme = scene.theme;
    match scene.app.sealed(peer.id) {
        _ if is_open(peer.format) => theme.warn,
        Some(sealed) if sealed.in_place_of.is_some() => theme.bad,
        Some(sealed) if sealed.verified || sealed.known_as.is_some() => theme.good,
        _ => theme.text,
    }
}

fn draw_missed(buf: &mut Buffer, area: Rect, scene: &Scene) {
    let theme = scene.theme;
    if scene.app.missed.is_empty() {
        paint::text(buf, area, 0, 1, "No missed calls.", theme.dim);
    }
    for (row, missed) in scene.app.missed.iter().take(usize::from(area.height)).enumerate() {
        let time = local_time(missed, scene);
        paint::spans(buf, area, row as u16, 1, &[(&time, theme.warn), ("  ", theme.text), (&missed.address, theme.text)]);
    }
}

fn local_time(missed: &Missed, scene: &Scene) -> String {
    let Ok(at) = jiff::Timestamp::try_from(missed.at) else { return "-".into() };
    at.to_zoned(scene.app.zone.clone()).strftime("%b %d %H:%M").to_string()
}
