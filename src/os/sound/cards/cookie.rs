//! PulseAudio's cookie, the word that lets a program in: looked for, and made, where PulseAudio's own library does.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rand::TryRng;

use crate::os::files;

/// Bytes of a cookie.
const LENGTH: usize = 256;
/// Where it is told to whoever connects.
const VARIABLE: &str = "PULSE_COOKIE";

/// Tells the connections to come where the cookie is: by themselves they do not look below `XDG_CONFIG_HOME`. A server is refused
/// none at all; where the user has none yet, one is made, as any program with PulseAudio's library would.
///
/// # Safety
/// No other thread runs yet: this sets a variable of the environment.
pub(super) unsafe fn find() {
    if std::env::var_os(VARIABLE).is_some() {
        return;
    }
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let found = Found::of(folder("XDG_CONFIG_HOME"), std::env::home_dir(), Path::exists);
    if let Found::Nowhere(path) = &found
        && pulseaudio::socket_path_from_env().is_some()
    {
        let mut cookie = [0; LENGTH];
        // Without one the connection is refused, and that is told then.
        if rand::rngs::SysRng.try_fill_bytes(&mut cookie).is_ok() {
            let _ = files::write_whole(path, &cookie);
        }
    }
    if let Found::At(path) | Found::Nowhere(path) = found {
        // SAFETY: this function's own condition.
        unsafe { std::env::set_var(VARIABLE, OsString::from(path)) };
    }
}

#[derive(PartialEq, Eq, Debug)]
enum Found {
    /// Where a connection looks by itself, or the user has no home at all.
    AsItIs,
    At(PathBuf),
    /// It belongs there.
    Nowhere(PathBuf),
}

impl Found {
    fn of(config: Option<PathBuf>, home: Option<PathBuf>, exists: impl Fn(&Path) -> bool) -> Self {
        let usual = home.as_ref().map(|home| home.join(".config"));
        let Some(first) = config.or_else(|| usual.clone()).map(|folder| folder.join("pulse/cookie")) else { return Self::AsItIs };
        if exists(&first) {
            return Self::At(first);
        }
        let others = [usual.map(|folder| folder.join("pulse/cookie")), home.map(|home| home.join(".pulse-cookie"))];
        if others.into_iter().flatten().any(|path| exists(&path)) { Self::AsItIs } else { Self::Nowhere(first) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_where_pulseaudio_keeps_it() {
        let found = |config: Option<&str>, home: Option<&str>, there: &[&str]| {
            Found::of(config.map(PathBuf::from), home.map(PathBuf::from), |path| there.iter().any(|known| Path::new(known) == path))
        };
        let (own, usual, old) = ("/c/pulse/cookie", "/h/.config/pulse/cookie", "/h/.pulse-cookie");
        assert_eq!(found(Some("/c"), Some("/h"), &[own, usual, old]), Found::At(own.into()));
        assert_eq!(found(None, Some("/h"), &[usual, old]), Found::At(usual.into()));
        assert_eq!(found(Some("/c"), Some("/h"), &[usual]), Found::AsItIs);
        assert_eq!(found(None, Some("/h"), &[old]), Found::AsItIs);
        assert_eq!(found(Some("/c"), Some("/h"), &[]), Found::Nowhere(own.into()));
        assert_eq!(found(None, Some("/h"), &[]), Found::Nowhere(usual.into()));
        assert_eq!(found(None, None, &[old]), Found::AsItIs);
    }
}
