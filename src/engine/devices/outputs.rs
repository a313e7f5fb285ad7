//! Which outputs are loudspeakers, that the microphone hears, and which are headsets: guessed from the name, until the user says.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::os::files::write_whole;

/// Answers that are kept; more devices than that nobody has.
const KEPT: usize = 1_000;
/// No file of answers is longer, bytes.
const FILE_MAX: u64 = 1 << 20;

/// What an output is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputKind {
    /// The microphone does not hear it: there is no echo.
    Headset,
    Loudspeaker,
}

impl OutputKind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Headset => "headset",
            Self::Loudspeaker => "loudspeaker",
        }
    }

    /// From what a device calls itself. Where that says nothing it is a loudspeaker: an echo is worse than its cancellation.
    #[must_use]
    pub fn guess(name: &str) -> Self {
        const HEADSETS: [&str; 11] =
            ["headset", "headphone", "earphone", "earbud", "airpod", "buds", "hands-free", "handsfree", "jabra", "plantronics", "kopfh"];
        let name = name.to_lowercase();
        if HEADSETS.iter().any(|word| name.contains(word)) { Self::Headset } else { Self::Loudspeaker }
    }
}

/// What the user has said of each output, by the device's own id.
#[derive(Debug, Default)]
pub struct Outputs {
    file: Option<PathBuf>,
    known: BTreeMap<String, OutputKind>,
}

impl Outputs {
    /// What was said in earlier runs. `None`: nothing is kept. Beside it a sentence if the file says nothing that is understood.
    #[must_use]
    pub fn load(file: Option<PathBuf>) -> (Self, Option<String>) {
        let Some(path) = &file else { return (Self::default(), None) };
        let read = match fs::metadata(path) {
            Ok(metadata) if metadata.len() > FILE_MAX => Err("it is too long".to_owned()),
            Ok(_) => fs::read_to_string(path).map_err(|error| error.to_string()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(error.to_string()),
        };
        let known = read.and_then(|text| toml::from_str(&text).map_err(|error| error.message().to_owned()));
        let warning = known
            .as_ref()
            .err()
            .map(|error| format!("Which outputs are headsets cannot be read from {} ({error}), so you are asked again.", path.display()));
        (Self { file, known: known.unwrap_or_default() }, warning)
    }

    /// What the user said of the output.
    #[must_use]
    pub fn known(&self, id: &str) -> Option<OutputKind> {
        self.known.get(id).copied()
    }

    /// The user says what it is.
    ///
    /// # Errors
    /// It holds for this run only: a sentence.
    pub fn set(&mut self, id: &str, kind: OutputKind) -> Result<(), String> {
        if self.known.insert(id.to_owned(), kind) == Some(kind) {
            return Ok(());
        }
        while self.known.len() > KEPT {
            let spare = self.known.keys().find(|known| *known != id).cloned();
            spare.into_iter().for_each(|spare| _ = self.known.remove(&spare));
        }
        let Some(path) = &self.file else { return Ok(()) };
        let text = toml::to_string(&self.known).map_err(|error| error.to_string());
        let wrote = text.and_then(|text| write_whole(path, text.as_bytes()).map_err(|error| error.to_string()));
        wrote.map_err(|error| format!("What this output is holds for this run only: {} cannot be written ({error}).", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_guess_and_an_answer_is_kept() {
        for (name, kind) in [
            ("USB Headset Analog Stereo", OutputKind::Headset),
            ("WH-1000XM4 Headphones", OutputKind::Headset),
            ("Galaxy Buds2", OutputKind::Headset),
            ("Built-in Audio Analog Stereo", OutputKind::Loudspeaker),
            ("HDMI / DisplayPort", OutputKind::Loudspeaker),
            ("", OutputKind::Loudspeaker),
        ] {
            assert_eq!(OutputKind::guess(name), kind, "{name}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("below").join("outputs.toml");
        let (mut outputs, warning) = Outputs::load(Some(file.clone()));
        assert_eq!((outputs.known("alsa:card 1\"=\n"), warning), (None, None));
        outputs.set("alsa:card 1\"=\n", OutputKind::Headset).expect("written");
        outputs.set("pulse:x", OutputKind::Loudspeaker).expect("written");
        let (outputs, warning) = Outputs::load(Some(file.clone()));
        assert_eq!(warning, None);
        assert_eq!(outputs.known("alsa:card 1\"=\n"), Some(OutputKind::Headset));
        assert_eq!(outputs.known("pulse:x"), Some(OutputKind::Loudspeaker));
        fs::write(&file, "what = \"a radio\"").expect("a file");
        let (outputs, warning) = Outputs::load(Some(file));
        assert!(outputs.known.is_empty() && warning.is_some_and(|warning| warning.contains("you are asked again")));
    }

    #[test]
    fn no_number_of_devices_fills_the_memory_and_a_full_disk_is_said() {
        let mut outputs = Outputs::default();
        for n in 0..2 * KEPT {
            outputs.set(&n.to_string(), OutputKind::Headset).expect("kept in memory");
        }
        assert!(outputs.known.len() <= KEPT);
        assert_eq!(outputs.known(&(2 * KEPT - 1).to_string()), Some(OutputKind::Headset));
        let (mut outputs, _) = Outputs::load(Some("/proc/nowhere/outputs.toml".into()));
        assert!(outputs.set("x", OutputKind::Headset).expect_err("no such folder").contains("this run only"));
        assert_eq!(outputs.known("x"), Some(OutputKind::Headset));
    }
}
