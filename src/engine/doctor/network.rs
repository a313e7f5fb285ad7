//! The port, the way to ourselves, and whether a peer's voicetui answers a knock.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use rand::rngs::{StdRng, SysRng};
use rand::{RngExt, SeedableRng};

use super::Patient;
use crate::call::knock::{Answer, Knock};
use crate::call::trust::Outgoing;
use crate::call::{Address, KnownPeers, PublicKey};
use crate::doctor::{Finding, Section};
use crate::engine::Keyring;
use crate::os::socket::{self, BindError, Mapping};

/// Knocks at one address, and how long each waits.
const KNOCKS: usize = 4;
const WAIT: Duration = Duration::from_millis(500);
/// A datagram to ourselves that takes longer does not come.
const OWN_WAIT: Duration = Duration::from_millis(400);
/// Own addresses that are tried: each costs a wait.
const OWN_MAX: usize = 8;

/// What came of knocking at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Knocked {
    Answers(Answer),
    /// The machine says that nobody listens there.
    Refused,
    Silent,
}

/// Whether the port can be had, or who has it; and whether our own datagrams come to it.
pub(super) fn port(patient: &Patient) -> Vec<Finding> {
    let what = "port";
    match socket::bind(patient.bind, patient.port) {
        Ok((socket, _)) => {
            let bound = socket.local_addr().map_or(patient.port, |address| address.port());
            let shown = if patient.port == 0 { "any UDP port".into() } else { format!("UDP port {}", patient.port) };
            let free = Finding::ok(Section::Network, what, format!("{shown} can be listened on"));
            let mut findings = vec![free, to_ourselves(patient, |to| hears(&socket, SocketAddr::new(to, bound)))];
            findings.extend(firewall(patient.port));
            findings
        }
        Err(BindError::PortTaken(port)) => {
            let mut findings = vec![taken(patient, port)];
            if patient.runs || findings[0].advice.is_none() {
                findings.push(to_ourselves(patient, |to| matches!(knock_at(SocketAddr::new(to, port), KNOCKS), Ok(Knocked::Answers(_)))));
            }
            findings.extend(firewall(port));
            findings
        }
        Err(error) => {
            let advice = "voicetui cannot start like this: choose another --port or --bind.";
            vec![Finding::bad(Section::Network, what, error.to_string(), advice)]
        }
    }
}

/// Who has the port.
fn taken(patient: &Patient, port: u16) -> Finding {
    let (section, what) = (Section::Network, "port");
    let here = if patient.bind.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { patient.bind };
    let answer = knock_at(SocketAddr::new(here, port), KNOCKS);
    match (answer, patient.runs) {
        (Ok(Knocked::Answers(_)), true) => Finding::ok(section, what, format!("UDP port {port} is this program's, and answers")),
        (_, true) => {
            let advice = "This voicetui does not hear what comes to its own port: a firewall on this machine drops UDP, even from itself.";
            Finding::bad(section, what, format!("UDP port {port} is this program's, and does not answer"), advice)
        }
        (Ok(Knocked::Answers(Answer::Key(key))), _) if own_key() == Some(key) => {
            Finding::ok(section, what, format!("UDP port {port} is held by a voicetui of yours that is running, and answers"))
        }
        (Ok(Knocked::Answers(_)), _) => {
            let advice = format!("Another user's voicetui has UDP port {port}: choose another one with --port, and tell your peers.");
            Finding::warn(section, what, format!("UDP port {port} is held by another voicetui, with another key"), advice)
        }
        _ => {
            let advice = format!("Another program has UDP port {port}: end it, or choose another port with --port.");
            Finding::bad(section, what, format!("UDP port {port} is taken by another program"), advice)
        }
    }
}

fn own_key() -> Option<PublicKey> {
    let keyring = Keyring::open().ok().filter(Keyring::has_key)?;
    keyring.identity().ok().map(|(identity, _)| identity.public())
}

/// Own addresses, loopback first, without those that need a scope.
fn own_addresses(patient: &Patient) -> Vec<IpAddr> {
    if !patient.bind.is_unspecified() {
        return vec![patient.bind];
    }
    let mut own = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let is_usable = |ip: &IpAddr| match ip {
        IpAddr::V4(_) => true,
        IpAddr::V6(ip) => patient.bind.is_ipv6() && !ip.is_unicast_link_local(),
    };
    for ip in socket::own_addresses().into_iter().filter(is_usable) {
        if !own.contains(&ip) {
            own.push(ip);
        }
    }
    own.truncate(OWN_MAX);
    own
}

fn to_ourselves(patient: &Patient, comes: impl Fn(IpAddr) -> bool) -> Finding {
    let (section, what) = (Section::Network, "own addresses");
    let own = own_addresses(patient);
    let lost: Vec<String> = own.iter().filter(|ip| !comes(**ip)).map(ToString::to_string).collect();
    let all: Vec<String> = own.iter().map(ToString::to_string).collect();
    if lost.is_empty() {
        return Finding::ok(section, what, format!("a datagram to ourselves comes by {}", all.join(", ")));
    }
    let advice = "A firewall on this machine drops UDP even from itself: let voicetui's port in.";
    Finding::bad(section, what, format!("a datagram to ourselves does not come by {}", lost.join(", ")), advice)
}

/// Whether a datagram of ours to `to` comes to `socket`, which is bound there.
fn hears(socket: &UdpSocket, to: SocketAddr) -> bool {
    let Ok((sender, mapping)) = any_port(to.is_ipv4()) else { return false };
    let Ok(mut rng) = StdRng::try_from_rng(&mut SysRng) else { return false };
    // It begins like nothing that voicetui speaks.
    let mut token: [u8; 16] = rng.random();
    token[0] = 255;
    if sender.send_to(&token, mapping.outward(to)).is_err() {
        return false;
    }
    let end = Instant::now() + OWN_WAIT;
    let mut buffer = [0; 64];
    while Instant::now() < end {
        match socket.recv_from(&mut buffer) {
            Ok((len, _)) if buffer[..len] == token => return true,
            Ok(_) => {}
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
    false
}

fn any_port(v4: bool) -> Result<(UdpSocket, Mapping), BindError> {
    socket::bind(if v4 { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) }, 0)
}

/// Debian's and Ubuntu's firewall says openly whether it is on; what it lets in only root may read.
fn firewall(port: u16) -> Option<Finding> {
    let text = std::fs::read_to_string("/etc/ufw/ufw.conf").ok()?;
    (port != 0 && says_enabled(&text)).then(|| {
        let says =
            format!("ufw is on; whether it lets UDP {port} in, \"sudo ufw status\" tells, and \"sudo ufw allow {port}/udp\" lets it");
        Finding::skipped(Section::Network, "firewall", says)
    })
}

fn says_enabled(ufw_conf: &str) -> bool {
    ufw_conf.lines().map(str::trim).any(|line| line.eq_ignore_ascii_case("ENABLED=yes"))
}

/// Whether a voicetui answers at the peer, and with which key.
pub(super) fn peer(patient: &Patient) -> Vec<Finding> {
    let Some(typed) = patient.peer.as_deref() else {
        let why = "none was given: \"voicetui doctor ADDRESS\" knocks at a peer's port";
        return if patient.runs { Vec::new() } else { vec![Finding::skipped(Section::Network, "peer", why)] };
    };
    vec![knock_at_peer(typed).unwrap_or_else(|sentence| Finding::bad(Section::Network, "peer", &sentence, &sentence))]
}

fn knock_at_peer(typed: &str) -> Result<Finding, String> {
    let (section, what) = (Section::Network, "peer");
    let address: Address = typed.parse()?;
    let all = socket::resolve(&address.host, address.port)?;
    let mut knocked = Knocked::Silent;
    for to in all.iter().take(2) {
        let begun = Instant::now();
        match knock_at(*to, KNOCKS) {
            Ok(Knocked::Answers(answer)) => return Ok(met(typed, *to, answer, begun.elapsed())),
            Ok(other) => knocked = other,
            Err(sentence) if all.len() == 1 => return Err(sentence),
            Err(_) => {}
        }
    }
    let to = all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Ok(if knocked == Knocked::Refused {
        let advice = format!("At {typed} nothing listens on that UDP port: start voicetui there, and see which port it says.");
        Finding::bad(section, what, format!("no answer from {typed} ({to}): the machine is there, and voicetui is not running"), advice)
    } else {
        let advice = format!(
            "{typed} does not answer: see that voicetui runs there and that the address is right, and let its UDP port in through the firewall there and on the way."
        );
        Finding::bad(section, what, format!("no answer from {typed} ({to}): firewall, or not running"), advice)
    })
}

/// It answers: is it who it should be?
fn met(typed: &str, at: SocketAddr, answer: Answer, after: Duration) -> Finding {
    let (section, what) = (Section::Network, "peer");
    let ms = after.as_secs_f64() * 1e3;
    let key = match answer {
        Answer::Busy => return Finding::ok(section, what, format!("a voicetui answers at {typed} ({at}), busy with many callers")),
        Answer::Key(key) => key,
    };
    let known = Keyring::open().and_then(|keyring| keyring.known_peers()).unwrap_or_else(|_| KnownPeers::default());
    let who = known.of_key(&key).map_or_else(|| format!("key {}, not known here", key.short()), |peer| format!("known as {}", peer.name()));
    let says = format!("a voicetui answers at {typed} ({at}) after {ms:.0} ms, {who}");
    let own = own_key().unwrap_or(PublicKey([0; 32]));
    match known.outgoing(typed, &key, &own) {
        Outgoing::Changed { .. } => {
            let says = format!("{says}: another key than the one pinned to that name");
            let advice = format!(
                "{typed} shows another key than before: somebody may sit in between, or the machine is a new one. If you know why, say: voicetui peers forget {typed}"
            );
            Finding::bad(section, what, says, advice)
        }
        Outgoing::OwnKey => Finding::ok(section, what, format!("{says}: our own key, a voicetui of yours")),
        // An unreadable line is told among the files.
        _ => Finding::ok(section, what, says),
    }
}

/// Sends the knock, again while nothing comes.
fn knock_at(to: SocketAddr, times: usize) -> Result<Knocked, String> {
    let cannot = |error: &dyn std::fmt::Display| format!("Nothing can be sent to {to}: {error}.");
    let (socket, mapping) = any_port(to.is_ipv4()).map_err(|error| cannot(&error))?;
    let mut rng = StdRng::try_from_rng(&mut SysRng).map_err(|error| cannot(&error))?;
    let mut knock = Knock::new(&mut rng);
    // Connected, the system tells of a machine that says "nobody listens here", and of nobody else's datagrams.
    let prepared = socket.set_nonblocking(false).and_then(|()| socket.set_read_timeout(Some(WAIT)));
    prepared.and_then(|()| socket.connect(mapping.outward(to))).map_err(|error| cannot(&error))?;
    let mut result = Knocked::Silent;
    for _ in 0..times {
        match socket.send(knock.bytes()) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => result = Knocked::Refused,
            Err(error) => return Err(cannot(&error)),
            Ok(_) => {}
        }
        let end = Instant::now() + WAIT;
        let mut buffer = [0; 2_048];
        while Instant::now() < end {
            match socket.recv(&mut buffer) {
                Ok(len) => {
                    if let Some(answer) = knock.handle(&buffer[..len]) {
                        return Ok(Knocked::Answers(answer));
                    }
                }
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    result = Knocked::Refused;
                    break;
                }
                Err(_) => break,
            }
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::engine::{Engine, Settings};

    fn patient(port: u16) -> Patient {
        Patient { bind: IpAddr::V4(Ipv4Addr::LOCALHOST), port, ..Patient::default() }
    }

    #[test]
    fn a_port_that_another_program_has_is_bad_and_the_way_out_is_told() {
        let other = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let port_number = other.local_addr().expect("bound").port();
        let findings = port(&patient(port_number));
        assert!(findings[0].verdict == Verdict::Bad && findings[0].says.contains("another program"), "{findings:?}");
        assert!(findings[0].advice.as_ref().is_some_and(|advice| advice.contains("--port")), "{findings:?}");
    }

    #[test]
    fn a_voicetui_answers_a_knock_and_its_user_hears_nothing_of_it() {
        let settings = Settings {
            input: vec!["silence".into()],
            output: vec!["null".into()],
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            ctl: false,
            ..Settings::default()
        };
        let engine = Engine::start(settings).expect("an engine");
        let to = engine.address();
        assert!(matches!(knock_at(to, KNOCKS), Ok(Knocked::Answers(Answer::Key(_)))));
        let own = Patient { runs: true, ..patient(to.port()) };
        let findings = port(&own);
        assert!(findings.iter().take(2).all(|finding| finding.verdict == Verdict::Ok), "{findings:?}");
        let told: Vec<_> = engine.notices().try_iter().collect();
        assert!(!told.iter().any(|notice| matches!(notice, crate::engine::Notice::Peer { .. })), "nobody rings: {told:?}");
    }

    #[test]
    fn who_does_not_answer_is_told_from_whose_machine_says_that_nobody_listens() {
        let silent = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        assert_eq!(knock_at(silent.local_addr().expect("bound"), 1), Ok(Knocked::Silent));
        let gone = silent.local_addr().expect("bound");
        drop(silent);
        // The port is free now, and loopback says so; somebody else may have taken it since.
        let knocked = knock_at(gone, 2).expect("sent");
        assert!(matches!(knocked, Knocked::Refused | Knocked::Silent), "{knocked:?}");
        let finding = knock_at_peer(&gone.to_string()).expect("a finding");
        assert!(finding.verdict == Verdict::Bad && finding.says.contains("no answer from"), "{finding:?}");
        assert!(knock_at_peer("no-such-machine.invalid").is_err_and(|sentence| sentence.contains("no-such-machine.invalid")));
    }

    #[test]
    fn a_firewall_that_is_on_is_seen() {
        assert!(says_enabled("# comment\nENABLED=yes\nLOGLEVEL=low\n") && !says_enabled("ENABLED=no\n#ENABLED=yes\n"));
    }
}
