//! The help: the table of keys as it is now; what would be refused says why.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::{Scene, paint};
use crate::ui::keymap::{self, Context};
use crate::ui::text;

/// Columns of the keys, with room and without.
const KEYS: [usize; 2] = [17, 10];

type Row = Vec<(String, Style)>;

fn lines(scene: &Scene, width: u16) -> Vec<Row> {
    let theme = scene.theme;
    let width = KEYS[usize::from(width < 60)];
    let mut lines = vec![
        vec![("Hold Space to talk; let go to stop. Nobody but you can open your microphone.".to_string(), theme.text)],
        vec![(format!("Here the end of a hold is {}.", how(scene)), theme.dim)],
    ];
    for context in [Context::Main, Context::Field, Context::Picker] {
        lines.push(vec![]);
        lines.push(vec![(context.title().to_string(), theme.title)]);
        for binding in keymap::of(context) {
            let refused = (context == Context::Main).then(|| scene.app.refusal(binding.action, scene.snapshot)).flatten();
            let keys: Vec<String> = binding.keys.iter().map(|key| key.name()).collect();
            let keys = format!("{:width$}", text::fit(&keys.join(" "), width - 1, theme.glyphs.ellipsis));
            lines.push(match refused {
                None => vec![(keys, theme.key), (binding.help.to_string(), theme.text)],
                Some(why) => vec![(keys, theme.dim), (binding.help.to_string(), theme.dim), (format!(" ({why})"), theme.dim)],
            });
        }
    }
    lines
}

fn how(scene: &Scene) -> &'static str {
    match scene.app.key.rung {
        crate::talk::Rung::Releases => "reported by the terminal",
        crate::talk::Rung::Inferred => "guessed from the keyboard's auto-repeat; the mouse on TALK is exact",
    }
}

pub fn draw(buf: &mut Buffer, area: Rect, scene: &Scene, scroll: u16) {
    let theme = scene.theme;
    let lines = lines(scene, area.width);
    let inner = paint::popup(buf, area, (90, lines.len() as u16 + 2), theme, "Help");
    let shown = usize::from(inner.height);
    let last = lines.len().saturating_sub(shown);
    let from = usize::from(scroll).min(last);
    for (row, line) in lines[from..].iter().take(shown).enumerate() {
        let mut x = 1;
        for (words, style) in line {
            let room = usize::from(inner.width.saturating_sub(x + 1));
            x += paint::text(buf, inner, row as u16, x, &text::fit(words, room, theme.glyphs.ellipsis), *style);
        }
    }
    if last > 0 {
        let more = format!(" {}-{} of {} ", from + 1, from + shown, lines.len());
        let below = Rect::new(inner.x, inner.bottom(), inner.width, 1);
        paint::text(buf, below, 0, below.width.saturating_sub(more.width() as u16 + 1), &more, theme.dim);
    }
}
