//! What holds for every config file: shared by the fuzz target, the property test and the corpus.

use std::path::PathBuf;

use super::Config;

/// A file is refused in one line, or says the same after it was printed.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let path = PathBuf::from("config.toml");
    match Config::parse(text, path.clone()) {
        Ok(config) => {
            let printed = config.print();
            let again = Config::parse(&printed, path).unwrap_or_else(|error| panic!("what was printed is refused: {error}\n{printed}"));
            assert!(config.args().all(|arg| again.args().any(|other| other == arg)), "{printed}");
            assert_eq!(config.args().count(), again.args().count());
        }
        Err(error) => {
            let said = error.to_string();
            assert!(!said.chars().any(char::is_control), "{said:?}");
        }
    }
}
