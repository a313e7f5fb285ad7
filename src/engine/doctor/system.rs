//! The program and its system, real-time priority, the clocks, the files.

use std::path::Path;
use std::time::{Duration, Instant};

use super::Patient;
use crate::doctor::clock::{self, Clocks};
use crate::doctor::{Finding, PRIORITY, Section};
use crate::engine::Keyring;
use crate::os::clock::{SUSPEND_SOURCE, unix_now};
use crate::os::priority::{self, Granted};
use crate::os::sound::hosts;
use crate::os::{files, local_socket};

/// How long the clocks are watched.
const WATCHED: Duration = Duration::from_secs(1);

pub(super) fn program(patient: &Patient) -> Vec<Finding> {
    let section = Section::Program;
    let build = if cfg!(debug_assertions) { ", development build" } else { "" };
    let version = format!("voicetui {}{build}, audio hosts {}", env!("CARGO_PKG_VERSION"), hosts().join(", "));
    let mut findings = vec![Finding::ok(section, "version", version), Finding::ok(section, "system", system())];
    if !patient.runs {
        let running: Vec<String> = local_socket::instances().iter().map(|one| one.pid.to_string()).collect();
        if !running.is_empty() {
            findings.push(Finding::ok(section, "running", format!("voicetui with process number {}", running.join(", "))));
        }
    }
    findings.push(priority(patient));
    findings
}

fn system() -> String {
    let name = std::fs::read_to_string("/etc/os-release").ok().and_then(|text| pretty_name(&text));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    let words = [name, Some(std::env::consts::OS.into()), kernel.map(|text| text.trim().into()), Some(std::env::consts::ARCH.into())];
    words.into_iter().flatten().collect::<Vec<String>>().join(", ")
}

fn pretty_name(os_release: &str) -> Option<String> {
    let name = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim().trim_matches('"').to_owned())
}

/// Asks as the audio threads do, on a thread that ends with it.
fn priority(patient: &Patient) -> Finding {
    let (section, what) = (Section::Program, PRIORITY);
    if !patient.realtime {
        return Finding::skipped(section, what, "real-time priority is switched off");
    }
    let asked = std::thread::Builder::new().name("doctor-priority".into()).spawn(|| priority::raise("doctor"));
    match asked.map(std::thread::JoinHandle::join) {
        Ok(Ok(granted)) => judge_priority(&granted, priority::realtime_limit()),
        _ => Finding::skipped(section, what, "not tried: the system has no thread left"),
    }
}

fn judge_priority(granted: &Granted, limit: Option<u64>) -> Finding {
    let (section, what) = (Section::Program, PRIORITY);
    if *granted == Granted::RealTime {
        return Finding::ok(section, what, "real-time priority is granted to the audio threads");
    }
    let limit = limit.map(|limit| format!("; this user's limit (ulimit -r) is {limit}")).unwrap_or_default();
    let advice = if cfg!(target_os = "linux") {
        "Real-time priority: put the line \"@audio - rtprio 95\" into /etc/security/limits.d/95-audio.conf, join that group (sudo usermod -aG audio $USER), and log in anew; or build with --features realtime-dbus where rtkit runs."
    } else {
        "Real-time priority was refused: see what this system lets ordinary programs ask for."
    };
    Finding::warn(section, what, format!("{granted}{limit}"), advice)
}

/// Sleeps and looks at both clocks.
pub(super) fn clock(_: &Patient) -> Vec<Finding> {
    let (steady, wall) = (Instant::now(), unix_now());
    let mut late = Vec::with_capacity(1_024);
    while steady.elapsed() < WATCHED {
        let due = Instant::now() + clock::SLEEP;
        std::thread::sleep(clock::SLEEP);
        late.push(Instant::now().saturating_duration_since(due));
    }
    let clocks = Clocks { late, wall: unix_now().saturating_sub(wall), steady: steady.elapsed() };
    clock::judge(&clocks, SUSPEND_SOURCE)
}

/// The key, who is known, and where both and the log lie.
pub(super) fn files(patient: &Patient) -> Vec<Finding> {
    let section = Section::Files;
    let Ok(keyring) = Keyring::open() else {
        let advice = "Set HOME, so that a key and the known peers can be kept.";
        return vec![Finding::warn(section, "home", "the system knows no home of this user", advice)];
    };
    let mut findings = vec![folder("data folder", keyring.folder(), true)];
    findings.extend(files::state_dir().map(|dir| folder("state folder", &dir, false)));
    findings.extend(files::config_dir().map(|dir| config(&dir.join("config.toml"), patient.config_problem.as_deref())));
    findings.push(key(&keyring));
    findings.push(known(&keyring));
    findings
}

/// `~` for the home: a report is pasted where others read it.
fn shown(path: &Path) -> String {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    match home.and_then(|home| path.strip_prefix(home).ok().map(Path::to_owned)) {
        Some(below) => format!("~/{}", below.display()),
        None => path.display().to_string(),
    }
}

fn folder(what: &'static str, path: &Path, secret: bool) -> Finding {
    let (section, name) = (Section::Files, shown(path));
    match files::rights(path) {
        None => Finding::ok(section, what, format!("{name} is not there yet; the first start makes it")),
        Some(rights) if !rights.writable => {
            let advice = format!("Let this user write into {name} (see who owns it: ls -ld {name}).");
            Finding::bad(section, what, format!("{name} cannot be written by this user"), advice)
        }
        Some(rights) if secret && rights.open_to_others => {
            Finding::ok(section, what, format!("{name}, which others can look into; the key in it is judged by itself"))
        }
        Some(_) => Finding::ok(section, what, name),
    }
}

/// `problem`: why the file is not used.
fn config(path: &Path, problem: Option<&str>) -> Finding {
    let (section, what, name) = (Section::Files, "config file", shown(path));
    match problem {
        Some(problem) => {
            let advice = format!("Mend {name}, or move it away: no call begins with it; this report was made without it.");
            Finding::bad(section, what, format!("{name}, {problem}"), advice)
        }
        None if path.exists() => Finding::ok(section, what, name),
        None => Finding::ok(section, what, "none: every option has its default (\"voicetui config\")"),
    }
}

fn key(keyring: &Keyring) -> Finding {
    let (section, what) = (Section::Files, "key");
    if !keyring.has_key() {
        return Finding::ok(section, what, "none yet; the first start makes one");
    }
    match keyring.identity() {
        Ok(_) => Finding::ok(section, what, "can be read, and by this user alone"),
        Err(error) => Finding::bad(section, what, "its file is not used", error.to_string()),
    }
}

fn known(keyring: &Keyring) -> Finding {
    let (section, what) = (Section::Files, "known peers");
    match keyring.known_peers() {
        Err(error) => Finding::bad(section, what, "their list is not used", error.to_string()),
        Ok(known) => match known.problems().next() {
            None => Finding::ok(section, what, format!("{} in the list", known.peers().count())),
            Some((line, reason)) => {
                let advice = format!("Mend line {line} of known_peers in the data folder, or take it out: {reason}.");
                Finding::warn(section, what, format!("line {line} of the list is not understood"), advice)
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn priority_that_is_refused_is_told_with_the_way_to_it() {
        let refused = judge_priority(&Granted::Nice(-11, "EPERM".into()), Some(0));
        assert!(refused.verdict == Verdict::Warn && refused.says.starts_with("nice -11") && refused.says.contains("is 0"), "{refused:?}");
        #[cfg(target_os = "linux")]
        assert!(refused.advice.is_some_and(|advice| advice.contains("rtprio")));
        assert_eq!(judge_priority(&Granted::RealTime, Some(95)).verdict, Verdict::Ok);
        let off = program(&Patient { realtime: false, ..Patient::default() });
        assert!(off.iter().any(|finding| finding.verdict == Verdict::Skipped && finding.says.contains("switched off")), "{off:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_and_a_list_with_a_bad_line_are_told() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a folder");
        let keyring = Keyring::of(dir.path());
        assert_eq!((key(&keyring).verdict, known(&keyring).verdict), (Verdict::Ok, Verdict::Ok), "neither is there yet");
        assert!(!keyring.has_key(), "looking makes no key");
        keyring.identity().expect("made");
        assert_eq!(key(&keyring).verdict, Verdict::Ok);
        std::fs::set_permissions(dir.path().join("key"), std::fs::Permissions::from_mode(0o644)).expect("chmod");
        let open = key(&keyring);
        assert!(open.verdict == Verdict::Bad && open.advice.is_some_and(|advice| advice.contains("chmod 600")));
        files::write_whole(&dir.path().join("known_peers"), b"workshop what?\n").expect("written");
        assert!(known(&keyring).says.contains("line 1"));
        files::write_whole(&dir.path().join("known_peers"), b"\xff\n").expect("written");
        assert_eq!(known(&keyring).verdict, Verdict::Bad);
        assert_eq!(folder("data folder", &dir.path().join("none"), true).verdict, Verdict::Ok);
    }

    #[test]
    fn a_config_file_that_is_not_used_is_told_with_the_place() {
        let bad = config(Path::new("/etc/voicetui/config.toml"), Some("line 3: there is no key prot"));
        assert_eq!((bad.verdict, bad.says.as_str()), (Verdict::Bad, "/etc/voicetui/config.toml, line 3: there is no key prot"));
        assert!(bad.advice.is_some_and(|advice| advice.contains("/etc/voicetui/config.toml")));
        assert_eq!(config(Path::new("/nowhere/config.toml"), None).verdict, Verdict::Ok);
    }

    #[test]
    fn a_systems_name_is_read() {
        assert_eq!(pretty_name("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n").as_deref(), Some("Debian GNU/Linux 12"));
        assert_eq!(pretty_name(""), None);
    }
}
