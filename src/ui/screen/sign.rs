//! Letters five half-blocks high, for the sign that says ON AIR.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::paint;
use crate::ui::theme::Glyphs;

/// Rows of text that a sign takes.
pub const ROWS: u16 = 3;

/// The pixels of a letter, top to bottom.
fn letter(c: char) -> [&'static str; 5] {
    match c {
        'A' => [" ## ", "#  #", "####", "#  #", "#  #"],
        'C' => [" ###", "#   ", "#   ", "#   ", " ###"],
        'D' => ["### ", "#  #", "#  #", "#  #", "### "],
        'E' => ["####", "#   ", "### ", "#   ", "####"],
        'G' => [" ###", "#   ", "# ##", "#  #", " ###"],
        'I' => ["#", "#", "#", "#", "#"],
        'K' => ["#  #", "# # ", "##  ", "# # ", "#  #"],
        'L' => ["#   ", "#   ", "#   ", "#   ", "####"],
        'M' => ["#   #", "## ##", "# # #", "#   #", "#   #"],
        'N' => ["#   #", "##  #", "# # #", "#  ##", "#   #"],
        'O' => [" ## ", "#  #", "#  #", "#  #", " ## "],
        'P' => ["### ", "#  #", "### ", "#   ", "#   "],
        'R' => ["### ", "#  #", "### ", "# # ", "#  #"],
        'T' => ["#####", "  #  ", "  #  ", "  #  ", "  #  "],
        'U' => ["#  #", "#  #", "#  #", "#  #", " ## "],
        'V' => ["#   #", "#   #", "#   #", " # # ", "  #  "],
        'W' => ["#   #", "#   #", "# # #", "## ##", "#   #"],
        'Y' => ["#   #", " # # ", "  #  ", "  #  ", "  #  "],
        _ => ["  ", "  ", "  ", "  ", "  "],
    }
}

fn width(word: &str) -> u16 {
    word.chars().map(|c| letter(c)[0].len() as u16 + 1).sum::<u16>().saturating_sub(1)
}

/// Draws `word` in the middle of the first rows of `area`; in plain letters where there is no room or there are no blocks.
pub fn draw(buf: &mut Buffer, area: Rect, word: &str, glyphs: &Glyphs, style: Style) {
    let width = width(word);
    if !glyphs.blocks || width > area.width || area.height < ROWS {
        let row = (area.height.min(ROWS) / 2).min(area.height.saturating_sub(1));
        paint::centre(buf, area, row, word, style);
        return;
    }
    let mut x = area.x + (area.width - width) / 2;
    for c in word.chars() {
        let pixels = letter(c);
        let columns = pixels[0].len();
        for row in 0..ROWS {
            for column in 0..columns {
                let lit = |y: usize| pixels.get(y).is_some_and(|line| line.as_bytes()[column] == b'#');
                let (upper, lower) = (lit(usize::from(row) * 2), lit(usize::from(row) * 2 + 1));
                let block = match (upper, lower) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => continue,
                };
                paint::put(buf, x + column as u16, area.y + row, block, style);
            }
        }
        x += columns as u16 + 1;
    }
}
