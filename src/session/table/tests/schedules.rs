//! Life of a session between two honest sides.

use super::*;

#[test]
fn a_call_is_set_up_in_one_and_a_half_round_trips() {
    let mut pair = Pairing::new(1, CLEAN);
    pair.dial(A, B);
    pair.run(Duration::from_millis(31));
    assert!(pair.is_live(B) && pair.sides[A].events.contains(&SessionEvent::Ready(pair.sides[A].id.expect("dialled"))));
    pair.run(Duration::from_millis(10));
    assert!(pair.is_live(A));
    pair.assert_settled("a clean call");
    let keys: Vec<_> = pair.sides.iter().map(|side| side.sessions.peer_key(side.id.expect("a session"))).collect();
    assert_eq!(keys, [B, A].map(|other| Some(pair.sides[other].sessions.own_key())));
}

/// An hour with a rekeying each two minutes over a network that reorders: no packet is lost, and the words stay.
#[test]
fn an_hour_of_rekeying_loses_nothing() {
    let mut pair = Pairing::new(2, Faults { jitter: Duration::from_millis(200), ..CLEAN });
    pair.every = Duration::from_millis(100);
    pair.dial(A, B);
    pair.run(Duration::from_secs(2));
    let words = pair.sas(A);
    let sent = [pair.sides[A].sent, pair.sides[B].sent];
    pair.run(Duration::from_secs(3_600));
    for (n, other) in [(A, B), (B, A)] {
        let last = pair.sides[other].sent - 20;
        let mut heard = pair.sides[n].heard.clone();
        heard.sort_unstable();
        heard.retain(|number| (sent[other]..last).contains(number));
        assert!(heard.iter().copied().eq(sent[other]..last), "{} of {}", heard.len(), last - sent[other]);
        let keys = pair.sides[n].events.iter().filter(|event| matches!(event, SessionEvent::Keys(_))).count();
        assert!((30..=32).contains(&keys), "{keys} keys in an hour");
        assert_eq!((pair.established(n), pair.sas(n)), (1, words));
    }
}

#[test]
fn a_handshake_completes_though_half_is_lost() {
    for seed in 0..100 {
        let mut pair = Pairing::new(seed, Faults { loss: 0.5, ..CLEAN });
        pair.dial(A, B);
        let mut waited = 0;
        while !(pair.is_live(A) && pair.is_live(B)) {
            pair.run(Duration::from_millis(250));
            waited += 1;
            assert!(waited < 120, "seed {seed}: no session after 30 s");
        }
        pair.faults = CLEAN;
        pair.run(Duration::from_secs(12));
        pair.assert_settled(&format!("seed {seed}"));
    }
}

/// Ten thousand random schedules: whatever was lost, doubled, late or crossed, and whoever slept or was restarted, it settles.
#[test]
fn any_schedule_settles() {
    let threads: Vec<_> = (0..4u64).map(|part| std::thread::spawn(move || (part * 2_500..(part + 1) * 2_500).for_each(schedule))).collect();
    threads.into_iter().for_each(|thread| thread.join().expect("a schedule settles"));
}

fn schedule(seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let faults = Faults {
        loss: dice.random_range(0.0..0.6),
        doubled: dice.random_range(0.0..0.5),
        delay: Duration::from_millis(dice.random_range(0..200)),
        jitter: Duration::from_millis(dice.random_range(0..1_500)),
    };
    let mut pair = Pairing::new(seed, faults);
    let first = usize::from(dice.random_bool(0.5));
    pair.dial(first, 1 - first);
    if dice.random_bool(0.5) {
        pair.run(Duration::from_millis(dice.random_range(0..600)));
        if pair.sides[1 - first].id.is_none() {
            pair.dial(1 - first, first);
        }
    }
    pair.run(Duration::from_millis(dice.random_range(0..4_000)));
    for _ in 0..dice.random_range(0..3) {
        let who = usize::from(dice.random_bool(0.5));
        match dice.random_range(0..5) {
            0 => pair.sides[who].sessions.handle_slept(pair.now, Slept(Duration::from_secs(dice.random_range(1..300)))),
            // Silence, long enough for handshakes from both sides.
            1 => {
                let before = std::mem::replace(&mut pair.faults.loss, 1.0);
                pair.run(Duration::from_millis(dice.random_range(0..6_000)));
                pair.faults.loss = before;
            }
            2 => {
                pair.every = Duration::from_secs(2);
                pair.run(Duration::from_secs(dice.random_range(100..130)));
            }
            3 => {
                pair.restart(who, dice.random());
                // Nobody else may know of the call yet.
                if pair.sides[1 - who].id.is_none() || dice.random_bool(0.5) {
                    pair.dial(who, 1 - who);
                }
            }
            _ => pair.run(Duration::from_millis(dice.random_range(0..3_000))),
        }
        pair.every = Duration::from_millis(500);
    }
    pair.faults = CLEAN;
    pair.run(Duration::from_secs(14));
    pair.assert_settled(&format!("seed {seed}"));
}

#[test]
fn crossed_calls_become_one_session() {
    for seed in 0..20 {
        let mut pair = Pairing::new(seed, CLEAN);
        pair.dial(A, B);
        pair.dial(B, A);
        pair.run(Duration::from_millis(500));
        assert_eq!((pair.established(A), pair.established(B)), (1, 1), "seed {seed}");
        pair.assert_settled("crossed");
    }
}

#[test]
fn differing_passphrases_are_told_on_both_sides() {
    let mut pair = Pairing::with_psks(3, CLEAN, [1, 2]);
    pair.dial(A, B);
    pair.run(Duration::from_secs(3));
    assert!(matches!(pair.sides[A].events.last(), Some(SessionEvent::Failed(_, Failure::Passphrase))), "{:?}", pair.sides[A].events);
    assert_eq!(pair.sides[B].events, [SessionEvent::Refused(pair.sides[A].address)]);
    assert_eq!((pair.established(A), pair.established(B)), (0, 0));
}

#[test]
fn a_restarted_peer_that_calls_has_a_new_session_at_once() {
    let mut pair = Pairing::new(4, CLEAN);
    pair.dial(A, B);
    pair.run(Duration::from_secs(2));
    let words = pair.sas(A);
    pair.restart(B, 99);
    pair.dial(B, A);
    pair.run(Duration::from_millis(200));
    assert_eq!((pair.established(A), pair.established(B)), (2, 2));
    assert_ne!(pair.sas(A), words);
    pair.assert_settled("after the restart");
}

#[test]
fn a_restarted_peer_that_waits_is_found_within_four_seconds() {
    let mut pair = Pairing::new(5, CLEAN);
    pair.dial(A, B);
    pair.run(Duration::from_secs(2));
    pair.restart(B, 98);
    pair.run(Duration::from_secs(4));
    pair.assert_settled("after the restart");
}

#[test]
fn who_moves_is_followed_and_media_wait_for_an_answer() {
    let mut pair = Pairing::new(6, CLEAN);
    pair.dial(A, B);
    pair.run(Duration::from_secs(2));
    let (id, old) = (pair.sides[B].id.expect("a session"), pair.sides[A].address);
    pair.sides[A].address = "10.9.9.9:777".parse().expect("an address");
    let new = pair.sides[A].address;
    pair.run(Duration::from_millis(600));
    assert!(pair.sides[B].events.contains(&SessionEvent::Heard(id)));
    assert_eq!(pair.sides[B].sessions.media_address(id), Some(old));
    // Three times what came, and no more, before an answer.
    let mut total = 0;
    while let Some((to, len)) = pair.sides[B].sessions.seal_control(id, &mut [0x80; 1_200], 60) {
        assert_eq!(to, new);
        total += len;
    }
    assert!(total <= 3 * 2 * 39 * 2, "{total} bytes to an address that has proven nothing");
    pair.sides[B].sessions.handle_answer(id, old);
    assert_eq!(pair.sides[B].sessions.media_address(id), Some(old), "an answer from elsewhere proves nothing");
    pair.sides[B].sessions.handle_answer(id, new);
    pair.drain(B);
    assert_eq!(pair.sides[B].events.last(), Some(&SessionEvent::Moved(id, new)));
    pair.assert_settled("moved");
}

#[test]
fn after_a_long_sleep_nothing_is_sealed_with_the_old_keys() {
    let mut pair = Pairing::new(7, CLEAN);
    pair.dial(A, B);
    pair.run(Duration::from_secs(2));
    let id = pair.sides[A].id.expect("a session");
    let key = pair.sides[A].sessions.sealing_key(id).expect("a key").clone();
    pair.sides[A].sessions.handle_slept(pair.now, Slept(KEY_LIFE));
    assert!(key.is_retired() && key.seal(Class::Media, &mut [0; 99], 10).is_none());
    pair.drain(A);
    pair.run(Duration::from_secs(1));
    assert_eq!((pair.established(A), pair.established(B)), (1, 1), "the same session, the same words");
    pair.assert_settled("awake");
}

/// A peer that is there no more answers no rekeying: from the key's 180th second on nothing is sealed, and nothing of it is left.
#[test]
fn a_key_lives_for_180_seconds_and_no_longer() {
    for ours in [A, B] {
        let mut pair = Pairing::new(9, CLEAN);
        pair.dial(A, B);
        pair.run(Duration::from_secs(2));
        let id = pair.sides[ours].id.expect("a session");
        let key = pair.sides[ours].sessions.sealing_key(id).expect("a key").clone();
        let wire = pair.wire.len();
        pair.faults.loss = 1.0;
        // The key was made within the first 40 ms.
        pair.run(KEY_LIFE - Duration::from_millis(2_050));
        assert!(!key.is_retired() && pair.sides[ours].sessions.sealing_key(id).is_some());
        let transport =
            |pair: &Pairing, from: usize| pair.wire[from..].iter().filter(|(side, bytes)| *side == ours && bytes[0] == 11).count();
        assert!(transport(&pair, wire) > 300, "it was used until then");
        pair.run(Duration::from_millis(100));
        assert!(
            key.is_retired() && key.seal(Class::Media, &mut [0; 99], 10).is_none() && key.seal(Class::Control, &mut [0; 99], 10).is_none()
        );
        let wire = pair.wire.len();
        pair.run(Duration::from_secs(30));
        assert_eq!(transport(&pair, wire), 0);
        assert!(pair.sides[ours].sessions.sealing_key(id).is_none());
        assert!(pair.wire[wire..].iter().any(|(side, bytes)| *side == ours && bytes[0] == 8), "it goes on asking");
        pair.faults = CLEAN;
        pair.run(Duration::from_secs(6));
        assert_eq!((pair.established(A), pair.established(B)), (1, 1), "the same session, the same words");
        pair.assert_settled("found again");
    }
}

#[test]
fn our_own_key_and_another_than_the_expected_one_end_a_call() {
    let mut pair = Pairing::new(8, CLEAN);
    let (now, to) = (pair.now, pair.sides[B].address);
    let id = pair.sides[A].sessions.connect(now, to, Some(PublicKey([9; 32]))).expect("a place");
    pair.drain(A);
    pair.run(Duration::from_secs(1));
    let other = pair.sides[B].sessions.own_key();
    assert!(pair.sides[A].events.contains(&SessionEvent::Failed(id, Failure::OtherKey(other))));
    let mut twin = Pairing::new(8, CLEAN);
    twin.sides[B].sessions = table([1, 2][A], 0, 1);
    twin.dial(A, B);
    twin.run(Duration::from_secs(1));
    assert!(matches!(twin.sides[A].events[..], [SessionEvent::Failed(_, Failure::OwnKey)]));
}
