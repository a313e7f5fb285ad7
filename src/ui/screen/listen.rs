//! The Listen view: who speaks, the selected peer's voice with losses and repairs painted on it, delay and target.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use unicode_width::UnicodeWidthStr;

use super::{Scene, Zones, gauge, paint, strip, talk, wave};
use crate::engine::{CallState, DeviceStatus, PeerSnapshot};
use crate::ui::history::Series;
use crate::ui::text;

pub fn draw(buf: &mut Buffer, area: Rect, scene: &Scene, zones: &mut Zones) {
    let Some(peer) = scene.app.selected(scene.snapshot) else { return nobody(buf, area, scene) };
    let boxed = area.width >= 60 && area.height >= 16;
    let others = (scene.snapshot.peers.len() as u16).min(area.height / 4).max(1);
    let frame = if boxed { 2 } else { 0 };
    let sizes = [Constraint::Min(3 + frame), Constraint::Length(3 + frame), Constraint::Length(others + frame)];
    let [voice, figures, list] = Layout::vertical(sizes).areas(area);
    let (voice, figures, list) = if boxed { frames(buf, [voice, figures, list], peer, scene) } else { (voice, figures, list) };
    draw_voice(buf, voice, peer, scene, boxed);
    draw_figures(buf, figures, peer, scene);
    speakers(buf, list, scene, zones);
}

fn nobody(buf: &mut Buffer, area: Rect, scene: &Scene) {
    let theme = scene.theme;
    paint::centre(buf, area, area.height / 2, "Nobody to listen to yet: press c to call.", theme.dim);
}

fn frames(buf: &mut Buffer, [voice, figures, list]: [Rect; 3], peer: &PeerSnapshot, scene: &Scene) -> (Rect, Rect, Rect) {
    let theme = scene.theme;
    let name = text::fit(&scene.app.name(peer.id), 30, theme.glyphs.ellipsis);
    let (title, aside) = match (peer.state, peer.speaking) {
        (CallState::Live, true) => (format!("{name} speaks"), ("speaking", theme.accent)),
        (CallState::Live, false) => (name, ("silent", theme.dim)),
        _ => (name, (peer.state.name(), theme.warn)),
    };
    let border = if peer.speaking { theme.border_focus } else { theme.border };
    let voice = paint::panel(buf, voice, theme, border, &title, aside);
    let loudspeaker = match &scene.app.devices.output {
        DeviceStatus::Open { name, .. } => (text::fit(&text::clean(name), 40, theme.glyphs.ellipsis), theme.dim),
        DeviceStatus::Closed => ("loudspeaker closed".into(), theme.dim),
        DeviceStatus::Lost { .. } => ("no loudspeaker".into(), theme.bad),
    };
    let rated = peer.r_factor.zip(peer.mos_lq).map(|(r, mos)| format!("What you hear: {}, R {r:.0}, MOS {mos:.1}", text::quality(r)));
    let heard =
        rated.filter(|words| words.width() + loudspeaker.0.width() + 8 <= usize::from(figures.width)).unwrap_or("What you hear".into());
    let figures = paint::panel(buf, figures, theme, theme.border, &heard, (&loudspeaker.0, loudspeaker.1));
    let list = paint::panel(buf, list, theme, theme.border, "Who speaks", ("", theme.dim));
    (voice, figures, list)
}

fn draw_voice(buf: &mut Buffer, area: Rect, peer: &PeerSnapshot, scene: &Scene, boxed: bool) {
    let theme = scene.theme;
    if theme.calm {
        let words = if peer.speaking { "speaking" } else { "silent" };
        let row = (area.height / 2).saturating_sub(1);
        paint::centre(buf, area, row, words, if peer.speaking { theme.accent.patch(theme.title) } else { theme.dim });
        let lost = format!("{} lost, {} late", text::count(peer.lost_packets), text::count(peer.late_packets));
        paint::centre(buf, area, row + 2, &lost, theme.dim);
        return;
    }
    let height = area.height.saturating_sub(1);
    wave::draw(buf, paint::rows(area, 0, height), &scene.meters.peer(peer.id).wave, theme);
    let used = strip::legend(buf, area, height, theme);
    let span = format!("last {:.0} s", wave::seconds(area.width));
    if boxed && used + 12 < area.width {
        paint::right(buf, area, height, &span, theme.dim);
    }
}

/// Three rows: delay against target, level, what is missing and mended of the last minute.
fn draw_figures(buf: &mut Buffer, area: Rect, peer: &PeerSnapshot, scene: &Scene) {
    let theme = scene.theme;
    let arrow = theme.glyphs.arrow;
    let label = |buf: &mut Buffer, row, words| paint::text(buf, area, row, 1, words, theme.dim);
    let value_width = if area.width >= 60 { 30 } else { 21 };
    let bar = Rect { x: area.x + 8, width: area.width.saturating_sub(8 + value_width), ..area };
    let value = |buf: &mut Buffer, row, words: &str, style| {
        let area = Rect { x: bar.right() + 1, width: area.right().saturating_sub(bar.right() + 1), ..area };
        paint::text(buf, area, row, 0, &text::fit(words, usize::from(area.width), theme.glyphs.ellipsis), style)
    };
    label(buf, 0, "delay");
    let (delay, target) = (peer.playout_delay_ms, peer.playout_target_ms);
    let longest = delay.unwrap_or(0.0).max(target.unwrap_or(0.0));
    let full = [20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0].into_iter().find(|full| longest < full * 0.9);
    gauge::target(buf, bar, 0, delay, target, full.unwrap_or(2_000.0), theme);
    value(buf, 0, &format!("{} {arrow} {}", text::ms(delay), text::ms(target)), theme.text);
    label(buf, 1, "level");
    gauge::level(buf, bar, 1, &scene.app.needles[peer.id.slot()], theme);
    let level = text::level(scene.app.needles[peer.id.slot()].level());
    let volume = if peer.muted { "silenced (M)".into() } else { format!("volume {} %", peer.volume) };
    value(buf, 1, &format!("{level}  {volume}"), if peer.muted { theme.warn } else { theme.text });
    label(buf, 2, "holes");
    let holes: Vec<f32> = scene.app.histories[peer.id.slot()].last(Series::Concealed, usize::from(bar.width)).collect();
    gauge::spark(buf, bar, 2, &holes, 10.0, theme.warn, theme);
    let words = match peer.r_factor {
        Some(r) if area.width < 60 => format!("{}, R {r:.0}", strip::missing(&peer.minute)),
        None if area.width < 60 => strip::missing(&peer.minute),
        _ => strip::words(&peer.minute),
    };
    value(buf, 2, &words, theme.text);
}

/// A row a peer with a small level.
fn speakers(buf: &mut Buffer, area: Rect, scene: &Scene, zones: &mut Zones) {
    let (app, theme) = (scene.app, scene.theme);
    let name_width = (area.width / 4).clamp(10, 24);
    for (row, peer) in super::peers::window(scene, area.height).enumerate() {
        let line = paint::rows(area, row as u16, 1);
        if app.selected == Some(peer.id) && scene.snapshot.peers.len() > 1 {
            buf.set_style(line, theme.selected);
        }
        let (mark, style) = talk::mark(peer, scene);
        let name = text::fit(&app.name(peer.id), usize::from(name_width), theme.glyphs.ellipsis);
        paint::spans(buf, line, 0, 1, &[(&mark.to_string(), style), (" ", theme.text), (&name, theme.title)]);
        let state = text::state(peer);
        let bar = Rect { x: line.x + name_width + 4, width: line.width.saturating_sub(name_width + 6 + state.width() as u16), ..line };
        if peer.state == CallState::Live {
            gauge::level(buf, bar, 0, &app.needles[peer.id.slot()], theme);
        }
        paint::right(buf, Rect { width: line.width.saturating_sub(1), ..line }, 0, &state, theme.dim);
        zones.peers.push((line, peer.id));
    }
}
