//! The last minute of a peer's voice in one row, the worst of each cell; the signs' meaning; and the minute's totals in percent.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::paint;
use crate::engine::Minute;
use crate::engine::minute::MINUTE_COLUMNS;
use crate::engine::wave::{Mark, WAVE_COLUMNS, Wave};
use crate::ui::theme::Theme;

/// Each mark's words in full and in short.
const WORDS: [(Mark, &str, &str); 7] = [
    (Mark::Played, "as it came", "as it came"),
    (Mark::Nack, "sent again", "resent"),
    (Mark::Red, "RED", "RED"),
    (Mark::Lbrr, "LBRR", "LBRR"),
    (Mark::Concealed, "made up", "made up"),
    (Mark::Late, "late", "late"),
    (Mark::Lost, "lost", "lost"),
];

/// `97.2`, but `100`; what there is a little of does not read as nothing.
fn number(percent: Option<f32>) -> String {
    match percent {
        None => "-".into(),
        Some(value) if value > 0.0 && value < 0.05 => "<0.1".into(),
        // It is all only when it is all, and the last percent is the one that is heard.
        Some(value) if (98.95..100.0).contains(&value) => format!("{:.1}", value.min(99.9)),
        Some(value) if value < 9.95 => format!("{value:.1}"),
        Some(value) => format!("{value:.0}"),
    }
}

fn sign(mark: Mark, theme: &Theme) -> (String, Style) {
    let (sign, style) = theme.mark(mark).unwrap_or((theme.glyphs.rising[8], theme.wave(0.3)));
    (sign.to_string(), style)
}

/// The minute up to now, newest at the right. Cells are cut at fixed moments, so that they move along without flicker.
pub fn draw(buf: &mut Buffer, area: Rect, row: u16, wave: &Wave, theme: &Theme) {
    if row >= area.height || area.width == 0 {
        return;
    }
    let per_cell = MINUTE_COLUMNS.div_ceil(u64::from(area.width));
    let newest = wave.written().saturating_sub(1) / per_cell;
    let oldest = (newest + 1).saturating_sub(u64::from(area.width));
    let mut worst = vec![Mark::Idle; (newest + 1 - oldest) as usize];
    // The oldest cell may have begun longer ago than the ring holds: count from the newest column.
    let (written, from) = (wave.written(), oldest * per_cell);
    for (n, mark) in (from.max(written.saturating_sub(WAVE_COLUMNS as u64))..written).zip(wave.marks(from)) {
        let cell = &mut worst[(n / per_cell - oldest) as usize];
        if mark as u8 > *cell as u8 {
            *cell = mark;
        }
    }
    let left = area.right() - worst.len() as u16;
    for x in area.x..area.right() {
        let mark = x.checked_sub(left).map_or(Mark::Idle, |at| worst[usize::from(at)]);
        let (sign, style) = match theme.mark(mark) {
            Some(drawn) => drawn,
            None if mark == Mark::Played => (theme.glyphs.rising[4], theme.wave(0.3)),
            None => (theme.glyphs.track, theme.border),
        };
        paint::put(buf, x, area.y + row, sign, style);
    }
}

/// The same in a sentence, for who wants nothing to scroll.
pub fn words(minute: &Minute) -> String {
    let Some(mended) = minute.mended_percent() else { return "no voice in the last minute".into() };
    format!("{}, {} % mended", missing(minute), number(Some(mended)))
}

/// What the signs mean; in little room the repairs together. The columns used.
pub fn legend(buf: &mut Buffer, area: Rect, row: u16, theme: &Theme) -> u16 {
    let full: u16 = WORDS.iter().map(|(_, words, _)| words.width() as u16 + 4).sum();
    let mut used = 0;
    if area.width >= full {
        for (mark, words, _) in WORDS {
            let (sign, style) = sign(mark, theme);
            used += paint::spans(buf, area, row, used, &[(&sign, style), (" ", theme.text), (words, theme.dim), ("  ", theme.text)]);
        }
        return used;
    }
    for mark in [Mark::Nack, Mark::Red, Mark::Lbrr] {
        let (sign, style) = sign(mark, theme);
        used += paint::text(buf, area, row, used, &sign, style);
    }
    used += paint::text(buf, area, row, used, " mended", theme.dim);
    for (mark, _, words) in &WORDS[4..] {
        let (sign, style) = sign(*mark, theme);
        used += paint::spans(buf, area, row, used, &[(" ", theme.text), (&sign, style), (" ", theme.text), (words, theme.dim)]);
    }
    used
}

/// A sign or several, what they mean, their share.
struct Share<'a> {
    marks: &'a [Mark],
    words: &'a str,
    percent: Option<f32>,
}

impl Share<'_> {
    fn width(&self) -> usize {
        let words = if self.words.is_empty() { 0 } else { 1 + self.words.width() };
        self.marks.len() + words + 1 + number(self.percent).width()
    }

    fn draw(&self, buf: &mut Buffer, area: Rect, row: u16, column: u16, theme: &Theme) {
        let mut used = column;
        for mark in self.marks {
            let (sign, style) = sign(*mark, theme);
            used += paint::text(buf, area, row, used, &sign, style);
        }
        let space = if self.words.is_empty() { "" } else { " " };
        let parts = [(space, theme.text), (self.words, theme.dim), (" ", theme.text), (&*number(self.percent), theme.text)];
        paint::spans(buf, area, row, used, &parts);
    }
}

/// The legend with each kind's share of the voice, percent, as long as it fits; but for what came as it should: see
/// [`as_it_came`].
pub fn shares(buf: &mut Buffer, area: Rect, row: u16, minute: &Minute, theme: &Theme) {
    let each = |in_full: bool| -> Vec<Share> {
        let words = |full, short| if in_full { full } else { short };
        let share = |(mark, full, short): &'static (Mark, &str, &str)| Share {
            marks: std::slice::from_ref(mark),
            words: words(*full, *short),
            percent: minute.percent(*mark),
        };
        WORDS[1..].iter().map(share).collect()
    };
    let together = |with_words: bool| -> Vec<Share> {
        let mended = Share { marks: &[Mark::Nack, Mark::Red, Mark::Lbrr], words: "mended", percent: minute.mended_percent() };
        let mut shares: Vec<Share> = std::iter::once(mended).chain(each(false).into_iter().skip(3)).collect();
        shares.iter_mut().filter(|_| !with_words).for_each(|share| share.words = "");
        shares
    };
    let forms = [each(true), each(false), together(true), together(false)];
    let width = |shares: &[Share], gap| shares.iter().map(|share| share.width() + gap).sum::<usize>() - gap;
    let fits =
        forms.iter().flat_map(|shares| [(shares, 2), (shares, 1)]).find(|(shares, gap)| width(shares, *gap) <= usize::from(area.width));
    let Some((shares, gap)) = fits else { return };
    let mut column = 0;
    for share in shares {
        share.draw(buf, area, row, column, theme);
        column += (share.width() + gap) as u16;
    }
}

/// `2.8 % missing`.
pub fn missing(minute: &Minute) -> String {
    format!("{} % missing", number(minute.missing_percent()))
}

/// `97 % as it came`.
pub fn as_it_came(minute: &Minute) -> String {
    minute.percent(Mark::Played).map_or("no voice".into(), |_| format!("{} % as it came", number(minute.percent(Mark::Played))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::wave::Column;
    use crate::ui::options::UiOptions;

    fn say(wave: &Wave, columns: usize, mark: Mark) {
        (0..columns).for_each(|_| wave.push(Column { min: -0.5, max: 0.5, mark }));
    }

    #[test]
    fn a_minute_is_said_in_few_words() {
        let wave = Wave::default();
        assert_eq!(words(&Minute::of(&wave)), "no voice in the last minute");
        for (columns, mark) in [(900, Mark::Played), (60, Mark::Red), (40, Mark::Late), (500, Mark::Idle)] {
            say(&wave, columns, mark);
        }
        let minute = Minute::of(&wave);
        assert_eq!([words(&minute), as_it_came(&minute)], ["4.0 % missing, 6.0 % mended", "90 % as it came"]);
        assert_eq!(
            [None, Some(0.0), Some(0.01), Some(97.6), Some(99.98), Some(100.0)].map(number),
            ["-", "0.0", "<0.1", "98", "99.9", "100"]
        );
    }

    #[test]
    fn shares_are_shorter_in_less_room_and_never_cut() {
        let theme = Theme::new(&UiOptions { ascii: true, ..UiOptions::default() }, |_| None);
        let wave = Wave::default();
        for (columns, mark) in [(970, Mark::Played), (10, Mark::Nack), (5, Mark::Red), (13, Mark::Concealed), (2, Mark::Lost)] {
            say(&wave, columns, mark);
        }
        let line = |width| {
            let area = Rect::new(0, 0, width, 1);
            let mut buf = Buffer::empty(area);
            shares(&mut buf, area, 0, &Minute::of(&wave), &theme);
            buf.content.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned()
        };
        assert_eq!(line(80), "n sent again 1.0  r RED 0.5  b LBRR 0.0  ~ made up 1.3  + late 0.0  x lost 0.2");
        assert_eq!(line(77), "n sent again 1.0 r RED 0.5 b LBRR 0.0 ~ made up 1.3 + late 0.0 x lost 0.2");
        assert_eq!(line(58), "nrb mended 1.5  ~ made up 1.3  + late 0.0  x lost 0.2");
        assert_eq!(line(38), "nrb 1.5  ~ 1.3  + 0.0  x 0.2");
        assert_eq!(line(20), "");
    }

    #[test]
    fn a_cell_shows_its_worst_moment_and_the_row_a_minute() {
        let theme = Theme::new(&UiOptions { ascii: true, ..UiOptions::default() }, |_| None);
        let area = Rect::new(0, 0, 60, 1);
        let row = |wave: &Wave| {
            let mut buf = Buffer::empty(area);
            draw(&mut buf, area, 0, wave, &theme);
            buf.content.iter().map(|cell| cell.symbol().to_string()).collect::<String>()
        };
        let wave = Wave::default();
        assert_eq!(row(&wave), ".".repeat(60));
        say(&wave, 100, Mark::Played);
        say(&wave, 99, Mark::Red);
        say(&wave, 1, Mark::Lost);
        let (speaks, late) = (theme.glyphs.rising[4], theme.glyphs.late);
        assert_eq!(row(&wave), format!("{}{speaks}x", ".".repeat(58)));
        say(&wave, 5_700, Mark::Idle);
        say(&wave, 50, Mark::Late);
        assert_eq!(row(&wave), format!("{speaks}x{}{late}", ".".repeat(57)));
        for width in [0, 1, 2, 7, 300] {
            draw(&mut Buffer::empty(area), Rect { width, ..area }.intersection(area), 0, &wave, &theme);
        }
        say(&wave, 20_000, Mark::Idle);
        assert_eq!(row(&wave), ".".repeat(60));
    }
}
