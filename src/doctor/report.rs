//! A report made of findings: as text to paste, as JSON, and as the list of what to do. Pure.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// The parts of a report, in its order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Section {
    Program,
    Sound,
    Network,
    Terminal,
    Clock,
    Files,
}

impl Section {
    pub const ALL: [Self; 6] = [Self::Program, Self::Sound, Self::Network, Self::Terminal, Self::Clock, Self::Files];

    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Program => "Program and system",
            Self::Sound => "Sound",
            Self::Network => "Network",
            Self::Terminal => "Terminal and talk key",
            Self::Clock => "Clock",
            Self::Files => "Files",
        }
    }
}

/// How grave a finding is; the gravest comes last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    Ok,
    /// Not looked at, or not to be known; the finding says why.
    Skipped,
    Warn,
    Bad,
}

impl Verdict {
    /// Four columns at most, told apart without colour.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "-",
            Self::Warn => "warn",
            Self::Bad => "BAD",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    pub section: Section,
    /// Of what it speaks, a word or two.
    pub what: &'static str,
    /// What was found; without anything that could steer a terminal.
    pub says: String,
    pub verdict: Verdict,
    /// What to do, a sentence. Only a finding that warns, or is bad, has one.
    pub advice: Option<String>,
}

impl Finding {
    fn new(section: Section, what: &'static str, says: &str, verdict: Verdict, advice: Option<&str>) -> Self {
        let clean = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
        Self { section, what, says: clean(says), verdict, advice: advice.map(clean) }
    }

    #[must_use]
    pub fn ok(section: Section, what: &'static str, says: impl AsRef<str>) -> Self {
        Self::new(section, what, says.as_ref(), Verdict::Ok, None)
    }

    #[must_use]
    pub fn skipped(section: Section, what: &'static str, why: impl AsRef<str>) -> Self {
        Self::new(section, what, why.as_ref(), Verdict::Skipped, None)
    }

    #[must_use]
    pub fn warn(section: Section, what: &'static str, says: impl AsRef<str>, advice: impl AsRef<str>) -> Self {
        Self::new(section, what, says.as_ref(), Verdict::Warn, Some(advice.as_ref()))
    }

    #[must_use]
    pub fn bad(section: Section, what: &'static str, says: impl AsRef<str>, advice: impl AsRef<str>) -> Self {
        Self::new(section, what, says.as_ref(), Verdict::Bad, Some(advice.as_ref()))
    }
}

/// Of what the finding speaks that says whether real-time priority is granted.
pub const PRIORITY: &str = "priority";
/// Near the end of an advice about what is late. Left out where [`PRIORITY`] is "ok": nothing more is to be had there.
pub(super) const SEE_PRIORITY: &str = ", and see real-time priority";

/// Columns of what a finding speaks of.
pub const WHAT: usize = 18;

/// All that was found so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    findings: Vec<Finding>,
}

impl Report {
    pub fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
        // Stable: within a section they stay in the order in which they were found.
        self.findings.sort_by_key(|finding| finding.section);
        if self.findings().any(|finding| finding.what == PRIORITY && finding.verdict == Verdict::Ok) {
            for advice in self.findings.iter_mut().filter_map(|finding| finding.advice.as_mut()) {
                *advice = advice.replace(SEE_PRIORITY, "");
            }
        }
    }

    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter()
    }

    pub fn of(&self, section: Section) -> impl Iterator<Item = &Finding> {
        self.findings().filter(move |finding| finding.section == section)
    }

    /// The gravest of all.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.findings().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok)
    }

    /// What to do, the gravest first, each once.
    #[must_use]
    pub fn advice(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        for grave in [Verdict::Bad, Verdict::Warn] {
            for advice in self.findings().filter(|finding| finding.verdict == grave).filter_map(|finding| finding.advice.as_deref()) {
                if !all.contains(&advice) {
                    all.push(advice);
                }
            }
        }
        all
    }

    /// To be read, and pasted.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for section in Section::ALL {
            let mut findings = self.of(section).peekable();
            if findings.peek().is_some() {
                let _ = writeln!(out, "{}", section.title());
            }
            for Finding { what, says, verdict, .. } in findings {
                let _ = writeln!(out, "  {:4}  {what:WHAT$}{says}", verdict.word());
            }
        }
        match &self.advice()[..] {
            [] => out.push_str("\nNothing to do.\n"),
            advice => {
                out.push_str("\nWhat to do\n");
                for (n, advice) in advice.iter().enumerate() {
                    let _ = writeln!(out, "  {}. {advice}", n + 1);
                }
            }
        }
        out
    }

    /// One object.
    #[must_use]
    pub fn json(&self) -> Value {
        let findings = self.findings().map(|finding| {
            json!({ "section": finding.section.title(), "what": finding.what, "verdict": finding.verdict.name(), "says": finding.says,
                "advice": finding.advice })
        });
        json!({ "verdict": self.verdict().name(), "findings": findings.collect::<Vec<_>>(), "what_to_do": self.advice() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::default();
        report.extend([
            Finding::warn(Section::Clock, "timer", "late by 12 ms", "Close what is busy."),
            Finding::ok(Section::Program, "version", "voicetui 0.1.0"),
            Finding::skipped(Section::Sound, "round trip", "a call is up"),
        ]);
        report
    }

    #[test]
    fn a_report_is_in_order_and_ends_with_what_to_do_the_gravest_first() {
        let mut report = report();
        assert_eq!(report.verdict(), Verdict::Warn);
        report.extend([
            Finding::bad(Section::Sound, "microphone", "delivers only zeros", "Unmute it."),
            Finding::warn(Section::Files, "key", "odd", "Close what is busy."),
        ]);
        assert_eq!(report.verdict(), Verdict::Bad);
        let wanted = "\
Program and system
  ok    version           voicetui 0.1.0
Sound
  -     round trip        a call is up
  BAD   microphone        delivers only zeros
Clock
  warn  timer             late by 12 ms
Files
  warn  key               odd

What to do
  1. Unmute it.
  2. Close what is busy.
";
        assert_eq!(report.text(), wanted);
        let json = report.json();
        assert_eq!((&json["verdict"], &json["what_to_do"][0]), (&json!("bad"), &json!("Unmute it.")));
        assert_eq!(json["findings"][1]["verdict"], "skipped");
        assert_eq!(json["findings"].as_array().map(Vec::len), Some(5));
    }

    #[test]
    fn who_has_real_time_priority_is_not_sent_for_it() {
        let late = || Finding::warn(Section::Clock, "timer", "late by 12 ms", format!("Close what is busy{SEE_PRIORITY}."));
        for first in [true, false] {
            let mut report = Report::default();
            let granted = Finding::ok(Section::Program, PRIORITY, "granted");
            report.extend(if first { [granted, late()] } else { [late(), granted] });
            assert_eq!(report.advice(), ["Close what is busy."]);
            let mut report = Report::default();
            report.extend([Finding::skipped(Section::Program, PRIORITY, "not tried"), late()]);
            assert_eq!(report.advice(), ["Close what is busy, and see real-time priority."]);
        }
    }

    #[test]
    fn where_all_is_well_there_is_nothing_to_do() {
        let mut report = Report::default();
        assert_eq!(report.text(), "\nNothing to do.\n");
        report.extend([Finding::ok(Section::Files, "key", "for you alone"), Finding::skipped(Section::Sound, "round trip", "virtual")]);
        assert!(report.text().ends_with("\nNothing to do.\n"));
        assert_eq!(report.verdict(), Verdict::Skipped);
    }

    #[test]
    fn a_device_cannot_steer_the_terminal_it_is_pasted_into() {
        let finding = Finding::bad(Section::Sound, "microphone", "a\x1b[2Jb\nc", "x\x07y");
        assert_eq!((finding.says.as_str(), finding.advice.as_deref()), ("a[2Jbc", Some("xy")));
    }
}
