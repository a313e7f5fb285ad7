//! The one table of keys. What a key does, the footer, the help and the README's table all come from here.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::InputRequest;

use super::action::{Action, View};

/// Where keys mean something else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Context {
    Main,
    Field,
    Picker,
    Help,
    Doctor,
    /// "In a call: really quit?"
    Quit,
    /// "Type its name to call it in the clear."
    Clear,
}

impl Context {
    pub const ALL: [Self; 7] = [Self::Main, Self::Field, Self::Picker, Self::Help, Self::Doctor, Self::Quit, Self::Clear];

    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Main => "Everywhere",
            Self::Field => "In the address field",
            Self::Picker => "In the device picker",
            Self::Help => "In this help",
            Self::Doctor => "In the doctor's report",
            Self::Quit => "When asked whether to quit",
            Self::Clear => "When asked for a name, to call it in the clear",
        }
    }
}

/// One key as a user presses it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    code: KeyCode,
    ctrl: bool,
    alt: bool,
}

const fn key(c: char) -> Key {
    Key { code: KeyCode::Char(c), ctrl: false, alt: false }
}

const fn ctrl(c: char) -> Key {
    Key { code: KeyCode::Char(c), ctrl: true, alt: false }
}

const fn alt(c: char) -> Key {
    Key { code: KeyCode::Char(c), ctrl: false, alt: true }
}

const fn named(code: KeyCode) -> Key {
    Key { code, ctrl: false, alt: false }
}

const fn ctrl_named(code: KeyCode) -> Key {
    Key { code, ctrl: true, alt: false }
}

impl Key {
    /// The key of a terminal's event. With the kitty protocol a shifted key can come as its base key and Shift.
    #[must_use]
    pub fn of(event: &KeyEvent) -> Self {
        let shift = event.modifiers.contains(KeyModifiers::SHIFT);
        let code = match event.code {
            KeyCode::Char(c) if shift => KeyCode::Char(match c {
                '/' => '?',
                '=' => '+',
                other => other.to_uppercase().next().unwrap_or(other),
            }),
            KeyCode::Tab if shift => KeyCode::BackTab,
            other => other,
        };
        let modifiers = event.modifiers;
        Self { code, ctrl: modifiers.contains(KeyModifiers::CONTROL), alt: modifiers.intersects(KeyModifiers::ALT | KeyModifiers::META) }
    }

    /// The character that the key types, if it types one. `AltGr` comes as Ctrl and Alt together on Windows.
    #[must_use]
    pub fn typed(self) -> Option<char> {
        match self.code {
            KeyCode::Char(c) if self.ctrl == self.alt && !c.is_control() => Some(c),
            _ => None,
        }
    }

    #[must_use]
    pub fn name(self) -> String {
        let name = match self.code {
            KeyCode::Char(' ') => "Space".to_string(),
            KeyCode::Char(c) if self.ctrl || self.alt => c.to_uppercase().to_string(),
            KeyCode::Char(c) => c.to_string(),
            KeyCode::BackTab => "Shift-Tab".to_string(),
            KeyCode::Esc => "Esc".to_string(),
            KeyCode::Up => "Up".to_string(),
            KeyCode::Down => "Down".to_string(),
            other => format!("{other}"),
        };
        match (self.ctrl, self.alt) {
            (true, _) => format!("Ctrl-{name}"),
            (_, true) => format!("Alt-{name}"),
            _ => name,
        }
    }
}

/// A line of the table.
#[derive(Debug)]
pub struct Binding {
    pub context: Context,
    /// The first one is shown in the footer.
    pub keys: &'static [Key],
    pub action: Action,
    /// A word for the footer; empty: not there.
    pub short: &'static str,
    /// A sentence for the help.
    pub help: &'static str,
}

const fn bind(context: Context, keys: &'static [Key], action: Action, short: &'static str, help: &'static str) -> Binding {
    Binding { context, keys, action, short, help }
}

const fn edit(keys: &'static [Key], request: InputRequest, help: &'static str) -> Binding {
    bind(Context::Field, keys, Action::Edit(request), "", help)
}

use Context::{Clear, Doctor, Field, Help, Main, Picker, Quit};

/// All keys, in the order of the help; the footer takes them in this order as far as they fit.
pub const BINDINGS: &[Binding] = &[
    bind(Main, &[key('a')], Action::Answer, "answer", "Answer the call that rings"),
    bind(Main, &[key('d')], Action::Decline, "decline", "Decline the call that rings"),
    bind(Main, &[key('A')], Action::Admit, "always", "Answer, and let this peer connect without asking from now on (sealed calls)"),
    bind(Main, &[key('b')], Action::Block, "block", "Decline, and let this peer not ring any more (sealed calls)"),
    bind(Main, &[key(' ')], Action::Talk, "talk", "Hold to talk to everybody in the call"),
    bind(Main, &[key('o')], Action::Open, "open", "Open the microphone until hang-up, or close it"),
    bind(Main, &[key('t')], Action::Voice, "", "Voice activation until hang-up: on air while you speak; or end it"),
    bind(Main, &[key('.')], Action::MoreSensitive, "", "Voice activation more sensitive: it opens sooner"),
    bind(Main, &[key(',')], Action::LessSensitive, "", "Voice activation less sensitive"),
    bind(Main, &[key('m')], Action::Mute, "mute", "Mute the microphone, or unmute it"),
    bind(Main, &[key('c'), named(KeyCode::Enter)], Action::Address, "call", "Call: type an address"),
    bind(Main, &[key('h')], Action::Hangup, "hang up", "Hang up the selected peer"),
    bind(Main, &[key('H')], Action::HangupAll, "", "Hang up everybody"),
    bind(Main, &[named(KeyCode::Tab)], Action::NextView, "view", "Next view"),
    bind(Main, &[named(KeyCode::BackTab)], Action::PreviousView, "", "Previous view"),
    bind(Main, &[key('1')], Action::View(View::Talk), "", "Talk: your voice, and who hears it"),
    bind(Main, &[key('2')], Action::View(View::Listen), "", "Listen: their voices, with losses and repairs"),
    bind(Main, &[key('3')], Action::View(View::Network), "", "Network: every number, live"),
    bind(Main, &[key('4')], Action::View(View::Peers), "", "Peers: who is there, and missed calls"),
    bind(Main, &[key('j'), named(KeyCode::Down)], Action::Next, "", "Select the next peer"),
    bind(Main, &[key('k'), named(KeyCode::Up)], Action::Previous, "", "Select the previous peer"),
    bind(
        Main,
        &[key('p')],
        Action::Clear,
        "call in the clear",
        "Call in the clear a peer that does not answer sealed: anyone on the path can listen",
    ),
    bind(Main, &[key('v')], Action::Verify, "verify", "Mark the selected peer verified: it reads the same four words to you"),
    bind(Main, &[key('V')], Action::Unverify, "", "Take that mark back"),
    bind(Main, &[key('+'), key('=')], Action::PeerLouder, "", "The selected peer louder"),
    bind(Main, &[key('-')], Action::PeerQuieter, "", "The selected peer quieter"),
    bind(Main, &[key('M')], Action::PeerMute, "", "Silence the selected peer, or hear it again"),
    bind(Main, &[key(']')], Action::Louder, "", "Everybody louder"),
    bind(Main, &[key('[')], Action::Quieter, "", "Everybody quieter"),
    bind(Main, &[key('D')], Action::Deafen, "", "Hear nobody, or hear again"),
    bind(Main, &[key('i')], Action::Devices, "devices", "Choose microphone and loudspeaker, test the level"),
    bind(Main, &[key('r')], Action::Record, "record", "Record the call, or stop recording"),
    bind(Main, &[key('e')], Action::Echo, "", "Echo cancellation: auto, on or off"),
    bind(Main, &[key('n')], Action::Noise, "", "Noise suppression: auto, on or off"),
    bind(Main, &[key('g')], Action::Gain, "", "Automatic gain on or off"),
    bind(Main, &[key('w')], Action::IsHeadset, "", "The output is a headset: there is no echo (remembered)"),
    bind(Main, &[key('s')], Action::IsLoudspeaker, "", "The output is a loudspeaker, which the microphone hears (remembered)"),
    bind(Main, &[key('x')], Action::Examine, "", "Doctor: check sound, network, terminal, clock and files, and say what to do"),
    bind(Main, &[key('?'), named(KeyCode::F(1))], Action::Help, "help", "This help"),
    bind(Main, &[ctrl('l')], Action::Redraw, "", "Draw the screen anew"),
    bind(Main, &[ctrl('z')], Action::Suspend, "", "Close the microphone and go back to the shell (fg returns)"),
    bind(Main, &[named(KeyCode::Esc)], Action::Leave, "", "Put away the warning that a key has changed"),
    bind(Main, &[key('q')], Action::Quit, "quit", "Quit (asks during a call)"),
    bind(Main, &[ctrl('c')], Action::QuitNow, "", "Hang up and quit at once"),
    bind(Field, &[named(KeyCode::Enter)], Action::Call, "call", "Call this address; another one joins the call"),
    bind(Field, &[named(KeyCode::Esc)], Action::Leave, "leave", "Leave the field"),
    bind(Field, &[named(KeyCode::Up), ctrl('p')], Action::Older, "earlier calls", "An address called earlier"),
    bind(Field, &[named(KeyCode::Down), ctrl('n')], Action::Newer, "", "An address called later"),
    edit(&[named(KeyCode::Left), ctrl('b')], InputRequest::GoToPrevChar, "A character left"),
    edit(&[named(KeyCode::Right), ctrl('f')], InputRequest::GoToNextChar, "A character right"),
    edit(&[ctrl_named(KeyCode::Left), alt('b')], InputRequest::GoToPrevWord, "A word left"),
    edit(&[ctrl_named(KeyCode::Right), alt('f')], InputRequest::GoToNextWord, "A word right"),
    edit(&[named(KeyCode::Home), ctrl('a')], InputRequest::GoToStart, "To the start"),
    edit(&[named(KeyCode::End), ctrl('e')], InputRequest::GoToEnd, "To the end"),
    edit(&[named(KeyCode::Backspace), ctrl('h')], InputRequest::DeletePrevChar, "Delete to the left"),
    edit(&[named(KeyCode::Delete), ctrl('d')], InputRequest::DeleteNextChar, "Delete to the right"),
    edit(&[ctrl('w'), ctrl_named(KeyCode::Backspace)], InputRequest::DeletePrevWord, "Delete the word to the left"),
    edit(&[ctrl_named(KeyCode::Delete), alt('d')], InputRequest::DeleteNextWord, "Delete the word to the right"),
    edit(&[ctrl('u')], InputRequest::DeleteLine, "Delete all"),
    edit(&[ctrl('k')], InputRequest::DeleteTillEnd, "Delete to the end"),
    edit(&[ctrl('y')], InputRequest::Yank, "Put back what was deleted"),
    bind(Field, &[named(KeyCode::Tab)], Action::NextView, "", "Leave the field for the next view"),
    bind(Field, &[ctrl('l')], Action::Redraw, "", "Draw the screen anew"),
    bind(Field, &[ctrl('z')], Action::Suspend, "", "Go back to the shell (fg returns)"),
    bind(Field, &[ctrl('c')], Action::QuitNow, "quit", "Hang up and quit at once"),
    bind(Picker, &[named(KeyCode::Enter)], Action::Choose, "use it", "Use the chosen device, in this call too"),
    bind(Picker, &[named(KeyCode::Down), key('j')], Action::Next, "", "Next device"),
    bind(Picker, &[named(KeyCode::Up), key('k')], Action::Previous, "", "Previous device"),
    bind(
        Picker,
        &[named(KeyCode::Tab), named(KeyCode::Right)],
        Action::NextList,
        "microphone, loudspeaker, host",
        "Next list: microphone, loudspeaker, host",
    ),
    bind(Picker, &[named(KeyCode::BackTab), named(KeyCode::Left)], Action::PreviousList, "", "Previous list"),
    bind(Picker, &[named(KeyCode::Esc), key('i'), key('q')], Action::Leave, "close", "Close the picker"),
    bind(Picker, &[ctrl('z')], Action::Suspend, "", "Go back to the shell (fg returns)"),
    bind(Picker, &[ctrl('c')], Action::QuitNow, "", "Hang up and quit at once"),
    bind(Help, &[named(KeyCode::Esc), key('?'), key('q'), named(KeyCode::Enter)], Action::Leave, "close", "Close the help"),
    bind(Help, &[named(KeyCode::Down), key('j')], Action::Next, "scroll", "Scroll down"),
    bind(Help, &[named(KeyCode::Up), key('k')], Action::Previous, "", "Scroll up"),
    bind(Help, &[ctrl('z')], Action::Suspend, "", "Go back to the shell (fg returns)"),
    bind(Help, &[ctrl('c')], Action::QuitNow, "", "Hang up and quit at once"),
    bind(Doctor, &[named(KeyCode::Esc), key('x'), key('q'), named(KeyCode::Enter)], Action::Leave, "close", "Close the report"),
    bind(Doctor, &[named(KeyCode::Down), key('j')], Action::Next, "scroll", "Scroll down"),
    bind(Doctor, &[named(KeyCode::Up), key('k')], Action::Previous, "", "Scroll up"),
    bind(Doctor, &[key('r')], Action::Examine, "check again", "Check again"),
    bind(Doctor, &[ctrl('z')], Action::Suspend, "", "Go back to the shell (fg returns)"),
    bind(Doctor, &[ctrl('c')], Action::QuitNow, "", "Hang up and quit at once"),
    bind(Quit, &[key('q'), key('y'), named(KeyCode::Enter)], Action::QuitNow, "hang up and quit", "Hang up and quit"),
    bind(Quit, &[named(KeyCode::Esc), key('n')], Action::Leave, "stay", "Stay in the call"),
    bind(Quit, &[ctrl('c')], Action::QuitNow, "", "Hang up and quit"),
    bind(Clear, &[named(KeyCode::Enter)], Action::ClearNow, "call in the clear", "Call in the clear, if the name is right"),
    bind(Clear, &[named(KeyCode::Esc)], Action::Leave, "do not", "Do not call in the clear"),
    bind(Clear, &[named(KeyCode::Backspace), ctrl('h')], Action::Edit(InputRequest::DeletePrevChar), "", "Delete to the left"),
    bind(Clear, &[ctrl('u')], Action::Edit(InputRequest::DeleteLine), "", "Delete all"),
    bind(Clear, &[ctrl('z')], Action::Suspend, "", "Go back to the shell (fg returns)"),
    bind(Clear, &[ctrl('c')], Action::QuitNow, "", "Hang up and quit at once"),
];

/// The bindings of one context, in order.
pub fn of(context: Context) -> impl Iterator<Item = &'static Binding> {
    BINDINGS.iter().filter(move |binding| binding.context == context)
}

/// What `key` does in `context`.
#[must_use]
pub fn lookup(context: Context, key: Key) -> Option<Action> {
    of(context).find(|binding| binding.keys.contains(&key)).map(|binding| binding.action)
}

/// The key that is shown for `action`.
#[must_use]
pub fn key_name(context: Context, action: Action) -> String {
    of(context).find(|binding| binding.action == action).map(|binding| binding.keys[0].name()).unwrap_or_default()
}

/// All keys as Markdown tables, for the README.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::new();
    for context in Context::ALL {
        out.push_str(&format!("**{}**\n\n| key | does |\n|---|---|\n", context.title()));
        for binding in of(context) {
            let keys: Vec<String> = binding.keys.iter().map(|key| format!("`{}`", key.name())).collect();
            out.push_str(&format!("| {} | {} |\n", keys.join(", "), binding.help));
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(code: KeyCode, modifiers: KeyModifiers) -> Key {
        Key::of(&KeyEvent::new(code, modifiers))
    }

    #[test]
    fn no_key_means_two_things_in_one_place() {
        for context in Context::ALL {
            let keys: Vec<Key> = of(context).flat_map(|binding| binding.keys).copied().collect();
            for (at, key) in keys.iter().enumerate() {
                assert!(!keys[..at].contains(key), "{} twice in {context:?}", key.name());
            }
        }
    }

    #[test]
    fn every_binding_explains_itself_and_every_place_can_be_left() {
        for binding in BINDINGS {
            assert!(!binding.keys.is_empty() && !binding.help.is_empty(), "{binding:?}");
        }
        for context in Context::ALL {
            assert_eq!(lookup(context, ctrl('c')), Some(Action::QuitNow), "{context:?}");
            assert!(context == Context::Main || lookup(context, named(KeyCode::Esc)) == Some(Action::Leave), "{context:?}");
        }
    }

    #[test]
    fn no_plain_letter_is_taken_from_the_field() {
        assert!(of(Context::Field).chain(of(Context::Clear)).flat_map(|binding| binding.keys).all(|key| key.typed().is_none()));
        assert_eq!(press(KeyCode::Char('@'), KeyModifiers::CONTROL | KeyModifiers::ALT).typed(), Some('@'));
        assert_eq!(press(KeyCode::Char('a'), KeyModifiers::CONTROL).typed(), None);
    }

    #[test]
    fn a_shifted_key_is_the_same_in_every_protocol() {
        for (code, modifiers, action) in [
            (KeyCode::Char('D'), KeyModifiers::NONE, Action::Deafen),
            (KeyCode::Char('D'), KeyModifiers::SHIFT, Action::Deafen),
            (KeyCode::Char('d'), KeyModifiers::SHIFT, Action::Deafen),
            (KeyCode::Char('/'), KeyModifiers::SHIFT, Action::Help),
            (KeyCode::Char('?'), KeyModifiers::NONE, Action::Help),
            (KeyCode::Tab, KeyModifiers::SHIFT, Action::PreviousView),
        ] {
            assert_eq!(lookup(Context::Main, press(code, modifiers)), Some(action));
        }
    }

    #[test]
    fn the_readmes_table_has_every_binding() {
        let table = markdown();
        assert_eq!(table.matches("\n| `").count(), BINDINGS.len());
        assert!(table.contains("| `Space` | Hold to talk to everybody in the call |"));
        assert!(table.contains("| `c`, `Enter` | Call: type an address |"));
    }
}
