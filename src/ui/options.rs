//! How the screen looks and what it listens to: the part of the command line that the engine does not care about.

/// Which colours the screen uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ThemeChoice {
    /// As the terminal is: dark or light where it says, 16 colours where it has no more, none with `NO_COLOR`.
    #[default]
    Auto,
    Dark,
    Light,
    /// The terminal's own 16 colours.
    Sixteen,
    /// No colour at all.
    None,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UiOptions {
    pub theme: ThemeChoice,
    /// No motion: nothing scrolls or blinks.
    pub calm: bool,
    /// Only ASCII characters are drawn.
    pub ascii: bool,
    /// The mouse is asked for.
    pub mouse: bool,
    /// The terminal's bell sounds while somebody rings.
    pub bell: bool,
    /// The terminal's desktop notification (OSC 9) says who rings.
    pub notify: bool,
}

impl Default for UiOptions {
    fn default() -> Self {
        Self { theme: ThemeChoice::Auto, calm: false, ascii: false, mouse: true, bell: true, notify: false }
    }
}
