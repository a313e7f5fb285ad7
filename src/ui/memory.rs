//! What the screen remembers between runs: addresses called, and the keyboard's rhythm. Small files, main thread.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::talk::Learned;

const CALLED: &str = "called";
const TALK_KEY: &str = "talk-key";
/// More than this in a state file is not ours, bytes.
const FILE_MAX: u64 = 64 * 1_024;

/// The directory of the state files. Without one nothing is kept, and nothing fails.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    dir: Option<PathBuf>,
}

impl Memory {
    #[must_use]
    pub fn new(dir: Option<PathBuf>) -> Self {
        Self { dir }
    }

    /// Addresses called, the latest last.
    #[must_use]
    pub fn called(&self) -> Vec<String> {
        let text = self.read(CALLED).unwrap_or_default();
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.chars().any(char::is_control)).map(String::from).collect()
    }

    /// The keyboard's rhythm as the last run learned it.
    #[must_use]
    pub fn learned(&self) -> Learned {
        self.read(TALK_KEY).and_then(|text| text.trim().parse().ok()).unwrap_or_default()
    }

    /// # Errors
    /// One sentence: the directory cannot be written.
    pub fn keep_called(&self, called: &[String]) -> Result<(), String> {
        self.write(CALLED, &called.iter().map(|address| format!("{address}\n")).collect::<String>())
    }

    /// # Errors
    /// One sentence: the directory cannot be written.
    pub fn keep_learned(&self, learned: Learned) -> Result<(), String> {
        self.write(TALK_KEY, &format!("{learned}\n"))
    }

    fn read(&self, name: &str) -> Option<String> {
        let path = self.dir.as_ref()?.join(name);
        let size = fs::metadata(&path).ok()?.len();
        (size <= FILE_MAX).then(|| fs::read_to_string(path).ok()).flatten()
    }

    /// Beside, then over: a crash leaves the old file or the new one.
    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let beside = dir.join(format!("{name}.{}.new", std::process::id()));
        let write = || -> io::Result<()> {
            fs::create_dir_all(dir)?;
            fs::write(&beside, text)?;
            fs::rename(&beside, dir.join(name))
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&beside);
            format!("Cannot remember calls in {}: {error}. Everything else works.", dir.display())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_kept_comes_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let memory = Memory::new(Some(dir.path().join("voicetui")));
        assert_eq!((memory.called(), memory.learned()), (vec![], Learned::default()));
        let mut learned = Learned::default();
        learned.learn_delay(Duration::from_millis(500));
        memory.keep_learned(learned).expect("kept");
        memory.keep_called(&["alice".into(), "[::1]:6000".into()]).expect("kept");
        assert_eq!((memory.called(), memory.learned()), (vec!["alice".to_string(), "[::1]:6000".to_string()], learned));
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_one_sentence_and_no_failure() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let memory = Memory::new(Some(file.path().join("below-a-file")));
        let sentence = memory.keep_called(&["a".into()]).expect_err("refused");
        assert!(sentence.starts_with("Cannot remember calls in ") && sentence.ends_with("Everything else works."), "{sentence}");
        assert_eq!(memory.called(), Vec::<String>::new());
        assert_eq!(Memory::default().keep_called(&["a".into()]), Ok(()));
    }

    #[test]
    fn a_foreign_file_is_not_believed() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join(CALLED), "good\n\x1b[31mbad\n\n").expect("written");
        fs::write(dir.path().join(TALK_KEY), "1e9 0 nan").expect("written");
        let memory = Memory::new(Some(dir.path().into()));
        assert_eq!((memory.called(), memory.learned()), (vec!["good".to_string()], Learned::default()));
    }
}
