//! Colours and signs: dark, light, 16 colours or none; Unicode or ASCII. Chosen once, from the options and the environment.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;

use super::options::{ThemeChoice, UiOptions};
use crate::engine::Stack;
use crate::engine::wave::Mark;

/// The signs the screen is made of.
#[derive(Debug)]
pub struct Glyphs {
    pub border: border::Set<'static>,
    pub strong_border: border::Set<'static>,
    /// Eighths of a cell filled from below; the last is full.
    pub rising: [char; 9],
    /// A bar: full, its half-full end, and the rest of its way.
    pub bar: char,
    pub bar_end: char,
    pub track: char,
    /// Nothing known yet.
    pub unknown: char,
    pub axis: char,
    /// What happened to a stretch of a voice: see [`Theme::mark`].
    pub nack: char,
    pub red: char,
    pub lbrr: char,
    pub concealed: char,
    pub late: char,
    pub lost: char,
    pub live: char,
    pub waiting: char,
    pub idle: char,
    pub pointer: char,
    pub target: char,
    pub ellipsis: char,
    pub arrow: &'static str,
    /// The parts of the mouth-to-ear stack, told apart without colour.
    pub stack: [char; Stack::PARTS],
    /// Whether letters can be built of half blocks.
    pub blocks: bool,
}

const UNICODE: Glyphs = Glyphs {
    border: border::ROUNDED,
    strong_border: border::THICK,
    rising: [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
    bar: '━',
    bar_end: '╸',
    track: '─',
    unknown: '·',
    axis: '─',
    nack: '▚',
    red: '▒',
    lbrr: '▓',
    concealed: '░',
    late: '+',
    lost: '×',
    live: '●',
    waiting: '◌',
    idle: '○',
    pointer: '▸',
    target: '┃',
    ellipsis: '…',
    arrow: "→",
    stack: ['█', '▞', '▓', '▒', '▚', '░'],
    blocks: true,
};

const ASCII_BORDER: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

const ASCII_STRONG: border::Set<'static> = border::Set {
    top_left: "#",
    top_right: "#",
    bottom_left: "#",
    bottom_right: "#",
    vertical_left: "#",
    vertical_right: "#",
    horizontal_top: "#",
    horizontal_bottom: "#",
};

const ASCII: Glyphs = Glyphs {
    border: ASCII_BORDER,
    strong_border: ASCII_STRONG,
    rising: [' ', '.', '.', ':', ':', 'i', 'I', '#', '#'],
    bar: '=',
    bar_end: '-',
    track: '.',
    unknown: '.',
    axis: '-',
    nack: 'n',
    red: 'r',
    lbrr: 'b',
    concealed: '~',
    late: '+',
    lost: 'x',
    live: '*',
    waiting: '?',
    idle: 'o',
    pointer: '>',
    target: '|',
    ellipsis: '~',
    arrow: "->",
    stack: ['M', 'V', 'F', 'N', 'P', 'C'],
    blocks: false,
};

/// How many colours there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Depth {
    True,
    Indexed,
}

/// Every style of the screen, by what it means.
#[derive(Debug)]
pub struct Theme {
    pub glyphs: &'static Glyphs,
    /// Nothing scrolls or blinks.
    pub calm: bool,
    pub text: Style,
    pub dim: Style,
    pub border: Style,
    pub border_focus: Style,
    pub title: Style,
    pub accent: Style,
    pub good: Style,
    pub warn: Style,
    pub bad: Style,
    /// Filled: the microphone is on air.
    pub on_air: Style,
    /// Filled: the TALK button, ready.
    pub ready: Style,
    /// Filled: somebody rings.
    pub ring: Style,
    pub selected: Style,
    pub tab: Style,
    pub tab_active: Style,
    pub key: Style,
    pub nack: Style,
    pub red: Style,
    pub lbrr: Style,
    pub concealed: Style,
    pub late: Style,
    pub lost: Style,
    pub stack: [Style; Stack::PARTS],
    /// Whether the parts of a stack have colours to tell them apart.
    pub colourful: bool,
    wave: Gradient,
    level: [Style; 3],
}

/// A voice's colour from its axis to its peaks.
#[derive(Debug)]
enum Gradient {
    Flat(Style),
    Blend { from: (u8, u8, u8), to: (u8, u8, u8), depth: Depth },
}

/// The colours of one RGB theme.
struct Palette {
    /// What the terminal's own background is about: shaded signs fade into it.
    ground: u8,
    dim: (u8, u8, u8),
    border: (u8, u8, u8),
    accent: (u8, u8, u8),
    accent2: (u8, u8, u8),
    good: (u8, u8, u8),
    warn: (u8, u8, u8),
    bad: (u8, u8, u8),
    lbrr: (u8, u8, u8),
    /// Fill and letters of the ON AIR sign, the ready button, the ring banner, the selected row, the active tab.
    on_air: [(u8, u8, u8); 2],
    ready: [(u8, u8, u8); 2],
    ring: [(u8, u8, u8); 2],
    selected: (u8, u8, u8),
    tab: [(u8, u8, u8); 2],
    stack: [(u8, u8, u8); Stack::PARTS],
}

const DARK: Palette = Palette {
    ground: 0,
    dim: (138, 146, 164),
    border: (72, 80, 100),
    accent: (92, 220, 200),
    accent2: (150, 130, 255),
    good: (126, 222, 142),
    warn: (250, 200, 92),
    bad: (255, 106, 106),
    lbrr: (204, 230, 110),
    on_air: [(222, 34, 58), (255, 255, 255)],
    ready: [(30, 58, 70), (150, 236, 222)],
    ring: [(250, 190, 60), (30, 22, 0)],
    selected: (42, 50, 68),
    tab: [(92, 220, 200), (10, 26, 28)],
    stack: [(150, 130, 255), (214, 132, 240), (92, 150, 255), (92, 220, 200), (250, 200, 92), (255, 140, 110)],
};

const LIGHT: Palette = Palette {
    ground: 255,
    dim: (98, 104, 120),
    border: (180, 186, 198),
    accent: (0, 122, 116),
    accent2: (98, 66, 210),
    good: (18, 124, 58),
    warn: (156, 98, 0),
    bad: (196, 20, 44),
    lbrr: (96, 128, 0),
    on_air: [(212, 24, 50), (255, 255, 255)],
    ready: [(206, 236, 232), (0, 84, 80)],
    ring: [(255, 196, 60), (60, 40, 0)],
    selected: (226, 232, 242),
    tab: [(0, 122, 116), (255, 255, 255)],
    stack: [(124, 96, 232), (176, 62, 196), (44, 110, 220), (0, 146, 138), (206, 140, 0), (216, 88, 60)],
};

impl Theme {
    /// `env`: looks a variable up (the process's environment; a table in tests).
    #[must_use]
    pub fn new(options: &UiOptions, env: impl Fn(&str) -> Option<String>) -> Self {
        let var = |name: &str| env(name).unwrap_or_default();
        let depth = if matches!(var("COLORTERM").as_str(), "truecolor" | "24bit") { Depth::True } else { Depth::Indexed };
        let choice = match options.theme {
            ThemeChoice::Auto if !var("NO_COLOR").is_empty() => ThemeChoice::None,
            ThemeChoice::Auto if depth == Depth::Indexed && !var("TERM").contains("256color") => match var("TERM").as_str() {
                // These have colours to spare but do not say how many.
                "xterm-kitty" | "foot" | "alacritty" | "xterm-ghostty" | "wezterm" => ThemeChoice::Dark,
                _ => ThemeChoice::Sixteen,
            },
            ThemeChoice::Auto if is_light(&var("COLORFGBG")) => ThemeChoice::Light,
            ThemeChoice::Auto => ThemeChoice::Dark,
            chosen => chosen,
        };
        let locale = [var("LC_ALL"), var("LC_CTYPE"), var("LANG")].into_iter().find(|value| !value.is_empty()).unwrap_or_default();
        let plain_locale = cfg!(unix) && !locale.to_ascii_lowercase().replace('-', "").contains("utf8");
        let ascii = options.ascii || plain_locale || var("TERM") == "linux";
        let glyphs = if ascii { &ASCII } else { &UNICODE };
        match choice {
            ThemeChoice::Light => Self::rgb(&LIGHT, depth, glyphs, options.calm),
            ThemeChoice::Sixteen => Self::sixteen(glyphs, options.calm),
            ThemeChoice::None => Self::mono(glyphs, options.calm),
            ThemeChoice::Auto | ThemeChoice::Dark => Self::rgb(&DARK, depth, glyphs, options.calm),
        }
    }

    /// How many colours it uses, for people to read.
    #[must_use]
    pub fn colours(&self) -> &'static str {
        match self.wave {
            Gradient::Blend { depth: Depth::True, .. } => "true colour",
            Gradient::Blend { depth: Depth::Indexed, .. } => "256 colours",
            Gradient::Flat(_) if self.colourful => "16 colours",
            Gradient::Flat(_) => "no colour",
        }
    }

    fn rgb(palette: &Palette, depth: Depth, glyphs: &'static Glyphs, calm: bool) -> Self {
        let fg = |rgb| Style::new().fg(color(rgb, depth));
        // A shade's holes in its own colour, so that it is seen beside the full blocks of a voice.
        let fade = |part: u8| ((2 * u16::from(part) + 3 * u16::from(palette.ground)) / 5) as u8;
        let shaded = |(r, g, b)| fg((r, g, b)).bg(color((fade(r), fade(g), fade(b)), depth));
        let fill = |[back, letters]: [(u8, u8, u8); 2]| Style::new().bg(color(back, depth)).fg(color(letters, depth));
        Self {
            glyphs,
            calm,
            text: Style::new(),
            dim: fg(palette.dim),
            border: fg(palette.border),
            border_focus: fg(palette.accent),
            title: Style::new().fg(Color::Reset).add_modifier(Modifier::BOLD),
            accent: fg(palette.accent),
            good: fg(palette.good),
            warn: fg(palette.warn),
            bad: fg(palette.bad),
            on_air: fill(palette.on_air).add_modifier(Modifier::BOLD),
            ready: fill(palette.ready),
            ring: fill(palette.ring),
            selected: Style::new().bg(color(palette.selected, depth)),
            tab: fg(palette.dim),
            tab_active: fill(palette.tab).add_modifier(Modifier::BOLD),
            key: fg(palette.accent).add_modifier(Modifier::BOLD),
            nack: shaded(palette.stack[2]),
            red: shaded(palette.good),
            lbrr: shaded(palette.lbrr),
            concealed: shaded(palette.warn),
            late: fg(palette.stack[5]),
            lost: fg(palette.bad).add_modifier(Modifier::BOLD),
            stack: palette.stack.map(fg),
            colourful: true,
            wave: Gradient::Blend { from: palette.accent, to: palette.accent2, depth },
            level: [fg(palette.accent), fg(palette.warn), fg(palette.bad)],
        }
    }

    fn sixteen(glyphs: &'static Glyphs, calm: bool) -> Self {
        let fg = |color| Style::new().fg(color);
        let fill = |back, letters| Style::new().bg(back).fg(letters);
        Self {
            glyphs,
            calm,
            text: Style::new(),
            dim: fg(Color::DarkGray),
            border: fg(Color::DarkGray),
            border_focus: fg(Color::Cyan),
            title: Style::new().fg(Color::Reset).add_modifier(Modifier::BOLD),
            accent: fg(Color::Cyan),
            good: fg(Color::Green),
            warn: fg(Color::Yellow),
            bad: fg(Color::Red),
            on_air: fill(Color::Red, Color::White).add_modifier(Modifier::BOLD),
            ready: fill(Color::Blue, Color::White),
            ring: fill(Color::Yellow, Color::Black),
            selected: Style::new().add_modifier(Modifier::REVERSED),
            tab: Style::new(),
            tab_active: fill(Color::Cyan, Color::Black).add_modifier(Modifier::BOLD),
            key: fg(Color::Cyan).add_modifier(Modifier::BOLD),
            nack: fg(Color::Blue),
            red: fg(Color::Green),
            lbrr: fg(Color::LightGreen),
            concealed: fg(Color::Yellow),
            late: fg(Color::Magenta),
            lost: fg(Color::Red).add_modifier(Modifier::BOLD),
            stack: [Color::Magenta, Color::LightMagenta, Color::Blue, Color::Cyan, Color::Yellow, Color::Red].map(fg),
            colourful: true,
            wave: Gradient::Flat(fg(Color::Cyan)),
            level: [fg(Color::Cyan), fg(Color::Yellow), fg(Color::Red)],
        }
    }

    fn mono(glyphs: &'static Glyphs, calm: bool) -> Self {
        let plain = Style::new();
        let (bold, dim, reversed) =
            (plain.add_modifier(Modifier::BOLD), plain.add_modifier(Modifier::DIM), plain.add_modifier(Modifier::REVERSED));
        Self {
            glyphs,
            calm,
            text: plain,
            dim,
            border: dim,
            border_focus: bold,
            title: bold,
            accent: bold,
            good: plain,
            warn: bold,
            bad: bold,
            on_air: reversed.add_modifier(Modifier::BOLD),
            ready: plain,
            ring: reversed,
            selected: reversed,
            tab: plain,
            tab_active: reversed.add_modifier(Modifier::BOLD),
            key: bold,
            nack: plain,
            red: plain,
            lbrr: plain,
            concealed: plain,
            late: bold,
            lost: bold,
            stack: [plain; Stack::PARTS],
            colourful: false,
            wave: Gradient::Flat(plain),
            level: [plain, bold, bold],
        }
    }

    /// A voice's colour at `height` (0 at the axis, 1 at full scale).
    #[must_use]
    pub fn wave(&self, height: f32) -> Style {
        match &self.wave {
            Gradient::Flat(style) => *style,
            Gradient::Blend { from, to, depth } => Style::new().fg(color(blend(*from, *to, height), *depth)),
        }
    }

    /// The sign and colour of what happened, on a waveform and in the strip. `None`: the voice itself, or nothing.
    #[must_use]
    pub fn mark(&self, mark: Mark) -> Option<(char, Style)> {
        let glyphs = self.glyphs;
        match mark {
            Mark::Idle | Mark::Played => None,
            Mark::Nack => Some((glyphs.nack, self.nack)),
            Mark::Red => Some((glyphs.red, self.red)),
            Mark::Lbrr => Some((glyphs.lbrr, self.lbrr)),
            Mark::Concealed => Some((glyphs.concealed, self.concealed)),
            Mark::Late => Some((glyphs.late, self.late)),
            Mark::Lost => Some((glyphs.lost, self.lost)),
        }
    }

    /// The sign of a stack's part: solid where its colour says which it is.
    #[must_use]
    pub fn stack_sign(&self, part: usize) -> char {
        if self.colourful && self.glyphs.blocks { self.glyphs.rising[8] } else { self.glyphs.stack[part] }
    }

    /// A level bar's colour at `share` of its length: calm, loud, close to clipping.
    #[must_use]
    pub fn level(&self, share: f32) -> Style {
        self.level[if share > 0.95 { 2 } else { usize::from(share > 0.8) }]
    }
}

/// `COLORFGBG` ends with the background's number: 7 and 15 are light.
fn is_light(colorfgbg: &str) -> bool {
    matches!(colorfgbg.rsplit(';').next(), Some("7" | "15"))
}

fn blend(from: (u8, u8, u8), to: (u8, u8, u8), t: f32) -> (u8, u8, u8) {
    let t = t.clamp(0.0, 1.0);
    let mix = |a: u8, b: u8| (f32::from(a) + (f32::from(b) - f32::from(a)) * t).round() as u8;
    (mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

fn color((r, g, b): (u8, u8, u8), depth: Depth) -> Color {
    if depth == Depth::True {
        return Color::Rgb(r, g, b);
    }
    // The 6x6x6 cube, or the grey ramp when it is nearer.
    let step = |v: u8| if v < 48 { 0 } else { ((v - 35) / 40).min(5) };
    let value = |s: u8| if s == 0 { 0 } else { 55 + 40 * s };
    let distance = |(x, y, z): (u8, u8, u8)| [(r, x), (g, y), (b, z)].iter().map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2)).sum::<u32>();
    let (x, y, z) = (step(r), step(g), step(b));
    let grey = ((u16::from(r) + u16::from(g) + u16::from(b)) / 3).saturating_sub(3).min(238) as u8 / 10;
    let grey = grey.min(23);
    let grey_value = 8 + 10 * grey;
    if distance((grey_value, grey_value, grey_value)) < distance((value(x), value(y), value(z))) {
        Color::Indexed(232 + grey)
    } else {
        Color::Indexed(16 + 36 * x + 6 * y + z)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn theme(choice: ThemeChoice, env: &[(&str, &str)]) -> Theme {
        let options = UiOptions { theme: choice, ..UiOptions::default() };
        Theme::new(&options, |name| env.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string()))
    }

    #[test]
    fn the_environment_chooses_and_the_user_overrules_it() {
        let utf8 = ("LANG", "C.UTF-8");
        let dark = theme(ThemeChoice::Auto, &[utf8, ("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]);
        assert_eq!(dark.accent.fg, Some(Color::Rgb(92, 220, 200)));
        let light = theme(ThemeChoice::Auto, &[utf8, ("TERM", "xterm-256color"), ("COLORFGBG", "0;15")]);
        assert!(matches!(light.accent.fg, Some(Color::Indexed(_))));
        assert_ne!(light.accent.fg, theme(ThemeChoice::Dark, &[]).accent.fg);
        assert_eq!(theme(ThemeChoice::Auto, &[("TERM", "vt220")]).accent.fg, Some(Color::Cyan));
        let none = theme(ThemeChoice::Auto, &[utf8, ("TERM", "xterm-256color"), ("NO_COLOR", "1")]);
        assert_eq!((none.accent.fg, none.on_air.bg), (None, None));
        assert!(theme(ThemeChoice::Dark, &[("NO_COLOR", "1")]).accent.fg.is_some());
    }

    #[test]
    fn a_terminal_without_unicode_gets_ascii() {
        for env in [&[("LANG", "C")][..], &[("LC_ALL", "C"), ("LANG", "C.UTF-8")], &[("LANG", "C.UTF-8"), ("TERM", "linux")], &[]] {
            let theme = theme(ThemeChoice::Auto, env);
            assert!(cfg!(not(unix)) || (theme.glyphs.live == '*' && theme.glyphs.rising.iter().all(char::is_ascii)));
        }
        assert_eq!(theme(ThemeChoice::Auto, &[("LANG", "de_DE.utf8")]).glyphs.live, '●');
    }

    #[test]
    fn colours_are_rounded_to_the_nearest_of_256() {
        assert_eq!(color((255, 0, 0), Depth::Indexed), Color::Indexed(196));
        assert_eq!(color((0, 0, 0), Depth::Indexed), Color::Indexed(16));
        assert_eq!(color((128, 128, 128), Depth::Indexed), Color::Indexed(244));
    }
}
