//! The help: the table of keys as it is now; what would be refused says why.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::paint::Row;
use super::{Scene, paint};
use crate::ui::keymap::{self, Context};
use crate::ui::text;

/// Columns of the keys, with room and without.
const KEYS: [usize; 2] = [17, 10];

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
    let lines = lines(scene, area.width);
    paint::sheet(buf, area, 90, scene.theme, "Help", &lines, scroll);
}
