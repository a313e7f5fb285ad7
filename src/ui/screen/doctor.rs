//! The doctor's report over the view, as it grows; at its end what to do.
//!
//! ```text
//! ╭ Doctor ─────────────────────────────────────╮
//! │ Sound                                       │
//! │   ok    its buffer        granted 240 frames│
//! │   BAD   microphone level  delivers only ... │
//! │ What to do                                  │
//! │   1. Unmute it ...                          │
//! ╰─────────────────────────── 1-20 of 31 ──────╯
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::paint::Row;
use super::{Scene, paint};
use crate::doctor::{Section, Verdict};
use crate::ui::text;
use crate::ui::theme::Theme;

/// Columns of the sign, and of what is spoken of where there is room.
const SIGN: usize = 6;
const WHAT: usize = 18;
/// Narrower than this, what is found stands below of what.
const NARROW: usize = 64;

fn style(theme: &Theme, verdict: Verdict) -> Style {
    match verdict {
        Verdict::Ok => theme.good,
        Verdict::Skipped => theme.dim,
        Verdict::Warn => theme.warn,
        Verdict::Bad => theme.bad,
    }
}

fn lines(scene: &Scene, width: usize) -> Vec<Row> {
    let (theme, checkup) = (scene.theme, &scene.app.checkup);
    let intro = if checkup.running {
        "Checking, for some ten seconds. Outside a call: say something; soft chirps follow."
    } else {
        "Checked. \"voicetui doctor\" in a shell prints this, to paste."
    };
    let mut lines: Vec<Row> = text::wrap(intro, width).into_iter().map(|line| vec![(line, theme.dim)]).collect();
    let what = if width < NARROW { 0 } else { WHAT };
    let indent = if width < NARROW { SIGN } else { SIGN + WHAT };
    for section in Section::ALL {
        let mut findings = checkup.report.of(section).peekable();
        if findings.peek().is_some() {
            lines.push(vec![(section.title().to_string(), theme.title)]);
        }
        for finding in findings {
            let says = text::wrap(&finding.says, width.saturating_sub(indent).max(10));
            let mut head = vec![(format!("{:SIGN$}", finding.verdict.word()), style(theme, finding.verdict))];
            let mut says = says.into_iter();
            head.push((format!("{:what$}", finding.what), theme.text));
            if what > 0 {
                head.push((says.next().unwrap_or_default(), theme.text));
            }
            lines.push(head);
            lines.extend(says.map(|line| vec![(" ".repeat(indent), theme.text), (line, theme.text)]));
        }
    }
    if !checkup.running {
        lines.push(vec![]);
        lines.extend(to_do(scene, width));
    }
    lines
}

fn to_do(scene: &Scene, width: usize) -> Vec<Row> {
    let theme = scene.theme;
    let advice = scene.app.checkup.report.advice();
    if advice.is_empty() {
        return vec![vec![("Nothing to do.".to_string(), theme.good)]];
    }
    let mut lines = vec![vec![("What to do".to_string(), theme.title)]];
    for (n, advice) in advice.iter().enumerate() {
        for (at, line) in text::wrap(advice, width.saturating_sub(4).max(10)).into_iter().enumerate() {
            let number = if at == 0 { format!("{:>2}. ", n + 1) } else { "    ".into() };
            lines.push(vec![(number, theme.key), (line, theme.text)]);
        }
    }
    lines
}

pub fn draw(buf: &mut Buffer, area: Rect, scene: &Scene, scroll: u16) {
    let width = area.width.min(110);
    let lines = lines(scene, usize::from(width.saturating_sub(4)));
    paint::sheet(buf, area, width, scene.theme, "Doctor", &lines, scroll);
}
