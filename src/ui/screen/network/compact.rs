//! The Network view where there is little room: two columns of label and value, the minute's strip and the stack below.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::{Figure, hearing, sending, total, which};
use crate::engine::{PeerSnapshot, Sending};
use crate::ui::screen::{Scene, gauge, paint, strip};
use crate::ui::text;

/// The most telling first: what there is no row for is left out.
const LEFT: [&str; 9] = ["quality", "delay", "lost", "repaired", "made up", "late", "jitter", "received", "reordered"];
const RIGHT: [&str; 7] = ["lost there", "round trip", "voice", "copies", "because", "their ear", "sent"];

pub fn draw(buf: &mut Buffer, area: Rect, peer: &PeerSnapshot, scene: &Scene) {
    let theme = scene.theme;
    let name = text::fit(&scene.app.name(peer.id), 20, theme.glyphs.ellipsis);
    let state = text::state(peer);
    paint::spans(
        buf,
        area,
        0,
        1,
        &[(&name, theme.title), (" ", theme.text), (&state, theme.dim), (" ", theme.text), (&which(scene), theme.dim)],
    );
    // The strip, its shares where there is room, the mouth to ear, its stack.
    let shares = u16::from(area.height >= 12 && !theme.calm);
    let bottom = 3 + shares;
    let height = usize::from(area.height.saturating_sub(1 + bottom));
    let half = area.width / 2;
    let roomy = half >= 30;
    let mut left = picked(hearing(peer, scene, false), &LEFT);
    let mut right = picked(sending(peer, scene), &RIGHT);
    if !roomy {
        left.iter_mut().chain(&mut right).for_each(|figure| shorten(figure, peer));
    }
    let bounds = scene.snapshot.delay;
    if !bounds.is_auto() {
        let value = if roomy { bounds.words() } else { format!("{bounds} ms") };
        left.insert(2, Figure { label: "set", value, curve: None, style: theme.text });
    }
    for (row, figure) in left.iter().take(height).enumerate() {
        pair(buf, Rect { width: half, ..area }, row as u16 + 1, figure, scene);
    }
    let right_area = Rect { x: area.x + half, width: area.width - half, ..area };
    for (row, figure) in right.iter().take(height).enumerate() {
        pair(buf, right_area, row as u16 + 1, figure, scene);
    }
    below(buf, paint::rows(area, area.height.saturating_sub(bottom), bottom), peer, scene);
}

/// The minute, and from mouth to ear, in three rows; in four with the minute's shares.
fn below(buf: &mut Buffer, area: Rect, peer: &PeerSnapshot, scene: &Scene) {
    let theme = scene.theme;
    let line = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    if theme.calm {
        paint::text(buf, line, 0, 0, &strip::words(&peer.minute), theme.text);
    } else {
        strip::draw(buf, line, 0, &scene.meters.peer(peer.id).wave, theme);
    }
    if area.height > 3 {
        strip::shares(buf, line, 1, &peer.minute, theme);
    }
    let (row, total, share) = (area.height.saturating_sub(2), total(peer), strip::as_it_came(&peer.minute));
    let room = usize::from(line.width).saturating_sub(total.width() + share.width() + 1);
    let label = ["mouth to ear ", "ear "].into_iter().find(|label| label.width() <= room).unwrap_or_default();
    paint::spans(buf, line, row, 0, &[(label, theme.dim), (&total, theme.title)]);
    if label.width() <= room {
        paint::right(buf, line, row, &share, theme.text);
    }
    gauge::stack(buf, line, row + 1, &peer.stack, theme);
}

/// The figures of these labels, in this order.
fn picked(mut figures: Vec<Figure>, labels: &[&str]) -> Vec<Figure> {
    let place = |label: &str| labels.iter().position(|wanted| *wanted == label);
    figures.retain(|figure| place(figure.label).is_some());
    figures.sort_by_key(|figure| place(figure.label));
    figures
}

/// In 20 columns: without what can be guessed.
fn shorten(figure: &mut Figure, peer: &PeerSnapshot) {
    let sending = peer.sending.unwrap_or_default();
    let value = match figure.label {
        "quality" => {
            figure.label = "R, MOS";
            peer.r_factor.zip(peer.mos_lq).map(|(r, mos)| format!("{r:.0}, {mos:.1}"))
        }
        "delay" => Some(text::ms(peer.playout_delay_ms)),
        "received" => Some(text::count(peer.received_packets)),
        "sent" => Some(text::count(peer.sent_packets)),
        "voice" => peer.sending.map(|_| text::voice(sending).replace(" kbit/s", "k")),
        "because" => peer.sending.map(|_| sending.reason.name().to_owned()),
        "copies" if sending.copies > 0 => Some(format!("{}, {} apart", sending.copies, sending.spacing)),
        "copies" => peer.sending.map(|_: Sending| "none".to_owned()),
        _ => None,
    };
    if let Some(value) = value {
        figure.value = value;
    }
}

fn pair(buf: &mut Buffer, area: Rect, row: u16, figure: &Figure, scene: &Scene) {
    let theme = scene.theme;
    let used = paint::spans(buf, area, row, 1, &[(figure.label, theme.dim), (" ", theme.text)]) + 1;
    let room = usize::from(area.width.saturating_sub(used + 1));
    let value = text::fit(&figure.value, room, theme.glyphs.ellipsis);
    paint::right(buf, Rect { width: area.width.saturating_sub(1), ..area }, row, &value, theme.text);
}
