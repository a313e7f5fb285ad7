//! What may be believed of a key, and that no pin is ever lost by itself.

use proptest::prelude::*;

use super::*;

const OWN: PublicKey = PublicKey([0; 32]);

fn key(n: u8) -> PublicKey {
    PublicKey([n; 32])
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn pin(name: &str, n: u8) -> Edit {
    Edit::Pin { name: name.into(), key: key(n), address: SocketAddr::from(([10, 0, 0, n], 5005)) }
}

/// `workshop`, key 1, verified; `door` and `10.0.0.2`, key 2; key 3 blocked, met as a caller.
fn known() -> KnownPeers {
    let mut known = KnownPeers::default();
    let blocked = Who::Key(key(3), Some(at("10.0.0.3:5005")));
    let verify = Edit::Verify(Who::Name("workshop".into()), true);
    for edit in [pin("workshop", 1), pin("door", 2), pin("10.0.0.2", 2), verify, Edit::Block(blocked, true)] {
        known.apply(&edit).unwrap_or_else(|error| panic!("{edit:?}: {error}"));
    }
    known
}

#[test]
fn the_name_as_typed_must_show_its_key() {
    let known = known();
    assert_eq!(known.outgoing("workshop", &key(1), &OWN), Outgoing::Known { verified: true });
    assert_eq!(known.outgoing("WORKSHOP:5005", &key(1), &OWN), Outgoing::Known { verified: true });
    assert_eq!(known.outgoing("10.0.0.1", &key(1), &OWN), Outgoing::NewName { known_as: "workshop".into(), verified: true });
    assert_eq!(known.outgoing("nobody", &key(9), &OWN), Outgoing::FirstMeeting);
    assert_eq!(known.outgoing("workshop", &OWN, &OWN), Outgoing::OwnKey);
    // A key that is known, and good, but not under this name, is as wrong as a stranger's.
    for shown in [key(2), key(9)] {
        let outgoing = known.outgoing("workshop", &shown, &OWN);
        assert_eq!(outgoing, Outgoing::Changed { pinned: key(1), shown, verified: true });
        assert_eq!(outgoing.accepted(), None);
        let refusal = outgoing.refusal("workshop").expect("refused");
        assert!(refusal.contains("which you had verified") && refusal.ends_with("voicetui peers forget workshop"), "{refusal}");
    }
}

#[test]
fn a_caller_is_known_by_its_key_alone() {
    let known = known();
    let incoming = |n, from: &str| known.incoming(&key(n), from.parse().expect("an IP"), &OWN);
    let workshop = Incoming::Known { name: "workshop".into(), verified: true, connect: false };
    assert_eq!((incoming(1, "10.0.0.1"), incoming(1, "192.0.2.1")), (workshop.clone(), workshop));
    assert_eq!(incoming(9, "192.0.2.1"), Incoming::Unknown);
    assert_eq!(incoming(9, "::ffff:10.0.0.1"), Incoming::UnknownFromKnownAddress { name: "workshop".into() });
    assert_eq!(incoming(3, "192.0.2.1"), Incoming::Blocked);
    assert_eq!(known.incoming(&OWN, "::1".parse().expect("an IP"), &OWN), Incoming::OwnKey);
}

#[test]
fn a_call_in_the_clear_to_whom_we_met_sealed_is_known_for_one() {
    let known = known();
    assert_eq!(known.met_sealed("Workshop", None), Some("workshop"));
    assert_eq!(known.met_sealed("bench", "10.0.0.1".parse().ok()), Some("workshop"));
    assert_eq!(known.met_sealed("bench", "10.0.0.9".parse().ok()), None);
}

#[test]
fn a_pinned_name_takes_no_other_key() {
    let mut known = known();
    let before = known.clone();
    assert!(known.apply(&pin("workshop:5005", 9)).is_err_and(|error| error.contains("another key")));
    assert!(
        known.apply(&Edit::Rename { from: "door".into(), to: "workshop".into() }).is_err_and(|error| error.contains("forget workshop"))
    );
    assert!(known.apply(&Edit::Forget("bench".into())).is_err_and(|error| error.contains("not known")));
    assert_eq!(known, before);
    known.apply(&Edit::Forget("workshop".into())).expect("forgotten");
    known.apply(&pin("workshop", 9)).expect("pinned anew");
    assert_eq!(known.outgoing("workshop", &key(9), &OWN), Outgoing::Known { verified: false });
}

#[test]
fn a_key_goes_with_its_last_name() {
    let mut known = known();
    let said = known.apply(&Edit::Forget("door".into())).expect("forgotten");
    assert_eq!(said, "door is forgotten; its key is still known as 10.0.0.2.");
    assert_eq!(known.apply(&Edit::Forget("10.0.0.2:5005".into())), Ok("10.0.0.2:5005 and its key are forgotten.".into()));
    assert_eq!(known.of_key(&key(2)), None);
}

#[test]
fn a_stranger_is_named_by_its_key_and_blocked_is_not_answered_at_once() {
    let mut known = known();
    let who = || Who::Key(key(9), Some(at("192.0.2.1:5005")));
    known.apply(&Edit::Connect(who(), true)).expect("let in");
    let peer = known.of_key(&key(9)).expect("known now").clone();
    assert_eq!((peer.names, peer.connect), (vec![format!("caller-{}", key(9).short())], true));
    known.apply(&Edit::Block(who(), true)).expect("blocked");
    assert!(known.of_key(&key(9)).is_some_and(|peer| peer.blocked && !peer.connect));
    known.apply(&Edit::Connect(who(), true)).expect("let in again");
    assert!(known.of_key(&key(9)).is_some_and(|peer| !peer.blocked && peer.connect));
    // Another stranger whose fingerprint begins alike.
    let mut alike = [9; 32];
    alike[31] = 0;
    known.apply(&Edit::Verify(Who::Key(PublicKey(alike), None), true)).expect("verified");
    let name = known.of_key(&PublicKey(alike)).expect("known").name().to_owned();
    assert!(name.starts_with("caller-") && name.len() > "caller-".len() + 9, "{name}");
}

#[test]
fn a_peer_that_is_renamed_is_still_pinned_to_what_is_typed() {
    let mut known = known();
    let rename = |from: &str, to: &str| Edit::Rename { from: from.into(), to: to.into() };
    let said = known.apply(&rename("10.0.0.2", "gate")).expect("renamed");
    assert!(said.contains("10.0.0.2, too"), "{said}");
    assert_eq!(known.of_key(&key(2)).map(KnownPeer::name), Some("gate"));
    for name in ["gate", "10.0.0.2", "door"] {
        assert_eq!(known.outgoing(name, &key(9), &OWN).accepted(), None, "{name}");
    }
    // Only written another way: no name is added.
    known.apply(&rename("gate", "Gate")).expect("written anew");
    assert_eq!(known.of_key(&key(2)).map(|peer| peer.names.clone()), Some(vec!["Gate".into(), "door".into(), "10.0.0.2".into()]));
    for n in 3..NAMES_MAX {
        known.apply(&rename("door", &format!("door-{n}"))).expect("room");
    }
    assert!(known.apply(&rename("door", "one-more")).is_err_and(|error| error.contains("8 names already")));
}

#[test]
fn to_take_something_back_makes_no_stranger_an_acquaintance() {
    let mut known = known();
    let who = || Who::Key(key(9), Some(at("192.0.2.1:5005")));
    for edit in [Edit::Verify(who(), false), Edit::Connect(who(), false), Edit::Block(who(), false)] {
        assert!(known.apply(&edit).is_err_and(|error| error.contains("not known")), "{edit:?}");
    }
    for (on, off) in [
        (Edit::Block(who(), true), Edit::Block(who(), false)),
        (Edit::Connect(who(), true), Edit::Connect(who(), false)),
        (Edit::Verify(who(), true), Edit::Verify(who(), false)),
    ] {
        known.apply(&on).expect("done");
        known.apply(&off).expect("taken back");
        assert_eq!(known.welcome(&key(9)), None, "{on:?}");
    }
    // Whom the user called, gave a name of his own, or let in is one.
    known.apply(&Edit::Connect(who(), true)).expect("let in");
    assert!(known.welcome(&key(9)).is_some());
    known.apply(&Edit::Connect(who(), false)).expect("rings again");
    let name = known.of_key(&key(9)).expect("there").name().to_owned();
    known.apply(&Edit::Rename { from: name, to: "bench".into() }).expect("renamed");
    assert!(known.welcome(&key(9)).is_some() && known.welcome(&key(2)).is_some());
}

#[test]
fn the_file_is_read_by_people() {
    let text = known().print();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("# The peers that voicetui knows"), "{text}");
    assert_eq!(lines[2], format!("workshop  {}  verified  10.0.0.1:5005", key(1)));
    assert_eq!(lines[3], format!("door,10.0.0.2  {}  -  10.0.0.2:5005", key(2)));
    assert_eq!(lines[4], format!("caller-{}  {}  blocked  10.0.0.3:5005", key(3).short(), key(3)));
    assert_eq!(KnownPeers::parse(text.as_bytes()), Ok(known()));
}

#[test]
fn a_line_that_is_not_understood_is_kept_told_and_takes_no_pin_with_it() {
    for (line, reason) in [
        ("workshop", "four fields"),
        ("workshop aaaq - -", "no fingerprint"),
        (&format!("workshop {} verified,golden -", key(8)), "knows verified"),
        (&format!("workshop {} - 10.0.0.1", key(8)), "IP:PORT"),
        (&format!("a,,b {} - -", key(8)), "list of names"),
        (&format!("a,A:5005 {} - -", key(8)), "twice"),
        (&format!("a {} connect,blocked -", key(8)), "not blocked and"),
        (&format!("10.0.0.2 {} - -", key(8)), "an earlier line pins 10.0.0.2"),
        (&format!("bench {} - -", key(2)), "under the name door"),
        (&format!("a,b,c,d,e,f,g,h,i {} - -", key(8)), "at most 8 names"),
    ] {
        let text = format!("{}{line}\n# the end\n", known().print());
        let mut known = KnownPeers::parse(text.as_bytes()).expect("readable");
        assert!(known.problems().any(|(number, said)| number == 6 && said.contains(reason)), "{line}: {:?}", known.problems().next());
        assert_eq!(known.print(), text);
        assert_eq!(known.outgoing("door", &key(2), &OWN), Outgoing::Known { verified: false });
        // Who is not found may stand there.
        assert_eq!(known.outgoing("bench", &key(8), &OWN), Outgoing::Unreadable { line: 6 });
        assert!(known.outgoing("bench", &key(8), &OWN).refusal("bench").is_some_and(|said| said.contains("line 6")));
        assert!(known.apply(&pin("bench", 8)).is_err_and(|error| error.contains("line 6")));
        known.apply(&Edit::Verify(Who::Name("door".into()), true)).expect("the others can be changed");
        assert!(known.print().contains(&format!("{line}\n# the end\n")));
    }
}

#[test]
fn a_file_that_cannot_be_believed_is_refused() {
    assert!(KnownPeers::parse(b"workshop \xff\n").is_err_and(|error| error.contains("UTF-8")));
    assert!(KnownPeers::parse(&vec![b'#'; FILE_MAX + 1]).is_err_and(|error| error.contains("1024 KiB")));
    let many: String =
        (0..=PEERS_MAX).map(|n| format!("n{n} {} - -\n", PublicKey(std::array::from_fn(|at| (n >> (8 * (at % 2))) as u8)))).collect();
    assert!(KnownPeers::parse(many.as_bytes()).is_err_and(|error| error.contains("1000 peers")));
    let full: String = many.lines().skip(1).map(|line| format!("{line}\n")).collect();
    let mut full = KnownPeers::parse(full.as_bytes()).expect("as many as there may be");
    assert!(full.apply(&pin("one-more", 200)).is_err_and(|error| error.contains("no room")));
    assert_eq!(full.of_key(&key(200)), None);
}

#[test]
fn the_fuzz_corpus_holds() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/known_peers");
    // A published package has no corpus.
    let Ok(files) = std::fs::read_dir(&dir) else { return };
    let mut count = 0;
    for file in files {
        check::known_peers(&std::fs::read(file.expect("listed").path()).expect("readable"));
        count += 1;
    }
    assert!(count > 5, "only {count} files");
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-d]", "[a-d]:5005", "[a-c]:[67]", "\\PC{1,3}"]
}

fn edit() -> impl Strategy<Value = Edit> {
    let who = || prop_oneof![name().prop_map(Who::Name), (1_u8..5).prop_map(|n| Who::Key(key(n), Some(at("10.0.0.9:1"))))];
    prop_oneof![
        3 => (name(), 1_u8..5).prop_map(|(name, n)| pin(&name, n)),
        1 => (1_u8..5).prop_map(|n| Edit::Seen { key: key(n), address: at("10.0.0.9:1") }),
        1 => (who(), any::<bool>()).prop_map(|(who, on)| Edit::Verify(who, on)),
        1 => (who(), any::<bool>()).prop_map(|(who, on)| Edit::Connect(who, on)),
        1 => (who(), any::<bool>()).prop_map(|(who, on)| Edit::Block(who, on)),
        1 => name().prop_map(Edit::Forget),
        1 => (name(), name()).prop_map(|(from, to)| Edit::Rename { from, to }),
    ]
}

/// Every name and the key it is pinned to.
fn pins(known: &KnownPeers) -> Vec<(String, PublicKey)> {
    known.peers().flat_map(|peer| peer.names.iter().map(|name| (name.clone(), peer.key))).collect()
}

proptest! {
    #[test]
    fn no_edit_but_the_users_own_loses_or_changes_a_pin(edits in proptest::collection::vec(edit(), 1..24), bad in any::<bool>()) {
        let mut known = KnownPeers::parse(if bad { b"# mine\nnonsense\n" } else { b"" }).expect("readable");
        for edit in edits {
            let before = known.clone();
            let result = known.apply(&edit);
            if result.is_err() {
                prop_assert_eq!(&known, &before);
            }
            for (name, key) in pins(&before) {
                let now = known.named(&name).map(|peer| peer.key);
                let touched = match &edit {
                    Edit::Forget(gone) => place(gone) == place(&name),
                    _ => false,
                };
                prop_assert!(now == Some(key) || (touched && now.is_none()), "{:?} moved {} to {:?}", edit, name, now);
            }
            prop_assert_eq!(known.problems().count(), usize::from(bad));
            check::known_peers(known.print().as_bytes());
            prop_assert_eq!(KnownPeers::parse(known.print().as_bytes()), Ok(known.clone()));
        }
    }

    #[test]
    fn any_file_is_refused_or_kept(lines in proptest::collection::vec("[a-c]{1,2}(,[a-c])? (aaaq|[a-c]) (verified|-) (-|1.2.3.4:5)|# \\PC*|\\PC*|(.|\r)*", 0..6)) {
        check::known_peers(lines.join("\n").as_bytes());
    }
}
