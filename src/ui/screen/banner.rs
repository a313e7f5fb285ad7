//! What stands over the view: somebody rings; really quit?

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use unicode_width::UnicodeWidthStr;

use super::{Scene, paint};
use crate::ui::action::Action;
use crate::ui::app::{Mode, engaged};
use crate::ui::keymap::{Context, key_name};
use crate::ui::text;

/// One row: who calls, who can listen, and the keys. In a text field letters stay text, so it says how to get out first.
pub fn ring(buf: &mut Buffer, area: Rect, scene: &Scene) {
    let theme = scene.theme;
    let Some(peer) = scene.app.ringing(scene.snapshot) else { return };
    buf.set_style(area, theme.ring);
    let (answer, decline) = (key_name(Context::Main, Action::Answer), key_name(Context::Main, Action::Decline));
    let keys = match scene.app.mode {
        Mode::Main => format!("{answer} answer  {decline} decline "),
        _ => format!("Esc, then {answer} answer, {decline} decline "),
    };
    let room = usize::from(area.width).saturating_sub(keys.width() + 2);
    let name = scene.app.name(peer.id);
    let address = scene.app.info(peer.id).map(|info| info.address.clone()).unwrap_or_default();
    let who = if address.is_empty() || address == name { name } else { format!("{name} ({address})") };
    let short = format!(" RING  {} is calling", text::fit(&who, room.saturating_sub(18), theme.glyphs.ellipsis));
    let long = format!("{short} - {}", text::privacy(peer.format));
    let words = if long.width() <= room { long } else { short };
    let bold = theme.ring.add_modifier(Modifier::BOLD);
    paint::text(buf, Rect { width: room as u16 + 1, ..area }, 0, 0, &words, bold);
    paint::right(buf, area, 0, &keys, bold);
}

pub fn quit(buf: &mut Buffer, area: Rect, scene: &Scene) {
    let theme = scene.theme;
    let peers = scene.snapshot.peers.iter().filter(|peer| engaged(peer.state)).count();
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
