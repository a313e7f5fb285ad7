//! The device picker: three lists, what is in use, and a level test of the microphone.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Scene, Zones, gauge, paint};
use crate::engine::DeviceStatus;
use crate::ui::app::{List, Picker};
use crate::ui::text;

pub fn draw(buf: &mut Buffer, area: Rect, scene: &Scene, picker: &Picker, zones: &mut Zones) {
    let (app, theme) = (scene.app, scene.theme);
    let choices = app.devices.choices(picker.list);
    let inner = paint::popup(buf, area, (76, (choices.len() as u16 + 8).clamp(11, 24)), theme, "Devices");
    let mut x = 1;
    for list in List::ALL {
        let words = format!(" {} ", list.name());
        let style = if list == picker.list { theme.tab_active } else { theme.tab };
        let used = paint::text(buf, inner, 0, x, &words, style);
        zones.lists.push((Rect::new(inner.x + x, inner.y, used, 1), list));
        x += used + 1;
    }
    let rows = paint::rows(inner, 2, inner.height.saturating_sub(5));
    let first = (picker.row() + 1).saturating_sub(usize::from(rows.height));
    if choices.is_empty() {
        paint::text(buf, rows, 0, 3, "looking for devices", theme.dim);
    }
    for (row, (at, choice)) in choices.iter().enumerate().skip(first).take(usize::from(rows.height)).enumerate() {
        let line = paint::rows(rows, row as u16, 1);
        let chosen = at == picker.row();
        if chosen {
            buf.set_style(line, theme.selected);
        }
        let pointer = if chosen { theme.glyphs.pointer } else { ' ' }.to_string();
        let mark = if choice.in_use { theme.glyphs.live } else { theme.glyphs.idle }.to_string();
        let mark_style = if choice.in_use { theme.good } else { theme.dim };
        let name = text::fit(&choice.name, usize::from(line.width.saturating_sub(6)), theme.glyphs.ellipsis);
        let used = paint::spans(
            buf,
            line,
            0,
            0,
            &[(&pointer, theme.key), (" ", theme.text), (&mark, mark_style), (" ", theme.text), (&name, theme.text)],
        );
        let room = usize::from(line.width.saturating_sub(used + 3));
        paint::text(buf, line, 0, used + 2, &text::fit(&choice.detail, room, theme.glyphs.ellipsis), theme.dim);
        zones.rows.push((line, at));
    }
    let test = paint::rows(inner, inner.height.saturating_sub(2), 2);
    paint::text(buf, test, 0, 1, &said(scene, picker.list), theme.dim);
    if let Some(order) = app.devices.order(picker.list) {
        let line = paint::rows(inner, inner.height.saturating_sub(3), 1);
        let room = usize::from(line.width.saturating_sub(2));
        paint::text(buf, line, 0, 1, &text::fit(&order, room, theme.glyphs.ellipsis), theme.dim);
    }
    paint::text(buf, test, 1, 1, "say something ", theme.dim);
    let level = text::level(app.mic.level());
    let bar = Rect { x: test.x + 15, width: test.width.saturating_sub(25), ..test };
    gauge::level(buf, bar, 1, &app.mic, theme);
    paint::right(buf, Rect { width: test.width.saturating_sub(1), ..test }, 1, &level, theme.dim);
}

/// The chosen kind of stream, as it is now.
fn said(scene: &Scene, list: List) -> String {
    let status = match list {
        List::Input => &scene.app.devices.input,
        List::Output => &scene.app.devices.output,
        List::Host => return "The sound system holds the devices above.".into(),
    };
    match status {
        DeviceStatus::Closed => "closed".into(),
        DeviceStatus::Open { name, rate, channels, block, .. } => {
            let block = block.map_or(String::new(), |block| format!(", {block} samples a block"));
            let channels = if *channels == 1 { "1 channel".to_string() } else { format!("{channels} channels") };
            format!("in use: {}, {rate} Hz, {channels}{block}", text::clean(name))
        }
        DeviceStatus::Lost { sentence } => text::clean_sentence(sentence),
    }
}
