//! Parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    match voicetui::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("voicetui: {error:#}");
            ExitCode::FAILURE
        }
    }
}
