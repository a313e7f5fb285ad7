//! What anybody on the network can send.

use super::*;

pub(super) fn stranger() -> SocketAddr {
    "192.0.2.7:4000".parse().expect("an address")
}

pub(super) fn live(seed: u64) -> Pairing {
    let mut pair = Pairing::new(seed, CLEAN);
    pair.dial(A, B);
    pair.run(Duration::from_millis(2_100));
    pair
}

/// Message 1 of somebody with a key of his own.
fn knock(pair: &Pairing, seed: u64) -> Vec<u8> {
    let mut caller = table(5, 0, seed);
    caller.connect(pair.now, pair.sides[B].address, None);
    let mut bytes = vec![0; 1_200];
    let len = caller.poll_transmit(&mut bytes).expect("message 1").1;
    bytes.truncate(len);
    bytes
}

/// What answers a datagram, if anything.
fn answers(pair: &mut Pairing, to: usize, from: SocketAddr, bytes: &[u8]) -> Vec<Vec<u8>> {
    let before = pair.wire.len();
    pair.receive(to, from, bytes);
    pair.wire[before..].iter().map(|(_, bytes)| bytes.clone()).collect()
}

/// Everything that was ever sent comes again: to whom it was sent, back to whom sent it, cut, flipped and spliced, from the
/// true address and from another. Nothing is heard twice, the words stay, and the call goes on.
#[test]
fn replayed_reflected_cut_flipped_and_spliced_datagrams_do_nothing() {
    let mut pair = live(1);
    let wire = std::mem::take(&mut pair.wire);
    let (heard, words) = (pair.sides.iter().map(|side| side.heard.len()).sum::<usize>(), pair.sas(A));
    for (n, (_, bytes)) in wire.iter().enumerate() {
        let mut other = wire[(n + 1) % wire.len()].1.clone();
        let at = bytes.len().min(other.len()) / 2;
        other[..at].copy_from_slice(&bytes[..at]);
        let mut flipped = bytes.clone();
        let bit = pair.rng.random_range(0..flipped.len() * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
        for variant in [bytes.clone(), bytes[..bytes.len() - 1].to_vec(), flipped, other] {
            for (to, from) in [(A, pair.sides[B].address), (B, pair.sides[A].address), (A, stranger()), (B, stranger())] {
                pair.receive(to, from, &variant);
            }
        }
    }
    assert_eq!(pair.sides.iter().map(|side| side.heard.len()).sum::<usize>(), heard);
    assert_eq!((pair.established(A), pair.established(B), pair.sas(A)), (1, 1, words));
    pair.assert_settled("after all that");
    assert!(pair.sides.iter().all(|side| !side.events.iter().any(|event| matches!(event, SessionEvent::Moved(..)))));
}

/// Who stands between and has seen the caller's number would answer again, until the words fit: he is not listened to, and the
/// caller's next handshake has another number.
#[test]
fn a_caller_reveals_its_number_to_one_answer_only() {
    use crate::session::handshake::Responder;
    let mut pair = Pairing::new(9, CLEAN);
    let mut rng = StdRng::seed_from_u64(9);
    pair.dial(A, B);
    let (m, first, address) = (local(9, 0), pair.wire[0].1.clone(), pair.sides[B].address);
    pair.flights.clear();
    let mut answer = |message1: &[u8]| {
        let fresh = Fresh { ephemeral: Zeroizing::new(rng.random()), r: Zeroizing::new(rng.random()), index: rng.random() };
        Responder::new(&m, fresh, message1).expect("message 1")
    };
    let mut chosen = answer(&first);
    let message2 = *chosen.message2();
    let revealed = answers(&mut pair, A, address, &message2);
    let sas = chosen.handle_message3(&m, &revealed[0]).expect("message 3").sas;
    for _ in 0..100 {
        let other = *answer(&first).message2();
        assert!(answers(&mut pair, A, address, &other).is_empty(), "a second answer was answered");
    }
    pair.sides.truncate(1);
    pair.run(Duration::from_secs(6));
    let second = pair.wire.iter().rev().find(|(_, bytes)| bytes[0] == 8).expect("a handshake anew").1.clone();
    assert_ne!(second[2..], first[2..]);
    let mut next = answer(&second);
    let message2 = *next.message2();
    let revealed = answers(&mut pair, A, address, &message2);
    assert_ne!(next.handle_message3(&m, &revealed[0]).expect("message 3").sas, sas);
}

/// Each would end the other's keys, again and again.
#[test]
fn a_peer_has_one_session_wherever_it_is_called() {
    let mut pair = live(4);
    let (now, words, first) = (pair.now, pair.sas(A), pair.sides[A].id.expect("dialled"));
    let second = pair.sides[A].sessions.connect(now, stranger(), None).expect("a place");
    let mut buffer = [0; 1_200];
    for (from, to, seen_from) in [(A, B, pair.sides[A].address), (B, A, stranger())] {
        let (_, len) = pair.sides[from].sessions.poll_transmit(&mut buffer).expect("a message");
        pair.sides[to].sessions.handle(now, seen_from, &mut buffer[..len]);
    }
    assert_eq!(pair.sides[A].sessions.poll_event(), Some(SessionEvent::Failed(second, Failure::Already(first))));
    pair.run(Duration::from_secs(20));
    assert_eq!((pair.established(A), pair.established(B), pair.sas(A)), (1, 1, words));
    pair.assert_settled("one session");
}

#[test]
fn no_answer_is_longer_than_its_question_and_a_call_does_not_change_it() {
    let (mut busy, mut idle) = (live(2), Pairing::new(2, CLEAN));
    let mut rng = StdRng::seed_from_u64(3);
    let mut questions: Vec<Vec<u8>> = vec![knock(&busy, 5)];
    questions.extend((0..3_000).map(|_| {
        let len = rng.random_range(0..200);
        let mut bytes: Vec<u8> = (0..len).map(|_| rng.random()).collect();
        if let Some(first) = bytes.first_mut() {
            *first = rng.random_range(8..=13);
        }
        bytes
    }));
    for question in questions {
        let lengths = [&mut busy, &mut idle].map(|pair| {
            let answers = answers(pair, B, stranger(), &question);
            assert!(answers.len() <= 1 && answers.iter().all(|answer| answer.len() <= question.len()));
            answers.first().map(Vec::len)
        });
        assert_eq!(lengths[0], lengths[1], "a stranger sees that there is a call");
    }
}

/// Ten thousand callers within a second, from one address or from many: a few are computed, cookies are asked of the rest,
/// little is remembered, and the call and its rekeying go on.
#[test]
fn a_flood_of_handshakes_costs_little_and_harms_no_call() {
    for many in [false, true] {
        let mut pair = live(4);
        pair.run(Duration::from_millis(116_900));
        let (mut computed, mut cookies) = (0, 0);
        let bytes = knock(&pair, 5);
        for n in 0..10_000u16 {
            // Each a handshake of its own, as far as anybody can see without computing.
            let mut bytes = if n % 100 == 0 { knock(&pair, u64::from(n)) } else { bytes.clone() };
            bytes[60..62].copy_from_slice(&n.to_be_bytes());
            let from = if many { format!("192.0.{}.{}:4000", n >> 8, n & 255).parse().expect("an address") } else { stranger() };
            for answer in answers(&mut pair, B, from, &bytes) {
                match answer[0] {
                    9 => computed += 1,
                    12 => cookies += 1,
                    _ => {}
                }
            }
            if n % 10 == 0 {
                pair.run(Duration::from_millis(1));
            }
        }
        assert!(computed <= 30, "{computed} computed, {cookies} cookies");
        assert!(pair.sides[B].sessions.half_open.len() <= 64);
        pair.run(Duration::from_secs(10));
        let keys = pair.sides[B].events.iter().filter(|event| matches!(event, SessionEvent::Keys(_))).count();
        assert_eq!(keys, 2, "rekeyed during the flood");
        pair.assert_settled("after the flood");
    }
}

/// Under load an honest caller is asked for a cookie, brings it, and is answered.
#[test]
fn a_cookie_opens_the_door_under_load() {
    let mut pair = Pairing::new(5, CLEAN);
    for n in 0..10u64 {
        let bytes = knock(&pair, n);
        assert_eq!(answers(&mut pair, B, stranger(), &bytes).concat()[0], 9);
    }
    pair.dial(A, B);
    pair.run(Duration::from_millis(200));
    assert!(pair.wire.iter().any(|(side, bytes)| *side == B && bytes[0] == 12), "no cookie was asked for");
    pair.assert_settled("with a cookie");
}

#[test]
fn a_refusal_ends_no_session_that_stands_and_none_that_succeeds() {
    let mut pair = Pairing::new(6, CLEAN);
    pair.dial(A, B);
    pair.run(Duration::from_millis(25));
    let index = |kind: u8| pair.wire.iter().find(|(_, bytes)| bytes[0] == kind).map(|(_, bytes)| bytes[2..6].to_vec());
    let refusal = [&[13, 1][..], &index(9).expect("message 2"), &index(10).expect("message 3")].concat();
    pair.receive(A, stranger(), &refusal);
    pair.run(Duration::from_secs(3));
    pair.receive(A, stranger(), &refusal);
    pair.assert_settled("refused by nobody");
    assert_eq!(pair.established(A), 1);
}

#[test]
fn strangers_take_eight_places_at_most_and_lose_them() {
    let mut pair = Pairing::new(7, CLEAN);
    pair.sides[B].claims = false;
    for n in 0..30u8 {
        let caller = Side {
            sessions: table(10 + n, 0, u64::from(n)),
            address: format!("192.0.2.{n}:4000").parse().expect("an address"),
            id: None,
            events: Vec::new(),
            heard: Vec::new(),
            sent: 0,
            claims: true,
        };
        pair.sides.push(caller);
        let last = pair.sides.len() - 1;
        pair.dial(last, B);
        pair.run(Duration::from_millis(150));
    }
    assert_eq!(pair.sides[B].sessions.sessions.iter().flatten().count(), UNCLAIMED_MAX);
    pair.sides.truncate(2);
    pair.run(Duration::from_secs(6));
    assert_eq!(pair.sides[B].sessions.sessions.iter().flatten().count(), 0);
}

/// Four bytes in a row of a secret, as numbers or in hexadecimal, anywhere in a text.
fn shows(text: &str, secret: &[u8]) -> bool {
    let text = text.to_lowercase();
    let is_shown = |part: &[u8]| {
        let joined = |separator: &str, write: fn(&u8) -> String| part.iter().map(write).collect::<Vec<_>>().join(separator);
        let forms = [joined(", ", u8::to_string), joined("", |byte| format!("{byte:02x}")), joined(", ", |byte| format!("0x{byte:x}"))];
        forms.iter().any(|form| text.contains(form.as_str())) || text.contains(&format!("{part:?}"))
    };
    secret.windows(4).any(is_shown)
}

/// `Debug` of everything that holds a key, in a call under way and in the middle of a handshake, plain and pretty.
#[test]
fn no_secret_is_printed() {
    use crate::session::handshake::{Lineage, Responder};
    use crate::session::keys::OpeningKey;
    use crate::session::{Identity, Seal};

    let mut rng = StdRng::seed_from_u64(8);
    let mut secret = || -> Zeroizing<[u8; 32]> { Zeroizing::new(rng.random()) };
    let (ours, theirs, psk, cookie) = (secret(), secret(), secret(), secret());
    let fresh = [secret(), secret(), secret(), secret()];
    let side = |secret: &Zeroizing<[u8; 32]>| Local { identity: Identity::new(secret.clone()), psk: psk.clone() };
    let (a, b) = (side(&ours), side(&theirs));
    let of = |n: usize| Fresh { ephemeral: fresh[n].clone(), r: fresh[n + 1].clone(), index: 1 };
    let mut initiator = Initiator::new(&a, of(0));
    let mut responder = Responder::new(&b, of(2), initiator.message1()).expect("message 1");
    let (ours_out, message3) = initiator.handle_message2(&a, responder.message2(), |_| Some(Lineage(0))).expect("message 2");
    let theirs_out = responder.handle_message3(&b, &message3).expect("message 3");
    let mut cookies = Cookies::default();
    cookies.renew(Instant::now(), cookie.clone());
    let sealing = Arc::new(SealingKey::new(&ours_out.sending, 1));
    let opening = OpeningKey::new(&ours_out.receiving, 1);
    let mut pair = live(8);
    pair.sides[A].sessions.local = a.clone();
    let holders: [&dyn std::fmt::Debug; 11] = [
        &a,
        &a.identity,
        &initiator,
        &responder,
        &ours_out,
        &theirs_out,
        &cookies,
        &sealing,
        &opening,
        &Seal::Sealed(sealing.clone()),
        &pair.sides[A].sessions,
    ];
    let secrets: [&[u8]; 10] = [
        &ours[..],
        &theirs[..],
        &psk[..],
        &cookie[..],
        &fresh[0][..],
        &fresh[1][..],
        &fresh[2][..],
        &fresh[3][..],
        &ours_out.sending[..],
        &ours_out.receiving[..],
    ];
    for holder in holders {
        let text = format!("{holder:?} {holder:#?}");
        // Pretty printing puts each number on a line of its own.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(secrets.iter().all(|secret| !shows(&text, secret)), "{text}");
    }
    // The test sees a secret when there is one.
    assert!(secrets.iter().all(|secret| shows(&format!("{secret:?}"), secret)));
}
