//! The last minute of a peer's voice in one row, the worst of each cell; the signs' meaning; and the minute's totals in percent.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::paint;
use crate::engine::wave::{Mark, WAVE_COLUMNS, Wave};
use crate::ui::text;
use crate::ui::theme::Theme;

/// Columns of 10 ms in a minute.
const MINUTE: u64 = 6_000;
/// A row of one cell shows the whole minute, and the cell that is being filled needs room.
const _: () = assert!(MINUTE < WAVE_COLUMNS as u64);

/// The marks that are counted, each with its words in full and in short.
const KINDS: [(Mark, &str, &str); 7] = [
    (Mark::Played, "as it came", "as it came"),
    (Mark::Nack, "sent again", "resent"),
    (Mark::Red, "RED", "RED"),
    (Mark::Lbrr, "LBRR", "LBRR"),
    (Mark::Concealed, "made up", "made up"),
    (Mark::Late, "late", "late"),
    (Mark::Lost, "lost", "lost"),
];

/// How much of each kind there was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals([u32; Mark::ALL.len()]);

impl Totals {
    pub fn of(marks: impl Iterator<Item = Mark>) -> Self {
        let mut counts = [0; Mark::ALL.len()];
        marks.for_each(|mark| counts[mark as usize] += 1);
        Self(counts)
    }

    pub fn last_minute(wave: &Wave) -> Self {
        Self::of(wave.marks(wave.written().saturating_sub(MINUTE)))
    }

    /// Share of the voice that is `mark`, percent; `None` while there is no voice.
    pub fn percent(&self, mark: Mark) -> Option<f32> {
        let voice: u32 = KINDS.iter().map(|(kind, ..)| self.0[*kind as usize]).sum();
        (voice > 0).then(|| 100.0 * self.0[mark as usize] as f32 / voice as f32)
    }

    /// Of all repairs together.
    fn mended(&self) -> Option<f32> {
        Some(self.percent(Mark::Nack)? + self.percent(Mark::Red)? + self.percent(Mark::Lbrr)?)
    }
}

/// `97.2`, but `100`; what there is a little of does not read as nothing.
fn number(percent: Option<f32>) -> String {
    match percent {
        None => "-".into(),
        Some(value) if value > 0.0 && value < 0.05 => "<0.1".into(),
        Some(value) if value < 9.95 => format!("{value:.1}"),
        // Not all is all only when it is all.
        Some(value) if value < 100.0 => format!("{:.0}", value.min(99.0)),
        Some(_) => "100".into(),
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
    let per_cell = MINUTE.div_ceil(u64::from(area.width));
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
pub fn words(totals: &Totals) -> String {
    let Some(missing) = totals.percent(Mark::Concealed).zip(totals.percent(Mark::Late)).zip(totals.percent(Mark::Lost)) else {
        return "no voice in the last minute".into();
    };
    let ((made_up, late), lost) = missing;
    format!("{} % missing, {} % mended", number(Some(made_up + late + lost)), number(totals.mended()))
}

/// What the signs mean; in little room the repairs together. The columns used.
pub fn legend(buf: &mut Buffer, area: Rect, row: u16, theme: &Theme) -> u16 {
    let full: u16 = KINDS.iter().map(|(_, words, _)| words.width() as u16 + 4).sum();
    let mut used = 0;
    if area.width >= full {
        for (mark, words, _) in KINDS {
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
    for (mark, _, words) in &KINDS[4..] {
        let (sign, style) = sign(*mark, theme);
        used += paint::spans(buf, area, row, used, &[(" ", theme.text), (&sign, style), (" ", theme.text), (words, theme.dim)]);
    }
    used
}

/// The legend with each kind's share of the voice, percent; but for what came as it should: see [`as_it_came`].
pub fn shares(buf: &mut Buffer, area: Rect, row: u16, totals: &Totals, theme: &Theme) {
    let roomy = area.width >= 100;
    let mut used = 0;
    for (mark, full, short) in &KINDS[1..] {
        let (sign, style) = sign(*mark, theme);
        let words = if roomy { full } else { short };
        let share = if roomy { text::percent(totals.percent(*mark)) } else { number(totals.percent(*mark)) };
        let parts = [(&*sign, style), (" ", theme.text), (words, theme.dim), (" ", theme.text), (&*share, theme.text)];
        used += paint::spans(buf, area, row, used, &parts) + 2;
    }
}

/// `97 % as it came`.
pub fn as_it_came(totals: &Totals) -> String {
    totals.percent(Mark::Played).map_or("no voice".into(), |_| format!("{} % as it came", number(totals.percent(Mark::Played))))
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
    fn totals_are_shares_of_the_voice_of_the_last_minute() {
        let wave = Wave::default();
        assert_eq!(Totals::last_minute(&wave).percent(Mark::Played), None);
        say(&wave, 4_000, Mark::Lost);
        say(&wave, 1_000, Mark::Idle);
        for (columns, mark) in [(900, Mark::Played), (10, Mark::Nack), (20, Mark::Red), (30, Mark::Lbrr)] {
            say(&wave, columns, mark);
        }
        for (columns, mark) in [(28, Mark::Concealed), (8, Mark::Late), (4, Mark::Lost), (4_000, Mark::Idle)] {
            say(&wave, columns, mark);
        }
        let totals = Totals::last_minute(&wave);
        let shares = KINDS.map(|(mark, ..)| totals.percent(mark).expect("a voice"));
        for (share, wanted) in shares.into_iter().zip([90.0, 1.0, 2.0, 3.0, 2.8, 0.8, 0.4]) {
            assert!((share - wanted).abs() < 1e-3, "{shares:?}");
        }
        assert_eq!(words(&totals), "4.0 % missing, 6.0 % mended");
        assert_eq!(as_it_came(&totals), "90 % as it came");
        assert_eq!([None, Some(0.0), Some(0.01), Some(99.9), Some(100.0)].map(number), ["-", "0.0", "<0.1", "99", "100"]);
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
