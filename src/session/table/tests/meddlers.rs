//! Who sees some of a handshake, or knows addresses only, and writes in others' names.

use super::hostile::{live, stranger};
use super::*;
use crate::session::cookie::cookie_for;
use crate::session::handshake::{Fresh, Lineage};

/// As long as a message 1 and marked as one; nothing else of it is right, so it costs who sends it nothing.
fn garbage(rng: &mut StdRng) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..MESSAGE1_BYTES).map(|_| rng.random()).collect();
    bytes[..2].copy_from_slice(&[Type::Handshake1 as u8, 1]);
    bytes
}

/// Under a flood from forged addresses an honest caller is asked for a cookie, brings it and gets in.
#[test]
fn garbage_from_forged_addresses_keeps_no_caller_out() {
    for seed in 1..=16 {
        let dials = 10_000 + 50 * seed as u32;
        let mut rng = StdRng::seed_from_u64(seed);
        let mut pair = Pairing::new(seed, CLEAN);
        let mut live_at = None;
        for n in 0..25_000u32 {
            // It dials in the middle of it.
            if n == dials {
                pair.dial(A, B);
            }
            let from = SocketAddr::from(([192, 0, (n >> 8) as u8, n as u8], 4000));
            pair.receive(B, from, &garbage(&mut rng));
            if n % 50 == 0 {
                pair.run(Duration::from_millis(10));
                live_at = live_at.or((n > dials && pair.is_live(A)).then(|| (n - dials) / 5));
            }
        }
        let asked = pair.wire.iter().filter(|(side, bytes)| *side == B && bytes[0] == Type::Cookie as u8).count();
        assert!(asked > 0, "5,000 handshakes a second, and no cookie was asked for");
        let live_at = live_at.expect("three seconds of flood, and the caller is not in");
        println!("seed {seed}: in after {live_at} ms");
        assert!(live_at < 1_000, "{live_at} ms");
    }
}

/// A running call, and somebody who knows both addresses and nothing else: he sends to each side in the other's name.
#[test]
fn garbage_in_the_peers_name_ends_no_call() {
    // To whom, and how many each 10 ms.
    for (victims, count) in [([A, B].as_slice(), 20), (&[A, B], 1), (&[A], 1), (&[B], 1)] {
        let mut rng = StdRng::seed_from_u64(2);
        let mut pair = live(2);
        pair.run(Duration::from_secs(115));
        let addresses = [pair.sides[A].address, pair.sides[B].address];
        for _ in 0..7_000 {
            for &victim in victims.iter().cycle().take(victims.len() * count) {
                pair.receive(victim, addresses[1 - victim], &garbage(&mut rng));
            }
            pair.run(Duration::from_millis(10));
        }
        assert!(pair.is_live(A) && pair.is_live(B), "{count} each 10 ms to {victims:?}: no keys {} s after the call began", 2 + 115 + 70);
        assert_eq!((pair.established(A), pair.established(B)), (1, 1), "the words stay");
    }
}

/// Who stands between knows the words of his handshake with the callee as soon as message 2 is there, and may give up unseen: each
/// try costs him a handshake, and no more of them are answered than of anybody.
#[test]
fn who_gives_up_unseen_has_fourteen_guesses_a_second() {
    let m = local(9, 0);
    let mut rng = StdRng::seed_from_u64(3);
    let mut pair = Pairing::new(3, CLEAN);
    pair.sides[B].claims = false;
    let (mut guesses, mut cookie) = (0, None);
    for _ in 0..2_000 {
        pair.run(Duration::from_millis(5));
        let fresh = Fresh { ephemeral: Zeroizing::new(rng.random()), r: Zeroizing::new(rng.random()), index: rng.random() };
        let mut initiator = Initiator::new(&m, fresh);
        if let Some(cookie) = &cookie {
            initiator.set_cookie(cookie);
        }
        let sent = pair.wire.len();
        pair.receive(B, stranger(), initiator.message1());
        let Some((_, answer)) = pair.wire.get(sent).cloned() else { continue };
        cookie = cookie_for(initiator.message1(), &answer).copied().or(cookie);
        guesses += usize::from(initiator.handle_message2(&m, &answer, |_| Some(Lineage(0))).is_ok());
    }
    assert!((100..=14 * 11).contains(&guesses), "{guesses} in ten seconds");
    assert!(pair.sides[B].events.is_empty(), "the callee sees nothing of it, as README says");
}

/// Who sees message 1 forges the answers of whom we call.
#[test]
fn cookies_bring_no_more_than_they_cost() {
    let mut pair = Pairing::new(4, CLEAN);
    pair.dial(A, B);
    let (from, message1) = (pair.sides[B].address, pair.wire[0].1.clone());
    let mut asked = message1.len();
    for n in 0..100u8 {
        let cookie = [&[Type::Cookie as u8, 1][..], &message1[2..18], &[n; 16]].concat();
        asked += cookie.len();
        pair.receive(A, from, &cookie);
    }
    let told = pair.wire.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    assert!(told <= asked, "{told} bytes for {asked}");
}

/// Who sees the confirmation repeats it in somebody else's name, faster than it comes by itself.
#[test]
fn a_confirmation_proves_no_address_that_it_was_not_sent_to() {
    let mut pair = Pairing::new(5, CLEAN);
    pair.dial(A, B);
    pair.run(Duration::from_millis(35));
    let confirmation = pair.wire.iter().find(|(side, bytes)| *side == B && bytes[0] == Type::Transport as u8);
    let confirmation = confirmation.expect("on its way").1.clone();
    pair.receive(A, stranger(), &confirmation);
    let id = pair.sides[A].id.expect("dialled");
    assert!(pair.is_live(A));
    assert_ne!(pair.sides[A].sessions.media_address(id), Some(stranger()), "media go where nobody has answered");
}
