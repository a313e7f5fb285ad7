//! The bottom rows: the latest word, and the keys that do something now.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::{Scene, paint};
use crate::engine::{Holder, When};
use crate::ui::action::Action;
use crate::ui::app::{Mode, Tone};
use crate::ui::keymap::{self, Context, key_name};
use crate::ui::text;

/// Rows for a long problem, by those of the screen.
fn rows(height: u16) -> usize {
    match height {
        ..16 => 1,
        16..24 => 2,
        _ => 3,
    }
}

/// A problem, a device that is gone, the latest word, or where we listen; a long problem takes more rows where there are some.
pub fn message(scene: &Scene, area: Rect) -> (Vec<String>, Style) {
    let (app, theme) = (scene.app, scene.theme);
    let (words, style) = match (app.message(), app.devices.loss()) {
        (Some(message), _) if message.tone == Tone::Problem => (message.text.clone(), theme.bad),
        (Some(message), None) => (message.text.clone(), theme.text),
        (_, Some(loss)) => (text::clean_sentence(loss), theme.bad),
        _ if asks(scene) => (question(scene), theme.warn),
        _ => (listening(scene), theme.dim),
    };
    let width = usize::from(area.width.saturating_sub(2));
    let is_problem = app.message().is_some_and(|message| message.tone == Tone::Problem);
    let mut lines = if is_problem { text::wrap(&words, width) } else { vec![words] };
    let rows = rows(area.height);
    if lines.len() > rows {
        let rest = lines.split_off(rows - 1).join(" ");
        lines.push(rest);
    }
    let fit = |line: String| text::fit(&line, width, theme.glyphs.ellipsis);
    (lines.into_iter().map(fit).collect(), style)
}

pub fn say(buf: &mut Buffer, area: Rect, (lines, style): &(Vec<String>, Style)) {
    for (row, line) in lines.iter().enumerate() {
        paint::text(buf, area, row as u16, 1, line, *style);
    }
}

/// An echo would be heard now, if the output is a loudspeaker, and nobody has said what it is.
fn asks(scene: &Scene) -> bool {
    let snapshot = scene.snapshot;
    let is_open = snapshot.voice_armed || snapshot.holder == Some(Holder::Open);
    is_open && snapshot.processing.echo == When::Auto && scene.app.devices.question().is_some()
}

fn question(scene: &Scene) -> String {
    let Some((name, kind)) = scene.app.devices.question() else { return String::new() };
    let (headset, loudspeaker) = (key_name(Context::Main, Action::IsHeadset), key_name(Context::Main, Action::IsLoudspeaker));
    let name = text::fit(name, 30, scene.theme.glyphs.ellipsis);
    format!("Is {name} a headset ({headset}) or a loudspeaker ({loudspeaker})? Taken for a {} until you say.", kind.name())
}

fn listening(scene: &Scene) -> String {
    match scene.app.listening {
        Some(address) => format!("listening on port {}", address.port()),
        None => "starting".into(),
    }
}

/// Taken from the table of keys; what would be refused is left out.
pub fn keys(buf: &mut Buffer, area: Rect, scene: &Scene) {
    let theme = scene.theme;
    let context = scene.app.mode.context();
    let mut x = 1;
    for binding in keymap::of(context).filter(|binding| !binding.short.is_empty()) {
        if scene.app.mode == Mode::Main && scene.app.refusal(binding.action, scene.snapshot).is_some() {
            continue;
        }
        let key = binding.keys[0].name();
        let width = (key.width() + 1 + binding.short.width()) as u16;
        if x + width > area.width {
            break;
        }
        x += paint::spans(buf, area, 0, x, &[(&key, theme.key), (" ", theme.text), (binding.short, theme.dim), ("  ", theme.text)]);
    }
}
