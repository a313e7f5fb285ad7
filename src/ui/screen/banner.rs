//! What stands over the view: somebody rings; really quit?

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use unicode_width::UnicodeWidthStr;

use super::{Scene, paint};
use crate::ui::action::Action;
use crate::ui::app::Mode;
use crate::ui::keymap::{Context, key_name};
use crate::ui::text;
use crate::units::PeerId;

/// One row: who calls, who can listen, and the keys. In a text field letters stay text, so it says how to get out first.
pub fn ring(buf: &mut Buffer, area: Rect, scene: &Scene) {
    let theme = scene.theme;
    let Some(peer) = scene.app.ringing(scene.snapshot) else { return };
    buf.set_style(area, theme.ring);
    let (answer, decline) = (key_name(Context::Main, Action::Answer), key_name(Context::Main, Action::Decline));
    let sealed = scene.app.sealed(peer.id);
    let (admit, block) = (key_name(Context::Main, Action::Admit), key_name(Context::Main, Action::Block));
    let more = if sealed.is_some() && area.width >= 100 { format!("{admit} always  {block} block  ") } else { String::new() };
    let keys = match scene.app.mode {
        Mode::Main => format!("{answer} answer  {more}{decline} decline "),
        _ if area.width < 60 => format!("Esc, then {answer} or {decline} "),
        _ => format!("Esc, then {answer} answer, {decline} decline "),
    };
    let room = usize::from(area.width).saturating_sub(keys.width() + 2);
    // A key that is known says who it is; what a caller calls itself does not.
    let name = sealed.and_then(|sealed| sealed.known_as.clone()).unwrap_or_else(|| scene.app.name(peer.id));
    let others = scene.app.others_ringing(scene.snapshot);
    let ring = if others == 0 { " RING".to_string() } else { format!(" RING +{others}") };
    let address = scene.app.info(peer.id).map(|info| info.address.clone()).unwrap_or_default();
    let who = if address.is_empty() || address == name { name.clone() } else { format!("{name} ({address})") };
    let worth = sealed.map_or_else(|| text::privacy(peer.format, None), |sealed| sealed.brief());
    let brief = sealed.map_or_else(|| "open".into(), |sealed| sealed.brief());
    let least = match sealed {
        Some(sealed) if sealed.in_place_of.is_some() => "WRONG KEY",
        Some(sealed) if sealed.known_as.is_some() && !sealed.verified => "known",
        _ => &brief,
    };
    let words = ring_words(&ring, &who, &name, [&worth, &brief, least], room, theme.glyphs.ellipsis);
    let bold = theme.ring.add_modifier(Modifier::BOLD);
    paint::text(buf, Rect { width: room as u16 + 1, ..area }, 0, 0, &words, bold);
    paint::right(buf, area, 0, &keys, bold);
}

/// Who rings and what its key is worth, as much of it as fits: the address goes first, then the end of the name, then all of it. What
/// the key is worth stays: a caller chooses its name, and with it how long it is.
fn ring_words(ring: &str, who: &str, name: &str, worth: [&str; 3], room: usize, ellipsis: char) -> String {
    /// A name that is shorter says nothing.
    const NAME_MIN: usize = 4;
    let [worth, brief, least] = worth;
    let says = |who: &str, worth: &str| format!("{ring}  {who} is calling - {worth}");
    let terse = |who: &str| format!("{ring} {who}: {least}");
    let whole = [says(who, worth), says(who, brief), says(name, brief)].into_iter().find(|words| words.width() <= room);
    let cut = |says: &dyn Fn(&str) -> String, min: usize| {
        let spare = room.saturating_sub(says("").width());
        (spare >= min).then(|| says(&text::fit(name, spare, ellipsis)))
    };
    let bare = || text::fit(&format!("{ring} {least}"), room, ellipsis);
    whole.or_else(|| cut(&|who| says(who, brief), 2 * NAME_MIN)).or_else(|| cut(&terse, NAME_MIN)).unwrap_or_else(bare)
}

/// What stands there while a changed key was not put away, in lines of `width` columns.
pub fn alarm_lines(scene: &Scene, width: u16) -> Vec<String> {
    let Some(alarm) = &scene.app.alarm else { return Vec::new() };
    let [_, line] = text::key_changed(&alarm.address, alarm.verified);
    let verified = if alarm.verified { ", which you had verified" } else { "" };
    let away = key_name(Context::Main, Action::Leave);
    let room = usize::from(width.saturating_sub(2));
    // The line to type comes early: on a small screen the end is cut.
    let mut lines = text::wrap(&format!("KEY CHANGED  {} shows another key than before{verified}: refused.", alarm.address), room);
    lines.extend(text::wrap(&format!("If you know why it is new, say: {line}"), room));
    lines.extend(text::wrap(&format!("If not, somebody may sit in between. ({away} puts this away)"), room));
    lines
}

pub fn alarm(buf: &mut Buffer, area: Rect, scene: &Scene, lines: &[String]) {
    let style = scene.theme.on_air;
    buf.set_style(area, style);
    for (row, line) in lines.iter().enumerate() {
        let style = if row == 0 { style.add_modifier(Modifier::BOLD) } else { style };
        paint::text(buf, area, row as u16, 1, line, style);
    }
}

/// The name of a peer that was met sealed, to be typed.
pub fn clear(buf: &mut Buffer, area: Rect, scene: &Scene, id: PeerId, typed: &str) {
    let theme = scene.theme;
    let address = scene.app.info(id).map(|info| info.address.clone()).unwrap_or_default();
    let warning =
        format!("{address} was met sealed before. In the clear anyone on the path can listen. To call all the same, type its name:");
    const WIDTH: u16 = 60;
    // Two columns of frame, and one of air on each side.
    let room = usize::from(WIDTH.min(area.width).saturating_sub(4));
    let lines = text::wrap(&warning, room);
    // A frame, the line to type in, and a row of air around it.
    let inner = paint::popup(buf, area, (WIDTH, lines.len() as u16 + 5), theme, "Call in the clear?");
    for (row, line) in lines.iter().enumerate() {
        paint::text(buf, inner, row as u16, 1, line, theme.text);
    }
    // The end of what is typed is seen.
    let skip = (typed.width() + 3).saturating_sub(room);
    let shown: String = typed.chars().skip(skip).collect();
    paint::spans(buf, inner, lines.len() as u16 + 1, 1, &[("> ", theme.key), (&shown, theme.title), ("_", theme.dim)]);
}

pub fn quit(buf: &mut Buffer, area: Rect, scene: &Scene) {
    let theme = scene.theme;
    let peers = scene.snapshot.peers.iter().filter(|peer| peer.state.is_engaged()).count();
    let inner = paint::popup(buf, area, (38, 5), theme, "Quit?");
    let words = if peers == 1 { "This hangs up on one peer.".to_string() } else { format!("This hangs up on {peers} peers.") };
    paint::centre(buf, inner, 0, &words, theme.text);
    let (yes, no) = (key_name(Context::Quit, Action::QuitNow), key_name(Context::Quit, Action::Leave));
    let used = yes.width() + no.width() + " hang up and quit".width() + " stay".width() + 3;
    let column = inner.width.saturating_sub(used as u16) / 2;
    let spans = [
        (yes.as_str(), theme.key),
        (" hang up and quit", theme.text),
        ("   ", theme.text),
        (no.as_str(), theme.key),
        (" stay", theme.text),
    ];
    paint::spans(buf, inner, 2, column, &spans);
}
