//! A packet trace as a file. Thread `disk`.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use crate::call::Trace;
use crate::call::trace::is_trace;
use crate::os::files::write_whole;

/// Writes `trace` to `path`, whole or not at all, for its owner only; what was written, or why nothing was, in one sentence. A
/// trace of before is replaced, any other file stays.
pub fn write(path: &Path, trace: &Trace) -> Result<String, String> {
    // Whole paths in what is said: "." tells nobody where to look.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let shown = path.display();
    match may_be_written(&path) {
        Ok(true) => {}
        Ok(false) => return Err(format!("{shown} is there already and is no packet trace: it stays as it is; choose another name.")),
        Err(error) => return Err(format!("{shown} cannot be written: {error}.")),
    }
    write_whole(&path, trace.to_string().as_bytes()).map_err(|error| format!("{shown} cannot be written: {error}."))?;
    let (packets, seconds) = (trace.packets(), trace.end_us().div_ceil(1_000_000));
    Ok(format!("Wrote when {packets} packets came, over {seconds} seconds, to {shown}."))
}

/// Whether nothing is there, or a trace. A pipe or a device is never opened.
fn may_be_written(path: &Path) -> io::Result<bool> {
    let there = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A folder that is mistyped is not made.
            return fs::metadata(path.parent().unwrap_or(path)).map(|folder| folder.is_dir());
        }
        there => there?,
    };
    if !there.is_file() {
        return Ok(false);
    }
    let mut beginning = Vec::new();
    fs::File::open(path)?.take(64).read_to_end(&mut beginning)?;
    Ok(is_trace(&beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace() -> Trace {
        Trace::parse("voicetui trace 1\npeer 1\n0 1 0 0 marker\n10013 1 1 480\n1500000 1 2 960\n").expect("a trace")
    }

    #[test]
    fn what_was_written_is_said_and_can_be_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("bad.trace");
        for _ in 0..2 {
            let said = write(&path, &trace()).expect("written, and then written again");
            assert_eq!(said, format!("Wrote when 3 packets came, over 2 seconds, to {}.", path.display()));
        }
        assert_eq!(Trace::parse(&fs::read_to_string(&path).expect("text")), Ok(trace()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn whatever_is_no_trace_stays_as_it_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let letter = dir.path().join("letter.txt");
        for content in ["Dear all,", "", "voicetui"] {
            fs::write(&letter, content).expect("written");
            assert!(write(&letter, &trace()).expect_err("refused").contains("is no packet trace"));
            assert_eq!(fs::read_to_string(&letter).expect("text"), content);
        }
        assert!(write(dir.path(), &trace()).expect_err("a folder").contains("is no packet trace"));
        assert!(write(&dir.path().join("nowhere/x.trace"), &trace()).expect_err("no folder").contains("cannot be written"));
        assert!(!dir.path().join("nowhere").exists());
    }
}
