//! The Network view: every number of the selected peer, live, with its last minute; and mouth to ear as a stack.

mod compact;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::{Scene, gauge, paint, strip};
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

/// Rows of the two upper boxes and of the minute; what is left goes to mouth to ear.
const TOP: u16 = 13;
const MINUTE: u16 = 4;

pub fn draw(buf: &mut Buffer, area: Rect, scene: &Scene) {
    let theme = scene.theme;
    let Some(peer) = scene.app.selected(scene.snapshot) else {
        paint::centre(buf, area, area.height / 2, "Nobody to measure yet: press c to call.", theme.dim);
        return;
    };
    if area.width < 72 || area.height < 18 {
        return compact::draw(buf, area, peer, scene);
    }
    let top = TOP.min(area.height - MINUTE - 3);
    let sizes = [Constraint::Length(top), Constraint::Length(MINUTE), Constraint::Min(3)];
    let [top, minute, below] = Layout::vertical(sizes).areas(area);
    let [heard, sent] = Layout::horizontal([Constraint::Percentage(54), Constraint::Percentage(46)]).areas(top);
    let inner = paint::panel(buf, heard, theme, theme.border, &heard_title(heard.width, peer, scene), (&which(scene), theme.dim));
    let shown = fewer(hearing(peer, scene, inner.width >= 60), inner.height, &["drift", "reordered"]);
    figures(buf, inner, &shown, peer, scene);
    let name = text::fit(&scene.app.name(peer.id), usize::from(area.width / 2 - 26), theme.glyphs.ellipsis);
    let format = if crate::ui::app::is_open(peer.format) { format!("{}, open", peer.format) } else { peer.format.to_string() };
    let inner = paint::panel(buf, sent, theme, theme.border, &format!("you {} {name}", theme.glyphs.arrow), (&format, theme.dim));
    let shown = sending(peer, scene);
    let split = shown.len() as u16;
    figures(buf, paint::rows(inner, 0, split), &shown, peer, scene);
    let rest = paint::rows(inner, split, inner.height);
    let shown = this_side(scene);
    let dash = theme.glyphs.axis.to_string().repeat(usize::from(inner.width.saturating_sub(2)));
    let lined = u16::from(rest.height > shown.len() as u16);
    if lined > 0 {
        paint::text(buf, rest, 0, 1, &dash, theme.border);
    }
    figures(buf, paint::rows(rest, lined, rest.height), &fewer(shown, rest.height, &["card asks", "card gaps"]), peer, scene);
    last_minute(buf, minute, peer, scene);
    mouth_to_ear(buf, below, peer, scene);
}

/// The figures without `spare` ones that there is no room for.
fn fewer(mut figures: Vec<Figure>, room: u16, spare: &[&str]) -> Vec<Figure> {
    for label in spare {
        if figures.len() > usize::from(room) {
            figures.retain(|figure| figure.label != *label);
        }
    }
    figures
}

/// `alice -> you: excellent`; the word only where it fits.
fn heard_title(width: u16, peer: &PeerSnapshot, scene: &Scene) -> String {
    let (arrow, ellipsis) = (scene.theme.glyphs.arrow, scene.theme.glyphs.ellipsis);
    let room = usize::from(width).saturating_sub(which(scene).width() + 7);
    let name = scene.app.name(peer.id);
    let full = peer.r_factor.map(|r| format!("{name} {arrow} you: {}", text::quality(r)));
    full.filter(|full| full.width() <= room)
        .unwrap_or_else(|| format!("{} {arrow} you", text::fit(&name, room.saturating_sub(arrow.width() + 5), ellipsis)))
}

/// `1/3: j k`
fn which(scene: &Scene) -> String {
    let peers = &scene.snapshot.peers;
    let at = peers.iter().position(|peer| Some(peer.id) == scene.app.selected).unwrap_or(0);
    if peers.len() < 2 { String::new() } else { format!("{}/{}: j k", at + 1, peers.len()) }
}

/// `roomy`: there is room for words beside the figures.
fn hearing(peer: &PeerSnapshot, scene: &Scene, roomy: bool) -> Vec<Figure> {
    let theme = scene.theme;
    let arrow = theme.glyphs.arrow;
    let plain = |label, value: String, curve| Figure { label, value, curve: Some(curve), style: theme.accent };
    let bad = |label, value: String, curve| Figure { label, value, curve: Some(curve), style: theme.bad };
    let lost = format!("{} ({})", text::count(peer.lost_packets), text::percent(peer.lost_percent()));
    let number = |ms: Option<f32>| ms.map_or("-".to_string(), |ms| format!("{ms:.1}"));
    let delay = format!("{} {arrow} {} ms", number(peer.playout_delay_ms), number(peer.playout_target_ms));
    let drift = peer.drift_ppm.map_or("-".into(), |ppm| format!("{:+.0} ppm", ppm.round() + 0.0));
    let reordered = match peer.duplicate_packets {
        0 => text::count(peer.reordered_packets),
        twice => format!("{}, {} twice", text::count(peer.reordered_packets), text::count(twice)),
    };
    vec![
        Figure { style: quality_style(peer, scene), ..plain("quality", quality(peer, roomy), (Series::Quality, 100.0)) },
        plain(
            "received",
            format!("{}  {}", text::count(peer.received_packets), text::bytes(peer.received_bytes)),
            (Series::Received, 50.0),
        ),
        bad("lost", lost, (Series::Lost, 2.0)),
        bad("late", text::count(peer.late_packets), (Series::Late, 2.0)),
        Figure { style: theme.good, ..plain("repaired", text::count(peer.repaired_packets), (Series::Repaired, 2.0)) },
        Figure { style: theme.warn, ..plain("made up", text::percent(peer.concealed_percent()), (Series::Concealed, 10.0)) },
        plain("reordered", reordered, (Series::Reordered, 2.0)),
        plain("jitter", text::ms(peer.jitter_ms), (Series::Jitter, 5.0)),
        plain("delay", delay, (Series::Delay, 20.0)),
        plain("drift", drift, (Series::Ppm, 50.0)),
    ]
}

/// `R 92  MOS 4.4`, with the word for it where there is room.
fn quality(peer: &PeerSnapshot, roomy: bool) -> String {
    let (Some(r), Some(mos)) = (peer.r_factor, peer.mos_lq) else { return "-".into() };
    let word = if roomy { format!("  {}", text::quality(r)) } else { String::new() };
    format!("R {r:.0}  MOS {mos:.1}{word}")
}

fn quality_style(peer: &PeerSnapshot, scene: &Scene) -> Style {
    match peer.r_factor.unwrap_or_default() {
        80.0.. => scene.theme.good,
        70.0.. => scene.theme.warn,
        _ => scene.theme.bad,
    }
}

fn sending(peer: &PeerSnapshot, scene: &Scene) -> Vec<Figure> {
    let theme = scene.theme;
    let plain = |label, value: String, curve| Figure { label, value, curve: Some(curve), style: theme.accent };
    let plain_words = |label, value: Option<String>| Figure { label, value: value.unwrap_or("-".into()), curve: None, style: theme.text };
    let heard = peer.heard_delay_ms.map_or_else(|| text::heard(peer), |delay| text::ms(Some(delay)));
    vec![
        plain("sent", format!("{}  {}", text::count(peer.sent_packets), text::bytes(peer.sent_bytes)), (Series::Sent, 50.0)),
        Figure { style: theme.bad, ..plain("lost there", text::percent(peer.heard_lost_percent), (Series::HeardLost, 2.0)) },
        Figure { curve: None, ..plain("their ear", heard, (Series::HeardLost, 2.0)) },
        plain("round trip", text::ms(peer.rtt_ms), (Series::Rtt, 10.0)),
        plain_words("voice", peer.sending.map(text::voice)),
        plain_words("copies", peer.sending.map(text::copies)),
        plain_words("because", peer.sending.map(|sending| text::send_reason(sending.reason).into())),
    ]
}

/// What no single peer is to blame for.
fn this_side(scene: &Scene) -> Vec<Figure> {
    let (theme, s) = (scene.theme, scene.snapshot);
    let plain = |label, value: String| Figure { label, value, curve: None, style: theme.accent };
    let dropped = s.dropped_unknown + s.dropped_malformed + s.dropped_stranger + s.dropped_full;
    let mut lost = format!("{} in, {} out", text::count(dropped), text::count(s.send_errors));
    if dropped > 0 {
        let parts =
            [("unknown", s.dropped_unknown), ("broken", s.dropped_malformed), ("strangers", s.dropped_stranger), ("full", s.dropped_full)];
        let said = parts.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{} {what}", text::count(*n)));
        let unsent = (s.send_errors > 0).then(|| format!("{} out", text::count(s.send_errors)));
        lost = said.chain(unsent).collect::<Vec<_>>().join(", ");
    }
    let at_work = text::at_work(&s.at_work);
    let processing = (!at_work.is_empty()).then(|| plain("your voice", format!("{}: {at_work}", text::ms(s.processing_ms))));
    let figures = [
        plain("dropped", lost),
        plain("card gaps", format!("{} in, {} out", text::count(s.mic_overruns), text::count(s.out_underruns))),
        plain("card asks", s.block_samples.map_or("-".into(), |block| format!("{:.1} ms a block", block / 48.0))),
    ];
    processing.into_iter().chain(figures).collect()
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

/// The minute's strip, or words for it where nothing may scroll, and what it adds up to.
fn last_minute(buf: &mut Buffer, area: Rect, peer: &PeerSnapshot, scene: &Scene) {
    let theme = scene.theme;
    let wave = &scene.meters.peer(peer.id).wave;
    let inner =
        paint::panel(buf, area, theme, theme.border, "The last minute, % of the voice", (&strip::as_it_came(&peer.minute), theme.title));
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    if theme.calm {
        paint::text(buf, inner, 0, 0, &strip::words(&peer.minute), theme.text);
    } else {
        strip::draw(buf, inner, 0, wave, theme);
    }
    strip::shares(buf, inner, 1, &peer.minute, theme);
}

/// Why the playout waits as long as it does: the user's bounds, where there are any, else what it found.
fn why(peer: &PeerSnapshot, scene: &Scene) -> Option<String> {
    let delay = scene.snapshot.delay;
    if !delay.is_auto() {
        return Some(format!("playout set: {}", delay.words()));
    }
    peer.playout_why.map(text::why).map(str::to_owned)
}

fn mouth_to_ear(buf: &mut Buffer, area: Rect, peer: &PeerSnapshot, scene: &Scene) {
    let theme = scene.theme;
    let title = why(peer, scene).map_or("Mouth to ear".into(), |why| format!("Mouth to ear; {why}"));
    let inner = paint::panel(buf, area, theme, theme.border, &title, (&total(peer), theme.title));
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    if inner.height < 2 {
        return legend(buf, inner, 0, peer, scene);
    }
    gauge::stack(buf, inner, 0, &peer.stack, theme);
    legend(buf, inner, 1, peer, scene);
    let chart = paint::rows(inner, 2, inner.height);
    let columns = scene.app.histories[peer.id.slot()].stacks(usize::from(chart.width));
    gauge::stacked_area(buf, chart, &columns, 20.0, theme);
}

fn legend(buf: &mut Buffer, area: Rect, row: u16, peer: &PeerSnapshot, scene: &Scene) {
    let theme = scene.theme;
    let mut x = 0;
    // No cleaning of the voice is the rule, and needs no word.
    let said = |(_, (name, part)): &(usize, (&str, Option<f32>))| *name != "processing" || part.is_some_and(|ms| ms > 0.0);
    for (at, (name, part)) in peer.stack.parts().into_iter().enumerate().filter(said) {
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
