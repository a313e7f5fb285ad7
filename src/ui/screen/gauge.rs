//! Bars, curves and stacks: a level, a delay against its target, the last minute of a number, the parts of a sum.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::paint;
use crate::engine::Stack;
use crate::ui::app::Needle;
use crate::ui::theme::Theme;

/// A bar over the whole row, filled to `share`; `style` by the share of the length.
fn bar(buf: &mut Buffer, area: Rect, row: u16, share: f32, theme: &Theme, style: impl Fn(f32) -> Style) {
    if row >= area.height || area.width == 0 {
        return;
    }
    let halves = (share.clamp(0.0, 1.0) * f32::from(area.width) * 2.0).round() as u16;
    for column in 0..area.width {
        let at = (f32::from(column) + 0.5) / f32::from(area.width);
        let (c, style) = match halves.saturating_sub(column * 2) {
            0 => (theme.glyphs.track, theme.border),
            1 => (theme.glyphs.bar_end, style(at)),
            _ => (theme.glyphs.bar, style(at)),
        };
        paint::put(buf, area.x + column, area.y + row, c, style);
    }
}

/// A level with its peak mark.
pub fn level(buf: &mut Buffer, area: Rect, row: u16, needle: &Needle, theme: &Theme) {
    bar(buf, area, row, needle.share(), theme, |at| theme.level(at));
    let peak = (needle.peak_share() * f32::from(area.width)) as u16;
    if row < area.height && needle.peak_share() > needle.share() + 0.01 {
        paint::put(
            buf,
            area.x + peak.min(area.width.saturating_sub(1)),
            area.y + row,
            theme.glyphs.target,
            theme.level(needle.peak_share()),
        );
    }
}

/// A value against the mark it should reach, both on a scale of `full`.
pub fn target(buf: &mut Buffer, area: Rect, row: u16, value: Option<f32>, target: Option<f32>, full: f32, theme: &Theme) {
    bar(buf, area, row, value.unwrap_or(0.0) / full, theme, |_| theme.accent);
    if let Some(target) = target
        && row < area.height
        && area.width > 0
    {
        let column = (target / full * f32::from(area.width)) as u16;
        paint::put(buf, area.x + column.min(area.width - 1), area.y + row, theme.glyphs.target, theme.warn);
    }
}

/// A small percentage bar.
pub fn share(buf: &mut Buffer, area: Rect, row: u16, share: f32, theme: &Theme, style: Style) {
    bar(buf, area, row, share, theme, |_| style);
}

/// A curve of `values` (oldest first, NaN: unknown) at the right end of the row; its top is the largest value, at least `top_min`.
pub fn spark(buf: &mut Buffer, area: Rect, row: u16, values: &[f32], top_min: f32, style: Style, theme: &Theme) {
    if row >= area.height || theme.calm {
        return;
    }
    let top = values.iter().copied().filter(|value| value.is_finite()).fold(top_min, f32::max);
    let shown = values.len().min(usize::from(area.width));
    for column in 0..area.width - shown as u16 {
        paint::put(buf, area.x + column, area.y + row, theme.glyphs.unknown, theme.border);
    }
    for (at, value) in values[values.len() - shown..].iter().enumerate() {
        let x = area.x + area.width - shown as u16 + at as u16;
        let (c, style) = if !value.is_finite() {
            (theme.glyphs.unknown, theme.border)
        } else if *value <= 0.0 {
            (theme.glyphs.rising[1], theme.border)
        } else {
            (theme.glyphs.rising[((value / top * 8.0).round() as usize).clamp(1, 8)], style)
        };
        paint::put(buf, x, area.y + row, c, style);
    }
}

/// The columns of each part of the stack in a bar `width` wide: by share, every known part at least one, the sum exact.
pub fn stack_columns(stack: &Stack, width: u16) -> [u16; Stack::PARTS] {
    let parts = stack.parts().map(|(_, part)| part.unwrap_or(0.0).max(0.0));
    let total: f32 = parts.iter().sum();
    if total <= 0.0 {
        return [0; Stack::PARTS];
    }
    let mut columns = parts.map(|part| ((part / total * f32::from(width)).round() as u16).max(u16::from(part > 0.0)));
    // Rounding and the smallest parts' columns come out of, or go to, the widest part.
    loop {
        let sum: u16 = columns.iter().sum();
        let widest = columns.iter().enumerate().max_by_key(|(_, columns)| **columns).map_or(0, |(at, _)| at);
        match sum.cmp(&width) {
            std::cmp::Ordering::Equal => return columns,
            std::cmp::Ordering::Less => columns[widest] += width - sum,
            std::cmp::Ordering::Greater if columns[widest] <= 1 => return columns,
            std::cmp::Ordering::Greater => columns[widest] -= 1,
        }
    }
}

/// The parts of mouth to ear as one bar.
pub fn stack(buf: &mut Buffer, area: Rect, row: u16, stack: &Stack, theme: &Theme) {
    if row >= area.height {
        return;
    }
    let mut x = area.x;
    for (at, columns) in stack_columns(stack, area.width).into_iter().enumerate() {
        for _ in 0..columns {
            if x < area.right() {
                paint::put(buf, x, area.y + row, theme.stack_sign(at), theme.stack[at]);
            }
            x += 1;
        }
    }
    while x < area.right() {
        paint::put(buf, x, area.y + row, theme.glyphs.unknown, theme.border);
        x += 1;
    }
}

/// The parts of a sum over time, one above the other, newest at the right. `columns`: oldest first, NaN: unknown.
/// The top is the largest sum, at least `top_min`.
pub fn stacked_area(buf: &mut Buffer, area: Rect, columns: &[[f32; Stack::PARTS]], top_min: f32, theme: &Theme) {
    if theme.calm {
        return;
    }
    let sum = |parts: &[f32; Stack::PARTS]| parts.iter().filter(|part| part.is_finite()).sum::<f32>();
    // A little air above the highest.
    let top = columns.iter().map(sum).fold(top_min, f32::max) * 1.1;
    let shown = columns.len().min(usize::from(area.width));
    let full = f32::from(area.height) * 8.0;
    for (at, parts) in columns[columns.len() - shown..].iter().enumerate() {
        let x = area.right() - shown as u16 + at as u16;
        let mut below = 0.0;
        // Where each part ends, in eighths from the bottom.
        let ends = parts.map(|part| {
            below += if part.is_finite() { part } else { 0.0 };
            (below / top * full).round() as u16
        });
        for row in 0..area.height {
            stacked_cell(buf, (x, area.bottom() - 1 - row), row * 8, ends, theme);
        }
    }
}

/// A cell from `base` eighths up: the part at its foot in front, the one that begins inside it behind.
fn stacked_cell(buf: &mut Buffer, (x, y): (u16, u16), base: u16, ends: [u16; Stack::PARTS], theme: &Theme) {
    let Some(lower) = ends.iter().position(|end| *end > base) else { return };
    let filled = (ends[lower] - base).min(8);
    let upper = ends.iter().position(|end| *end > ends[lower]).filter(|_| filled < 8);
    if !theme.colourful || !theme.glyphs.blocks {
        if filled >= 4 || upper.is_some() {
            paint::put(buf, x, y, theme.stack_sign(lower), theme.stack[lower]);
        }
        return;
    }
    let behind = upper.and_then(|part| theme.stack[part].fg);
    let style = behind.map_or(theme.stack[lower], |colour| theme.stack[lower].bg(colour));
    paint::put(buf, x, y, theme.glyphs.rising[usize::from(filled)], style);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stacks_columns_fill_the_bar_exactly_and_hide_no_part() {
        let stack =
            Stack { microphone: Some(5.0), processing: 8.9, frame: Some(16.5), network: Some(0.1), playout: Some(12.0), card: None };
        for width in 5..200 {
            let columns = stack_columns(&stack, width);
            assert_eq!(columns.iter().sum::<u16>(), width, "{width}: {columns:?}");
            assert!(columns[3] >= 1 && columns[5] == 0, "{width}: {columns:?}");
        }
        assert_eq!(stack_columns(&Stack::default(), 40), [0; Stack::PARTS]);
    }
}
