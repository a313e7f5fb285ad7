//! Small drawing helpers; none of them can draw outside its area.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget};
use unicode_width::UnicodeWidthStr;

use crate::ui::text::fit;
use crate::ui::theme::Theme;

/// `text` at row `row`, column `column` of `area`, cut at its edge. The columns used.
pub fn text(buf: &mut Buffer, area: Rect, row: u16, column: u16, text: &str, style: Style) -> u16 {
    let area = area.intersection(buf.area);
    if row >= area.height || column >= area.width {
        return 0;
    }
    let (end, _) = buf.set_stringn(area.x + column, area.y + row, text, usize::from(area.width - column), style);
    end - (area.x + column)
}

/// Several texts after one another.
pub fn spans(buf: &mut Buffer, area: Rect, row: u16, column: u16, spans: &[(&str, Style)]) -> u16 {
    let mut used = 0;
    for (words, style) in spans {
        used += text(buf, area, row, column + used, words, *style);
    }
    used
}

/// `words` ending at the right edge.
pub fn right(buf: &mut Buffer, area: Rect, row: u16, words: &str, style: Style) {
    let width = words.width() as u16;
    text(buf, area, row, area.width.saturating_sub(width), words, style);
}

/// `words` in the middle of the row.
pub fn centre(buf: &mut Buffer, area: Rect, row: u16, words: &str, style: Style) {
    let width = words.width() as u16;
    text(buf, area, row, area.width.saturating_sub(width) / 2, words, style);
}

/// One character.
pub fn put(buf: &mut Buffer, x: u16, y: u16, c: char, style: Style) {
    if let Some(cell) = buf.cell_mut((x, y)) {
        cell.set_char(c).set_style(style);
    }
}

/// A bordered box with a title to the left and a word to the right; its inside.
pub fn panel(buf: &mut Buffer, area: Rect, theme: &Theme, border: Style, title: &str, aside: (&str, Style)) -> Rect {
    let mut block = Block::bordered().border_set(theme.glyphs.border).border_style(border);
    if !title.is_empty() {
        block = block.title(Span::styled(format!(" {title} "), theme.title));
    }
    if !aside.0.is_empty() {
        block = block.title(Line::styled(format!(" {} ", aside.0), aside.1).right_aligned());
    }
    let inner = block.inner(area);
    block.render(area, buf);
    inner
}

/// A box over whatever is there, in the middle of `area`; its inside.
pub fn popup(buf: &mut Buffer, area: Rect, size: (u16, u16), theme: &Theme, title: &str) -> Rect {
    let (width, height) = (size.0.min(area.width), size.1.min(area.height));
    let over = Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 2, width, height);
    Clear.render(over, buf);
    panel(buf, over, theme, theme.border_focus, title, ("", Style::new()))
}

/// Words and how they look, side by side.
pub type Row = Vec<(String, Style)>;

/// A popup of `width` columns as high as `lines` need, scrolled by `scroll` of them where there is no room, which its frame says.
pub fn sheet(buf: &mut Buffer, area: Rect, width: u16, theme: &Theme, title: &str, lines: &[Row], scroll: u16) {
    let inner = popup(buf, area, (width, lines.len() as u16 + 2), theme, title);
    let shown = usize::from(inner.height);
    let last = lines.len().saturating_sub(shown);
    let from = usize::from(scroll).min(last);
    for (row, line) in lines[from..].iter().take(shown).enumerate() {
        let mut x = 1;
        for (words, style) in line {
            let room = usize::from(inner.width.saturating_sub(x + 1));
            x += text(buf, inner, row as u16, x, &fit(words, room, theme.glyphs.ellipsis), *style);
        }
    }
    if last > 0 {
        let more = format!(" {}-{} of {} ", from + 1, from + shown, lines.len());
        let below = Rect::new(inner.x, inner.bottom(), inner.width, 1);
        text(buf, below, 0, below.width.saturating_sub(more.width() as u16 + 1), &more, theme.dim);
    }
}

/// The part of `area` from row `from` on, `height` rows at most.
pub fn rows(area: Rect, from: u16, height: u16) -> Rect {
    let from = from.min(area.height);
    Rect::new(area.x, area.y + from, area.width, height.min(area.height - from))
}
