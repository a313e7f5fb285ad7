//! The Talk view: the address field, the TALK button, the own voice, and who hears it.
//!
//! ```text
//! ╭ Call ────────────────────────────────────────────────────╮
//! │ 10.0.1.217                                               │
//! ╰──────────────────────────────────────────────────────────╯
//! ┏━━━━━━━━━━━━━━━━┓╭ Your voice ───────────────── on air ───╮
//! ┃     ON AIR     ┃│ ▂▅█▆▃▁  ▂▄▇█▅▂                         │
//! ┗━━━━━━━━━━━━━━━━┛╰────────────────────────────────────────╯
//! ╭ Who hears you ───────────────────────────────────────────╮
//! │ ● alice   10.0.1.217   heard: 0.2 % lost, 38 ms          │
//! ╰──────────────────────────────────────────────────────────╯
//! ```

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Block, Widget};
use unicode_width::UnicodeWidthStr;

use super::{Scene, Zones, gauge, paint, sign, wave};
use crate::engine::{CallState, DeviceStatus, Holder, PeerSnapshot, PublicKey, Snapshot};
use crate::talk::Rung;
use crate::ui::action::Action;
use crate::ui::app::Mode;
use crate::ui::keymap::{Context, key_name};
use crate::ui::text;

/// The TALK button's width where there is room for its sign.
const BUTTON: u16 = 30;

pub fn draw(frame: &mut Frame, area: Rect, scene: &Scene, zones: &mut Zones) {
    if area.width < 72 || area.height < 17 {
        return compact(frame, area, scene, zones);
    }
    // The voice gets what the list does not need.
    let list = (scene.snapshot.peers.len() as u16).max(4) + 2;
    let sizes = [Constraint::Length(3), Constraint::Min(9), Constraint::Length(list.min(area.height - 12))];
    let [call, middle, below] = Layout::vertical(sizes).areas(area);
    field(frame, call, scene, zones);
    let [talk, own] = Layout::horizontal([Constraint::Length(BUTTON), Constraint::Min(0)]).areas(middle);
    button(frame.buffer_mut(), talk, scene);
    zones.talk = Some(talk);
    own_voice(frame.buffer_mut(), own, scene);
    hearers(frame.buffer_mut(), below, scene, zones);
}

/// Down to 40x12: no boxes, the same parts.
fn compact(frame: &mut Frame, area: Rect, scene: &Scene, zones: &mut Zones) {
    let peers = (scene.snapshot.peers.len() as u16).clamp(1, (area.height / 3).max(1));
    let talk = if area.height < 7 + peers { 2 } else { 3 };
    // Under a long alarm the button stays, and as many peers as there is room for.
    let own = area.height.saturating_sub(2 + talk + peers);
    let sizes = if own == 0 { [0, talk, 0, 0, area.height.saturating_sub(talk)] } else { [1, talk, own, 1, peers] };
    let [call, talk, own, level, below] = Layout::vertical(sizes.map(Constraint::Length)).areas(area);
    field_line(frame, call, scene, zones);
    button(frame.buffer_mut(), talk, scene);
    zones.talk = Some(talk);
    let (theme, buf) = (scene.theme, frame.buffer_mut());
    if !theme.calm {
        wave::draw(buf, own, &scene.meters.mic.wave, theme);
    }
    level_row(buf, level, 0, scene);
    hearer_rows(buf, below, scene, zones);
}

fn field(frame: &mut Frame, area: Rect, scene: &Scene, zones: &mut Zones) {
    let theme = scene.theme;
    let focused = scene.app.field_focused();
    let border = if focused { theme.border_focus } else { theme.border };
    let aside = if focused { "Enter calls" } else { "" };
    let inner = paint::panel(frame.buffer_mut(), area, theme, border, "Call", (aside, theme.dim));
    field_text(frame, Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }, scene);
    zones.field = Some(area);
}

fn field_line(frame: &mut Frame, area: Rect, scene: &Scene, zones: &mut Zones) {
    let theme = scene.theme;
    let style = if scene.app.field_focused() { theme.key } else { theme.dim };
    let used = paint::text(frame.buffer_mut(), area, 0, 1, "Call: ", style) + 1;
    field_text(frame, Rect { x: area.x + used, width: area.width - used, ..area }, scene);
    zones.field = Some(area);
}

/// The text, scrolled so that the cursor is seen, or what to type.
fn field_text(frame: &mut Frame, area: Rect, scene: &Scene) {
    let (app, theme) = (scene.app, scene.theme);
    let width = usize::from(area.width);
    if app.field.text().is_empty() {
        let hint = if app.field_focused() { "a name, or an address such as 10.0.1.217" } else { "press c to call somebody" };
        paint::text(frame.buffer_mut(), area, 0, 0, &text::fit(hint, width, theme.glyphs.ellipsis), theme.dim);
    }
    let (skip, cursor) = app.field.view(width);
    let mut column = 0;
    let visible: String = app
        .field
        .text()
        .chars()
        .skip_while(|c| {
            let hidden = column < skip;
            column += c.to_string().width();
            hidden
        })
        .collect();
    paint::text(frame.buffer_mut(), area, 0, 0, &visible, theme.text);
    if app.field_focused() && area.height > 0 {
        let x = area.x + (cursor as u16).min(area.width.saturating_sub(1));
        frame.set_cursor_position(Position::new(x, area.y));
    }
}

/// What the TALK button says: the sign, a word below it, its style, and whether it is framed strongly.
struct Face {
    sign: &'static str,
    line: String,
    rung: &'static str,
    style: Style,
    strong: bool,
}

fn face(scene: &Scene) -> Face {
    let (theme, snapshot) = (scene.theme, scene.snapshot);
    let in_call = snapshot.peers.iter().any(|peer| peer.state.is_engaged());
    let rung = match (snapshot.holder, scene.app.key.rung) {
        (Some(Holder::Mouse), _) => "mouse",
        (Some(Holder::Ctl), _) => "voicetui ctl",
        (Some(Holder::Open), _) => "open microphone",
        (Some(Holder::Voice), _) => "voice activation",
        (None, _) if snapshot.voice_armed => "voice activation",
        (_, Rung::Releases) => "key: release reported",
        (_, Rung::Inferred) => "key: by auto-repeat",
    };
    let quiet = |sign, line: &str, style| Face { sign, line: line.into(), rung, style, strong: false };
    let open = key_name(Context::Main, Action::Open);
    match snapshot.holder {
        Some(holder) if snapshot.on_air => {
            let line = match holder {
                Holder::Key => "let go to stop".into(),
                Holder::Mouse => "let the button go to stop".into(),
                Holder::Ctl => "held from outside".into(),
                Holder::Open => format!("{open} closes the microphone"),
                Holder::Voice => "stop talking to stop".into(),
            };
            Face { sign: "ON AIR", line, rung, style: theme.on_air, strong: true }
        }
        None if snapshot.measuring => quiet("WAIT", "only chirps leave", theme.warn),
        Some(_) => quiet("WAIT", "nothing leaves yet", theme.warn),
        None if snapshot.on_air => Face { sign: "ON AIR", line: "closing".into(), rung, style: theme.on_air, strong: true },
        None if snapshot.muted => quiet("MUTED", &format!("{} unmutes", key_name(Context::Main, Action::Mute)), theme.warn),
        None if snapshot.voice_armed => quiet("VOICE", &format!("speak: {}", score(snapshot)), theme.ready),
        None if scene.app.key.spent => quiet("TALK", "let go, then press again", theme.warn),
        None if in_call && scene.app.field_focused() => quiet("TALK", "Esc, then hold Space", theme.dim),
        None if in_call => quiet("TALK", "hold Space, or hold this", theme.ready),
        None => quiet("TALK", "nobody to talk to yet", theme.dim),
    }
}

/// `34 %, opens at 50 %`
fn score(snapshot: &Snapshot) -> String {
    let percent = |share: f32| (share * 100.0).round() as u32;
    format!("{} %, opens at {} %", percent(snapshot.voice_score.unwrap_or(0.0)), percent(snapshot.voice.threshold()))
}

fn button(buf: &mut Buffer, area: Rect, scene: &Scene) {
    let theme = scene.theme;
    let face = face(scene);
    buf.set_style(area, face.style);
    if area.height < 5 {
        // Three rows: the word framed by its fill, and what to do.
        let words = if face.strong { format!("{0} {1} {0}", theme.glyphs.live, face.sign) } else { face.sign.to_string() };
        if theme.on_air.bg.is_none() && !face.strong {
            Block::bordered().border_set(theme.glyphs.border).border_style(theme.border).render(area, buf);
            paint::centre(buf, area, 1, &format!(" {words}: {} ", face.line), face.style);
            return;
        }
        paint::centre(buf, area, 0, &words, face.style.patch(theme.title));
        paint::centre(buf, area, 1, &face.line, face.style);
        paint::centre(buf, area, 2, &text::fit(face.rung, usize::from(area.width), theme.glyphs.ellipsis), face.style);
        return;
    }
    let (set, border) =
        if face.strong { (theme.glyphs.strong_border, face.style) } else { (theme.glyphs.border, theme.border.patch(face.style)) };
    let block = Block::bordered().border_set(set).border_style(border);
    let inner = block.inner(area);
    block.render(area, buf);
    let top = inner.height.saturating_sub(sign::ROWS + 3) / 2;
    sign::draw(buf, paint::rows(inner, top, sign::ROWS), face.sign, theme.glyphs, face.style);
    paint::centre(buf, inner, top + sign::ROWS + 1, &face.line, face.style);
    let faint = if face.style.bg.is_some() { face.style } else { face.style.patch(theme.dim) };
    paint::centre(buf, inner, inner.height - 1, face.rung, faint);
}

fn own_voice(buf: &mut Buffer, area: Rect, scene: &Scene) {
    let (theme, snapshot) = (scene.theme, scene.snapshot);
    let aside = match (&scene.app.devices.input, snapshot.on_air, snapshot.mic_running) {
        (_, true, _) => ("on air", theme.bad),
        (DeviceStatus::Lost { .. }, ..) => ("no microphone", theme.bad),
        (_, _, true) if snapshot.voice_armed => ("listening, nothing leaves", theme.accent),
        (_, _, true) => ("running, nothing leaves", theme.accent),
        _ => ("microphone closed", theme.dim),
    };
    let border = if snapshot.on_air { theme.bad } else { theme.border };
    let at_work = text::at_work(&snapshot.at_work);
    let title = if at_work.is_empty() || area.width < 60 { "Your voice".into() } else { format!("Your voice: {at_work}") };
    let inner = paint::panel(buf, area, theme, border, &title, aside);
    let meter = u16::from(snapshot.voice_armed);
    let height = inner.height.saturating_sub(1 + meter);
    if meter > 0 {
        voice_row(buf, inner, height, scene);
    }
    if theme.calm {
        let name = device_name(&scene.app.devices.input);
        paint::centre(buf, inner, height / 2, &text::fit(&name, usize::from(inner.width), theme.glyphs.ellipsis), theme.dim);
    } else {
        wave::draw(buf, paint::rows(inner, 0, height), &scene.meters.mic.wave, theme);
    }
    level_row(buf, inner, height + meter, scene);
}

/// How much what the microphone hears is like a voice, against where that opens it: `███████▌···|···  34 %, opens at 50 %`
fn voice_row(buf: &mut Buffer, area: Rect, row: u16, scene: &Scene) {
    let (theme, snapshot) = (scene.theme, scene.snapshot);
    let words = format!(" voice {:>20}", score(snapshot));
    let bar = Rect { width: area.width.saturating_sub(words.width() as u16), ..area };
    gauge::target(buf, bar, row, snapshot.voice_score, Some(snapshot.voice.threshold()), 1.0, theme);
    paint::right(buf, area, row, &words, theme.dim);
}

fn device_name(status: &DeviceStatus) -> String {
    match status {
        DeviceStatus::Open { name, .. } => text::clean(name),
        DeviceStatus::Closed => "closed until a call".into(),
        DeviceStatus::Lost { sentence } => text::clean_sentence(sentence),
    }
}

/// `████████▌····· -18 dB  clipped 3`
fn level_row(buf: &mut Buffer, area: Rect, row: u16, scene: &Scene) {
    let theme = scene.theme;
    let level = text::level(scene.app.mic.level());
    let clipped = scene.snapshot.mic_clipped;
    let words = if clipped > 0 { format!(" {level:>6}  clipped {}", text::count(clipped)) } else { format!(" {level:>6}") };
    let width = words.width() as u16;
    let bar = Rect { width: area.width.saturating_sub(width), ..area };
    gauge::level(buf, bar, row, &scene.app.mic, theme);
    paint::right(buf, area, row, &words, if clipped > 0 { theme.warn } else { theme.dim });
}

fn hearers(buf: &mut Buffer, area: Rect, scene: &Scene, zones: &mut Zones) {
    let (theme, snapshot) = (scene.theme, scene.snapshot);
    let several = match snapshot.peers.len() {
        0 | 1 => String::new(),
        n => format!("{n} peers"),
    };
    const TITLE: &str = "Who hears you";
    // Corners, spaces around both, and a line between them.
    let room = usize::from(area.width).saturating_sub(TITLE.width() + 7);
    let words = words(scene, room);
    zones.words = words.as_ref().map(|(_, key)| *key);
    let aside = words.map_or((several, theme.dim), |(words, _)| (words, theme.text));
    let inner = paint::panel(buf, area, theme, theme.border, TITLE, (&aside.0, aside.1));
    if snapshot.peers.is_empty() {
        return nobody(buf, inner, scene);
    }
    hearer_rows(buf, inner, scene, zones);
}

/// What the selected peer must read to us, as long as it is not verified, and its key: the words stay whole, whatever has to give way.
fn words(scene: &Scene, room: usize) -> Option<(String, PublicKey)> {
    let peer = scene.app.selected(scene.snapshot).filter(|peer| peer.state.is_engaged())?;
    let sealed = scene.app.sealed(peer.id).filter(|sealed| !sealed.verified)?;
    let key = key_name(Context::Main, Action::Verify);
    let says = |name: &str| format!("{name}: {} ({key} if it reads the same)", sealed.words());
    let spare = room.saturating_sub(says("").width());
    let words = match spare {
        ..4 => format!("{} ({key})", sealed.words()),
        _ => says(&text::fit(&scene.app.name(peer.id), spare, scene.theme.glyphs.ellipsis)),
    };
    (words.width() <= room).then_some((words, sealed.key))
}

fn nobody(buf: &mut Buffer, area: Rect, scene: &Scene) {
    let theme = scene.theme;
    paint::text(buf, area, 0, 1, "Nobody yet. Type an address above and press Enter, or wait for a call.", theme.dim);
    let called: Vec<&str> = scene.app.field.called().iter().rev().take(5).map(String::as_str).collect();
    if !called.is_empty() && area.height > 2 {
        let list = called.iter().map(|address| text::clean(address)).collect::<Vec<_>>().join("  ");
        paint::spans(buf, area, 2, 1, &[("called before: ", theme.dim), (&list, theme.text)]);
    }
}

/// A row a peer; the selected one is among those shown.
fn hearer_rows(buf: &mut Buffer, area: Rect, scene: &Scene, zones: &mut Zones) {
    let (app, theme, snapshot) = (scene.app, scene.theme, scene.snapshot);
    if snapshot.peers.is_empty() {
        paint::text(buf, area, 0, 1, "nobody hears you", theme.dim);
        return;
    }
    for (row, peer) in super::peers::window(scene, area.height).enumerate() {
        let row = row as u16;
        let line = paint::rows(area, row, 1);
        let selected = app.selected == Some(peer.id) && snapshot.peers.len() > 1;
        if selected {
            buf.set_style(line, theme.selected);
        }
        let (mark, style) = mark(peer, scene);
        let name_width = usize::from((area.width / 4).clamp(10, 24));
        let name = text::fit(&app.name(peer.id), name_width, theme.glyphs.ellipsis);
        let mut x = paint::spans(buf, line, 0, 1, &[(&mark.to_string(), style), (" ", theme.text), (&name, theme.title)]) + 1;
        x = x.max(name_width as u16 + 4);
        if app.records(peer.id) {
            x += paint::text(buf, line, 0, x, &format!("{} records you  ", theme.glyphs.live), theme.bad);
        }
        let words = heard_words(peer, scene);
        let room = usize::from(line.width.saturating_sub(x + 1));
        x += paint::text(buf, line, 0, x, &text::fit(&words, room, theme.glyphs.ellipsis), heard_style(peer, scene));
        let room = usize::from(line.width.saturating_sub(x + 3));
        if let Some(aside) = aside(peer, scene, room) {
            paint::right(buf, Rect { width: line.width - 1, ..line }, 0, &aside, theme.dim);
        }
        zones.peers.push((line, peer.id));
    }
}

/// `10.0.1.217  rtp  in call 2:13`; in less than `room` columns the address goes first, the time in the call last.
fn aside(peer: &PeerSnapshot, scene: &Scene, room: usize) -> Option<String> {
    let address = scene.app.info(peer.id).map(|info| info.address.as_str()).filter(|address| *address != scene.app.name(peer.id));
    let state = if peer.state == CallState::Live { text::state(peer) } else { String::new() };
    let parts = [address.unwrap_or_default(), peer.format.name(), &state];
    let from = |first: usize| parts[first..].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("  ");
    (0..parts.len()).map(from).find(|aside| !aside.is_empty() && aside.width() < room)
}

fn heard_words(peer: &PeerSnapshot, scene: &Scene) -> String {
    text::heard(peer) + if peer.muted && scene.app.mode != Mode::Field { " (you silenced it)" } else { "" }
}

fn heard_style(peer: &PeerSnapshot, scene: &Scene) -> Style {
    let theme = scene.theme;
    match (peer.state, peer.heard_lost_percent) {
        (CallState::Live, Some(lost)) if lost < 2.0 => theme.good,
        (CallState::Live, Some(_)) => theme.bad,
        (CallState::Live, None) if peer.sent_packets > 0 => theme.warn,
        (CallState::Ended(_), _) => theme.dim,
        _ => theme.text,
    }
}

/// The sign before a peer's name.
pub fn mark(peer: &PeerSnapshot, scene: &Scene) -> (char, Style) {
    let (theme, glyphs) = (scene.theme, scene.theme.glyphs);
    match peer.state {
        CallState::Live if peer.speaking => (glyphs.live, theme.accent),
        CallState::Live => (glyphs.live, theme.good),
        CallState::Ringing => (glyphs.live, theme.warn),
        CallState::Calling | CallState::RingingThere => (glyphs.waiting, theme.warn),
        CallState::Idle | CallState::Ended(_) => (glyphs.idle, theme.dim),
    }
}
