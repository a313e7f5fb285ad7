//! Where files live (XDG), how they are replaced whole, and the log. Any thread but the audio ones.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};

/// Days of logs that are kept.
const LOGS_MAX: usize = 7;

fn dirs() -> Option<ProjectDirs> {
    ProjectDirs::from("", "", "voicetui")
}

/// `$XDG_CONFIG_HOME/voicetui` and its like; `None`: the user has no home.
#[must_use]
pub fn config_dir() -> Option<PathBuf> {
    dirs().map(|dirs| dirs.config_dir().to_owned())
}

/// `$XDG_DATA_HOME/voicetui`: what must not be lost (peers, keys).
#[must_use]
pub fn data_dir() -> Option<PathBuf> {
    dirs().map(|dirs| dirs.data_dir().to_owned())
}

/// `$XDG_STATE_HOME/voicetui`: what may be lost (log, history, learned timing).
#[must_use]
pub fn state_dir() -> Option<PathBuf> {
    dirs().map(|dirs| dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir()).to_owned())
}

/// Where recordings go unless told otherwise: `voicetui` in the user's music folder (`XDG_MUSIC_DIR`); who has none finds them with
/// the data, who has no home in the current folder.
#[must_use]
pub fn recordings_dir() -> PathBuf {
    let music = directories::UserDirs::new().and_then(|dirs| dirs.audio_dir().map(|dir| dir.join("voicetui")));
    music.or_else(|| data_dir().map(|dir| dir.join("recordings"))).unwrap_or_else(|| PathBuf::from("."))
}

/// Replaces the file at `path` by `bytes`, whole or not at all, readable by its owner only; makes its folder. A symlink
/// stays one: what it points at is replaced.
///
/// # Errors
/// The old file is as it was.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_private_dir(folder)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let draft = folder.join(format!(".{name}.{}", std::process::id()));
    let result = write_draft(&draft, bytes).and_then(|()| fs::rename(&draft, &path));
    sync_folder(folder);
    if result.is_err() {
        let _ = fs::remove_file(&draft);
    }
    result
}

/// What was made or replaced in the folder is there after a power cut, too. Not every system can do this to a folder.
pub fn sync_folder(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

fn write_draft(draft: &Path, bytes: &[u8]) -> io::Result<()> {
    let _ = fs::remove_file(draft);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file: File = options.open(draft)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the folder and what is above it; what is made is for its owner only.
///
/// # Errors
/// It is not there and cannot be made.
pub fn make_private_dir(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Starts the log: `voicetui.DATE.log` in `folder`, a file a day, written by a thread of its own, dropping lines rather than
/// holding anybody up. `None`: there is no place for it; the program goes on without. The log ends with the guard.
#[must_use]
pub fn start_log(folder: &Path, level: tracing::level_filters::LevelFilter) -> Option<WorkerGuard> {
    make_private_dir(folder).ok()?;
    let appender = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("voicetui")
        .filename_suffix("log")
        .max_log_files(LOGS_MAX)
        .build(folder)
        .ok()?;
    let (writer, guard) = tracing_appender::non_blocking::NonBlockingBuilder::default().thread_name("log").finish(appender);
    let subscriber = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).with_max_level(level).finish();
    tracing::subscriber::set_global_default(subscriber).ok()?;
    Some(guard)
}

/// The same, appended to one file that the user chose.
///
/// # Errors
/// The file cannot be written.
pub fn start_log_in(file: &Path, level: tracing::level_filters::LevelFilter) -> io::Result<WorkerGuard> {
    let file = OpenOptions::new().append(true).create(true).open(file)?;
    let (writer, guard) = tracing_appender::non_blocking::NonBlockingBuilder::default().thread_name("log").finish(file);
    let subscriber = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).with_max_level(level).finish();
    tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)?;
    Ok(guard)
}

/// What of a folder is known: whether this user can write into it, and whether others can look into it. `None`: it is not there.
#[must_use]
pub fn rights(folder: &Path) -> Option<Rights> {
    let metadata = fs::metadata(folder).ok()?;
    #[cfg(unix)]
    return Some(Rights {
        writable: rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok(),
        open_to_others: std::os::unix::fs::MetadataExt::mode(&metadata) & 0o077 != 0,
    });
    #[cfg(not(unix))]
    Some(Rights { writable: !metadata.permissions().readonly(), open_to_others: false })
}

/// See [`rights`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rights {
    pub writable: bool,
    pub open_to_others: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_in_a_folder_made_for_it() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a/b/state.toml");
        write_whole(&path, b"one").expect("written");
        write_whole(&path, b"two").expect("written again");
        assert_eq!(fs::read(&path).expect("there"), b"two");
        assert_eq!(fs::read_dir(path.parent().expect("folder")).expect("there").count(), 1, "no draft is left");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::metadata(folder.path().join("a")).expect("there").permissions().mode() & 0o777, 0o700);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_symlink_stays_a_symlink() {
        let folder = tempfile::tempdir().expect("folder");
        let (real, link) = (folder.path().join("real.toml"), folder.path().join("link.toml"));
        fs::write(&real, "old").expect("written");
        std::os::unix::fs::symlink(&real, &link).expect("linked");
        write_whole(&link, b"new").expect("written");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read(&real).expect("there"), b"new");
    }

    #[test]
    fn where_no_folder_can_be_there_is_an_error_and_no_log() {
        let file = tempfile::NamedTempFile::new().expect("file");
        assert!(write_whole(&file.path().join("x"), b"").is_err());
        assert!(start_log(&file.path().join("x"), tracing::level_filters::LevelFilter::INFO).is_none());
    }
}
