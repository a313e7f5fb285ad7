//! The scrolling waveform: 10 ms columns folded into cells, mirrored at the axis, with what happened painted on it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::paint;
use crate::engine::wave::{Mark, Wave};
use crate::ui::theme::Theme;

/// Columns of 10 ms in a cell: the cells scroll 25 times a second.
const COLUMNS_PER_CELL: u64 = 4;

/// What one cell shows.
struct Cell {
    /// 0..=1, above and below the axis.
    up: f32,
    down: f32,
    mark: Mark,
}

/// Speech is quiet most of the time: a root makes it visible without hiding what is loud.
fn height(amplitude: f32) -> f32 {
    amplitude.clamp(0.0, 1.0).powf(0.6)
}

fn fold(wave: &Wave, cell: u64) -> Cell {
    let mut folded = Cell { up: 0.0, down: 0.0, mark: Mark::Idle };
    for n in cell * COLUMNS_PER_CELL..(cell + 1) * COLUMNS_PER_CELL {
        let column = wave.column(n);
        folded.up = folded.up.max(height(column.max));
        folded.down = folded.down.max(height(-column.min));
        if column.mark as u8 > folded.mark as u8 {
            folded.mark = column.mark;
        }
    }
    folded
}

/// Seconds that `width` cells show.
pub fn seconds(width: u16) -> f32 {
    f32::from(width) * COLUMNS_PER_CELL as f32 / 100.0
}

/// Draws the newest end of `wave` at the right edge. An odd last row stays empty.
pub fn draw(buf: &mut Buffer, area: Rect, wave: &Wave, theme: &Theme) {
    let half = area.height / 2;
    let newest = wave.written() / COLUMNS_PER_CELL;
    for column in 0..area.width {
        let age = u64::from(area.width - column);
        let cell = newest.checked_sub(age).map_or(Cell { up: 0.0, down: 0.0, mark: Mark::Idle }, |cell| fold(wave, cell));
        draw_cell(buf, (area.x + column, area.y), half, &cell, theme);
    }
}

fn draw_cell(buf: &mut Buffer, (x, y): (u16, u16), half: u16, cell: &Cell, theme: &Theme) {
    let full = f32::from(half) * 8.0;
    let eighths = |share: f32| (share * full).round() as u16;
    let (up, down) = (eighths(cell.up).max(1), eighths(cell.down));
    for row in 0..half {
        let (above, below) = (y + half - 1 - row, y + half + row);
        if let Some((sign, style)) = theme.mark(cell.mark) {
            // Something happened here: another sign, and at least one cell each side of the axis.
            if row == 0 || (cell.mark != Mark::Lost && up >= row * 8 + 4) {
                paint::put(buf, x, above, sign, style);
            }
            if row == 0 || (cell.mark != Mark::Lost && down >= row * 8 + 4) {
                paint::put(buf, x, below, sign, style);
            }
            continue;
        }
        let style = if cell.mark == Mark::Idle { theme.border } else { theme.wave(f32::from(row + 1) / f32::from(half)) };
        rising(buf, (x, above), up.saturating_sub(row * 8).min(8), style, theme);
        hanging(buf, (x, below), down.saturating_sub(row * 8).min(8), style, theme);
    }
}

fn rising(buf: &mut Buffer, (x, y): (u16, u16), eighths: u16, style: Style, theme: &Theme) {
    if eighths > 0 {
        paint::put(buf, x, y, theme.glyphs.rising[usize::from(eighths)], style);
    }
}

/// Eighths from above: there are no such signs, so the rest is drawn from below in reverse.
fn hanging(buf: &mut Buffer, (x, y): (u16, u16), eighths: u16, style: Style, theme: &Theme) {
    let glyphs = theme.glyphs;
    match eighths {
        0 => {}
        8 => paint::put(buf, x, y, glyphs.rising[8], style),
        _ if !glyphs.blocks => paint::put(buf, x, y, if eighths < 4 { '\'' } else { glyphs.rising[8] }, style),
        _ => paint::put(buf, x, y, glyphs.rising[usize::from(8 - eighths)], style.add_modifier(Modifier::REVERSED)),
    }
}
