//! The two bottom rows: the latest word, and the keys that do something now.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::{Scene, paint};
use crate::ui::app::{Mode, Tone};
use crate::ui::keymap;
use crate::ui::text;

/// A problem, a device that is gone, the latest word, or where we listen.
pub fn message(buf: &mut Buffer, area: Rect, scene: &Scene) {
    let (app, theme) = (scene.app, scene.theme);
    let (words, style) = match (app.message(), app.devices.loss()) {
        (Some(message), _) if message.tone == Tone::Problem => (message.text.clone(), theme.bad),
        (Some(message), None) => (message.text.clone(), theme.text),
        (_, Some(loss)) => (text::clean_sentence(loss), theme.bad),
        _ => (listening(scene), theme.dim),
    };
    let width = usize::from(area.width.saturating_sub(2));
    paint::text(buf, area, 0, 1, &text::fit(&words, width, theme.glyphs.ellipsis), style);
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
