//! The device picker's state: three lists, a row in each. Pure.

use crate::engine::{Command, DeviceEntry, DeviceStatus, Direction, Notice, OutputKind};
use crate::ui::text;

/// The host of the devices that are no cards.
const VIRTUAL: &str = "virtual";

/// Which list the picker shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum List {
    #[default]
    Input,
    Output,
    Host,
}

impl List {
    pub const ALL: [Self; 3] = [Self::Input, Self::Output, Self::Host];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Input => "Microphone",
            Self::Output => "Loudspeaker",
            Self::Host => "Sound system",
        }
    }
}

/// A line of the picker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice {
    pub name: String,
    pub detail: String,
    pub in_use: bool,
    pub command: Command,
}

/// What the engine said of devices.
#[derive(Clone, PartialEq, Debug)]
pub struct Devices {
    pub list: Vec<DeviceEntry>,
    pub input: DeviceStatus,
    pub output: DeviceStatus,
    /// What the user named, best first, and which of it is in use; empty where there is nothing to choose. Input, output.
    orders: [(Vec<String>, usize); 2],
    /// The output's name and kind, and whether that is guessed.
    kind: Option<(String, OutputKind, bool)>,
}

impl Default for Devices {
    fn default() -> Self {
        Self { list: Vec::new(), input: DeviceStatus::Closed, output: DeviceStatus::Closed, orders: Default::default(), kind: None }
    }
}

impl Devices {
    pub fn set_status(&mut self, direction: Direction, status: DeviceStatus) {
        match direction {
            Direction::Input => self.input = status,
            Direction::Output => {
                // What was said of a device is none of another one's.
                let is_another = |name: &str| self.kind.as_ref().is_some_and(|(known, ..)| *known != text::clean(name));
                if matches!(&status, DeviceStatus::Open { name, .. } if is_another(name)) {
                    self.kind = None;
                }
                self.output = status;
            }
        }
    }

    /// What the engine says of devices; the rest is not for here.
    pub fn handle_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Device { direction, status } => self.set_status(direction, status),
            Notice::Devices(list) => self.list = list,
            Notice::OutputIs { name, kind, guessed } => self.kind = Some((text::clean(&name), kind, guessed)),
            Notice::DeviceOrder { direction, order, used } => self.orders[direction as usize] = (order, used),
            _ => {}
        }
    }

    /// What is asked once of each output, while echo cancellation has to know it.
    #[must_use]
    pub fn question(&self) -> Option<(&str, OutputKind)> {
        let (name, kind, guessed) = self.kind.as_ref()?;
        (*guessed && matches!(self.output, DeviceStatus::Open { .. })).then_some((name, *kind))
    }

    /// The order in words, if there is one: `order: 1 usb, 2 default (now)`.
    #[must_use]
    pub fn order(&self, list: List) -> Option<String> {
        let (order, used) = match list {
            List::Input => &self.orders[0],
            List::Output => &self.orders[1],
            List::Host => return None,
        };
        let now = |at| if at == *used { " (now)" } else { "" };
        let places: Vec<String> =
            order.iter().enumerate().map(|(at, spec)| format!("{} {}{}", at + 1, text::clean(spec), now(at))).collect();
        (order.len() > 1).then(|| format!("order: {}", places.join(", ")))
    }

    /// What a stream's loss means, while it lasts.
    #[must_use]
    pub fn loss(&self) -> Option<&str> {
        [&self.input, &self.output].into_iter().find_map(|status| match status {
            DeviceStatus::Lost { sentence } => Some(sentence.as_str()),
            _ => None,
        })
    }

    /// The lines of one list. Whoever has no device can still choose silence.
    #[must_use]
    pub fn choices(&self, list: List) -> Vec<Choice> {
        let mut hosts: Vec<&str> = self.list.iter().map(|entry| entry.host.as_str()).filter(|host| *host != VIRTUAL).collect();
        hosts.sort_unstable();
        hosts.dedup();
        let several = hosts.len() > 1;
        let (direction, status) = match list {
            List::Host => {
                let count = |host: &str| self.list.iter().filter(|entry| entry.host == host).count();
                let choice = |host: &&str| Choice {
                    name: text::clean(host),
                    detail: format!("{} devices", count(host)),
                    in_use: false,
                    command: Command::Host((*host).to_string()),
                };
                return hosts.iter().map(choice).collect();
            }
            List::Input => (Direction::Input, &self.input),
            List::Output => (Direction::Output, &self.output),
        };
        let command = |id: &str| if direction == Direction::Input { Command::Input(id.into()) } else { Command::Output(id.into()) };
        let used = |name: &str| matches!(status, DeviceStatus::Open { id: open, .. } if open == name);
        let (order, _) = &self.orders[direction as usize];
        let place = |entry: &DeviceEntry| order.iter().position(|spec| entry.is_meant_by(spec) || spec == "default" && entry.is_default);
        let offered = |entry: &&DeviceEntry| entry.direction == direction && !needs_a_file(entry);
        let entries = self.list.iter().filter(offered).map(|entry| Choice {
            name: text::clean(&entry.name),
            detail: detail(entry, several, place(entry).filter(|_| order.len() > 1)),
            in_use: used(&entry.id),
            command: command(&entry.id),
        });
        let nothing = if direction == Direction::Input { ("silence", "No microphone") } else { ("null", "No loudspeaker") };
        let nothing = Choice { name: nothing.1.into(), detail: String::new(), in_use: used(nothing.0), command: command(nothing.0) };
        let mut choices: Vec<Choice> = entries.collect();
        if !choices.iter().any(|choice| choice.command == nothing.command) {
            choices.push(nothing);
        }
        choices
    }
}

/// Only the command line can say which file.
fn needs_a_file(entry: &DeviceEntry) -> bool {
    entry.host == VIRTUAL && entry.id.contains("FILE")
}

/// `place`: in the user's order, from 0.
fn detail(entry: &DeviceEntry, several_hosts: bool, place: Option<usize>) -> String {
    let mut words: Vec<String> = place.map(|place| format!("{}.", place + 1)).into_iter().collect();
    if entry.is_default {
        words.push("default".to_string());
    }
    if several_hosts {
        words.push(text::clean(&entry.host));
    }
    if !entry.detail.is_empty() {
        words.push(text::clean(&entry.detail));
    }
    words.join(", ")
}

/// The picker: a list in front, a row chosen in each.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Picker {
    pub list: List,
    rows: [usize; 3],
    /// The user has chosen a row: it stays where it is.
    moved: bool,
}

impl Picker {
    #[must_use]
    pub fn row(&self) -> usize {
        self.rows[self.list as usize]
    }

    /// Until the user moves, the row is that of the device in use: Enter alone changes nothing.
    pub fn follow(&mut self, devices: &Devices) {
        if !self.moved {
            self.rows = List::ALL.map(|list| devices.choices(list).iter().position(|choice| choice.in_use).unwrap_or(0));
        }
    }

    /// Up or down, not over the ends.
    pub fn step(&mut self, down: bool, choices: usize) {
        self.moved = true;
        let row = &mut self.rows[self.list as usize];
        *row = if down { (*row + 1).min(choices.saturating_sub(1)) } else { row.saturating_sub(1) };
    }

    /// The row that was clicked.
    pub fn point(&mut self, row: usize) {
        self.moved = true;
        self.rows[self.list as usize] = row;
    }

    pub fn turn(&mut self, by: usize) {
        self.list = List::ALL[(self.list as usize + by) % List::ALL.len()];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(host: &str, direction: Direction, id: &str) -> DeviceEntry {
        let (name, detail) = (format!("The {id}\x1b[31m"), "2 channels".to_string());
        DeviceEntry { host: host.into(), direction, id: id.into(), name, is_default: id == "usb", detail }
    }

    #[test]
    fn each_list_shows_its_own_and_ends_with_nothing() {
        let mut devices = Devices::default();
        assert_eq!(devices.choices(List::Input).len(), 1);
        assert!(devices.choices(List::Host).is_empty());
        devices.list = vec![
            entry("alsa", Direction::Input, "usb"),
            entry("pulseaudio", Direction::Output, "hdmi"),
            entry("virtual", Direction::Input, "wav:FILE"),
            entry("virtual", Direction::Input, "silence"),
        ];
        let inputs = devices.choices(List::Input);
        assert_eq!((inputs[0].name.as_str(), inputs[0].detail.as_str()), ("The usb[31m", "default, alsa, 2 channels"));
        assert_eq!(inputs[0].command, Command::Input("usb".into()));
        assert_eq!((inputs.len(), &inputs[1].command), (2, &Command::Input("silence".into())));
        assert_eq!(devices.choices(List::Output)[1].command, Command::Output("null".into()));
        assert_eq!(devices.choices(List::Host).len(), 2);
    }

    #[test]
    fn the_order_and_the_one_in_use_are_shown() {
        let mut devices = Devices {
            list: ["alsa:a", "alsa:usb", "alsa:c"].map(|id| entry("alsa", Direction::Output, id)).into(),
            output: DeviceStatus::Open { name: "The c (c#2)".into(), id: "alsa:c".into(), rate: 48_000, channels: 1, block: None },
            ..Devices::default()
        };
        assert_eq!((devices.order(List::Output), devices.choices(List::Output)[2].detail.as_str()), (None, "2 channels"));
        let order = vec!["c#2".into(), "alsa:a".into(), "default".into()];
        devices.handle_notice(Notice::DeviceOrder { direction: Direction::Output, order, used: 0 });
        let choices = devices.choices(List::Output);
        assert_eq!(choices.iter().map(|choice| choice.in_use).collect::<Vec<_>>(), [false, false, true, false]);
        assert_eq!(
            choices.iter().map(|choice| choice.detail.as_str()).collect::<Vec<_>>(),
            ["2., 2 channels", "2 channels", "1., 2 channels", ""]
        );
        assert_eq!(devices.order(List::Output).as_deref(), Some("order: 1 c#2 (now), 2 alsa:a, 3 default"));
        assert_eq!(devices.order(List::Input), None);
    }

    #[test]
    fn the_row_stays_inside_its_list() {
        let devices = Devices {
            list: ["a", "b", "c"].map(|id| entry("alsa", Direction::Input, id)).into(),
            input: DeviceStatus::Open { name: "c".into(), id: "c".into(), rate: 48_000, channels: 1, block: None },
            ..Devices::default()
        };
        let mut picker = Picker::default();
        picker.follow(&devices);
        assert_eq!(picker.row(), 2, "the device in use");
        picker.step(false, 3);
        picker.follow(&devices);
        assert_eq!(picker.row(), 1, "where the user went");
        let mut picker = Picker::default();
        picker.step(false, 3);
        (0..9).for_each(|_| picker.step(true, 3));
        assert_eq!(picker.row(), 2);
        picker.turn(1);
        assert_eq!((picker.list, picker.row()), (List::Output, 0));
        picker.step(true, 0);
        assert_eq!(picker.row(), 0);
    }
}
