//! The Network view: every number of the selected peer, live, with its last minute; and mouth to ear as a stack.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::{Scene, gauge, paint};
use crate::engine::PeerSnapshot;
use crate::ui::history::Series;
use crate::ui::text;

/// A line of figures.
struct Figure {
    label: &'static str,
    value: String,
    /// The curve beside it and the least value that fills it.
    curve: Option<(Series, f32)>,
    style: Style,
}

pub fn draw(buf: &mut Buffer, area: Rect, scene: &Scene) {
    let theme = scene.theme;
    let Some(peer) = scene.app.selected(scene.snapshot) else {
        paint::centre(buf, area, area.height / 2, "Nobody to measure yet: press c to call.", theme.dim);
        return;
    };
    if area.width < 72 || area.height < 18 {
        return compact(buf, area, peer, scene);
    }
    let [top, below] = Layout::vertical([Constraint::Length(12), Constraint::Min(6)]).areas(area);
    let [heard, sent] = Layout::horizontal([Constraint::Percentage(54), Constraint::Percentage(46)]).areas(top);
    let name = text::fit(&scene.app.name(peer.id), usize::from(area.width / 2 - 26), theme.glyphs.ellipsis);
    let arrow = theme.glyphs.arrow;
    let inner = paint::panel(buf, heard, theme, theme.border, &format!("{name} {arrow} you"), (&which(scene), theme.dim));
    figures(buf, inner, &hearing(peer, scene), peer, scene);
    let format = format!("{}, {}", peer.format, if crate::ui::app::is_open(peer.format) { "open" } else { "sealed" });
    let inner = paint::panel(buf, sent, theme, theme.border, &format!("you {arrow} {name}"), (&format, theme.dim));
    let split = 5;
    figures(buf, paint::rows(inner, 0, split), &sending(peer, scene), peer, scene);
    let dash = theme.glyphs.axis.to_string().repeat(usize::from(inner.width.saturating_sub(2)));
    paint::text(buf, inner, split, 1, &dash, theme.border);
    figures(buf, paint::rows(inner, split + 1, inner.height), &this_side(scene), peer, scene);
    mouth_to_ear(buf, below, peer, scene);
}

/// `1 of 3, j/k`
fn which(scene: &Scene) -> String {
    let peers = &scene.snapshot.peers;
    let at = peers.iter().position(|peer| Some(peer.id) == scene.app.selected).unwrap_or(0);
    if peers.len() < 2 { String::new() } else { format!("{} of {}: j k", at + 1, peers.len()) }
}

fn hearing(peer: &PeerSnapshot, scene: &Scene) -> Vec<Figure> {
    let theme = scene.theme;
    let arrow = theme.glyphs.arrow;
    let plain = |label, value: String, curve| Figure { label, value, curve: Some(curve), style: theme.accent };
    let bad = |label, value: String, curve| Figure { label, value, curve: Some(curve), style: theme.bad };
    let lost = format!("{} ({})", text::count(peer.lost_packets), text::percent(peer.lost_percent()));
    let number = |ms: Option<f32>| ms.map_or("-".to_string(), |ms| format!("{ms:.1}"));
    let delay = format!("{} {arrow} {} ms", number(peer.playout_delay_ms), number(peer.playout_target_ms));
    let drift = peer.drift_ppm.map_or("-".into(), |ppm| format!("{ppm:+.0} ppm"));
    vec![
        plain(
            "received",
            format!("{}  {}", text::count(peer.received_packets), text::bytes(peer.received_bytes)),
            (Series::Received, 50.0),
        ),
        bad("lost", lost, (Series::Lost, 2.0)),
        bad("late", text::count(peer.late_packets), (Series::Late, 2.0)),
        Figure { style: theme.good, ..plain("repaired", text::count(peer.repaired_packets), (Series::Repaired, 2.0)) },
        Figure { style: theme.concealed, ..plain("made up", text::percent(peer.concealed_percent()), (Series::Concealed, 10.0)) },
        plain("duplicate", text::count(peer.duplicate_packets), (Series::Duplicate, 2.0)),
        plain("reordered", text::count(peer.reordered_packets), (Series::Reordered, 2.0)),
        plain("jitter", text::ms(peer.jitter_ms), (Series::Jitter, 5.0)),
        plain("delay", delay, (Series::Delay, 20.0)),
        plain("drift", drift, (Series::Ppm, 50.0)),
    ]
}

fn sending(peer: &PeerSnapshot, scene: &Scene) -> Vec<Figure> {
    let theme = scene.theme;
    let plain = |label, value: String, curve| Figure { label, value, curve: Some(curve), style: theme.accent };
    let heard = peer.heard_delay_ms.map_or_else(|| text::heard(peer), |delay| text::ms(Some(delay)));
    vec![
        plain("sent", format!("{}  {}", text::count(peer.sent_packets), text::bytes(peer.sent_bytes)), (Series::Sent, 50.0)),
        Figure { style: theme.bad, ..plain("lost there", text::percent(peer.heard_lost_percent), (Series::HeardLost, 2.0)) },
        Figure { curve: None, ..plain("their ear", heard, (Series::HeardLost, 2.0)) },
        plain("round trip", text::ms(peer.rtt_ms), (Series::Rtt, 10.0)),
    ]
}

/// What no single peer is to blame for.
fn this_side(scene: &Scene) -> Vec<Figure> {
    let (theme, s) = (scene.theme, scene.snapshot);
    let plain = |label, value: String| Figure { label, value, curve: None, style: theme.accent };
    let dropped = s.dropped_unknown + s.dropped_malformed + s.dropped_stranger + s.dropped_full;
    let mut all = vec![
        plain("dropped", text::count(dropped)),
        plain("not sent", text::count(s.send_errors)),
        plain("card gaps", format!("{} in, {} out", text::count(s.mic_overruns), text::count(s.out_underruns))),
        plain("card asks", s.block_samples.map_or("-".into(), |block| format!("{:.1} ms a block", block / 48.0))),
    ];
    if dropped > 0 {
        let parts =
            [("unknown", s.dropped_unknown), ("broken", s.dropped_malformed), ("strangers", s.dropped_stranger), ("full", s.dropped_full)];
        let said: Vec<String> = parts.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{} {what}", text::count(*n))).collect();
        all[0].value = said.join(", ");
    }
    all
}

fn figures(buf: &mut Buffer, area: Rect, figures: &[Figure], peer: &PeerSnapshot, scene: &Scene) {
    let theme = scene.theme;
    let history = &scene.app.histories[peer.id.slot()];
    // As wide as the widest value, so that the curves stand under each other.
    let widest = figures.iter().filter(|figure| figure.curve.is_some()).map(|figure| figure.value.width()).max().unwrap_or(0);
    let start = 12 + widest as u16 + 2;
    for (row, figure) in figures.iter().enumerate() {
        let row = row as u16;
        paint::text(buf, area, row, 1, figure.label, theme.dim);
        let room = if figure.curve.is_some() { widest } else { usize::from(area.width.saturating_sub(13)) };
        paint::text(buf, area, row, 12, &text::fit(&figure.value, room, theme.glyphs.ellipsis), theme.text);
        if let Some((series, top_min)) = figure.curve
            && area.width > start + 4
        {
            let curve = Rect { x: area.x + start, width: (area.width - start - 1).min(60), ..area };
            let values: Vec<f32> = history.last(series, usize::from(curve.width)).collect();
            gauge::spark(buf, curve, row, &values, top_min, figure.style, theme);
        }
    }
}

/// The total in words: "at least" while a part is unknown.
fn total(peer: &PeerSnapshot) -> String {
    match (peer.stack.total(), peer.stack.is_whole()) {
        (None, _) => "unknown until something is heard".into(),
        (Some(total), true) => text::ms(Some(total)),
        (Some(total), false) => format!("at least {}", text::ms(Some(total))),
    }
}

fn mouth_to_ear(buf: &mut Buffer, area: Rect, peer: &PeerSnapshot, scene: &Scene) {
    let theme = scene.theme;
    let inner = paint::panel(buf, area, theme, theme.border, "Mouth to ear", (&total(peer), theme.title));
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    gauge::stack(buf, inner, 0, &peer.stack, theme);
    legend(buf, inner, 1, peer, scene);
    let chart = paint::rows(inner, 2, inner.height);
    let columns = scene.app.histories[peer.id.slot()].stacks(usize::from(chart.width));
    gauge::stacked_area(buf, chart, &columns, 20.0, theme);
}

fn legend(buf: &mut Buffer, area: Rect, row: u16, peer: &PeerSnapshot, scene: &Scene) {
    let theme = scene.theme;
    let mut x = 0;
    for (at, (name, part)) in peer.stack.parts().into_iter().enumerate() {
        let sign = theme.stack_sign(at).to_string();
        let value = part.map_or("?".into(), |ms| format!("{ms:.1}"));
        x += paint::spans(
            buf,
            area,
            row,
            x,
            &[(&sign, theme.stack[at]), (" ", theme.text), (name, theme.dim), (" ", theme.text), (&value, theme.text), ("  ", theme.text)],
        );
    }
}

/// Two columns of label and value, the stack below.
fn compact(buf: &mut Buffer, area: Rect, peer: &PeerSnapshot, scene: &Scene) {
    let theme = scene.theme;
    let name = text::fit(&scene.app.name(peer.id), 20, theme.glyphs.ellipsis);
    paint::spans(
        buf,
        area,
        0,
        1,
        &[(&name, theme.title), (" ", theme.text), (&text::state(peer), theme.dim), (" ", theme.text), (&which(scene), theme.dim)],
    );
    let left = hearing(peer, scene);
    let right = sending(peer, scene);
    let keep = |label: &str| !matches!(label, "duplicate" | "drift" | "delay");
    let height = area.height.saturating_sub(4);
    let half = area.width / 2;
    for (row, figure) in left.iter().filter(|figure| keep(figure.label)).take(usize::from(height)).enumerate() {
        pair(buf, Rect { width: half, ..area }, row as u16 + 1, figure, scene);
    }
    let delay = Figure { label: "delay", value: text::ms(peer.playout_delay_ms), curve: None, style: theme.text };
    let target = Figure { label: "target", value: text::ms(peer.playout_target_ms), curve: None, style: theme.text };
    let right_area = Rect { x: area.x + half, width: area.width - half, ..area };
    for (row, figure) in right.iter().chain([&delay, &target]).take(usize::from(height)).enumerate() {
        pair(buf, right_area, row as u16 + 1, figure, scene);
    }
    let below = paint::rows(area, area.height - 2, 2);
    paint::spans(buf, below, 0, 1, &[("mouth to ear ", theme.dim), (&total(peer), theme.title)]);
    gauge::stack(buf, Rect { x: below.x + 1, width: below.width.saturating_sub(2), ..below }, 1, &peer.stack, theme);
}

fn pair(buf: &mut Buffer, area: Rect, row: u16, figure: &Figure, scene: &Scene) {
    let theme = scene.theme;
    let used = paint::spans(buf, area, row, 1, &[(figure.label, theme.dim), (" ", theme.text)]) + 1;
    let room = usize::from(area.width.saturating_sub(used + 1));
    let value = text::fit(&figure.value, room, theme.glyphs.ellipsis);
    paint::right(buf, Rect { width: area.width.saturating_sub(1), ..area }, row, &value, theme.text);
}
