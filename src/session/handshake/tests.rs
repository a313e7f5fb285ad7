//! The handshake between two honest sides, and with somebody in between.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::noise::crooked::Points;
use super::*;

pub(crate) fn local(secret: u8, psk: u8) -> Local {
    Local { identity: Identity::new(Zeroizing::new([secret; 32])), psk: Zeroizing::new([psk; 32]) }
}

fn fresh(rng: &mut StdRng) -> Fresh {
    Fresh { ephemeral: Zeroizing::new(rng.random()), r: Zeroizing::new(rng.random()), index: rng.random() }
}

fn sides(seed: u64, a: &Local, b: &Local) -> (Initiator, Responder) {
    let mut rng = StdRng::seed_from_u64(seed);
    let initiator = Initiator::new(a, fresh(&mut rng));
    let responder = Responder::new(b, fresh(&mut rng), initiator.message1()).expect("message 1");
    (initiator, responder)
}

#[test]
fn both_sides_get_the_same_keys_words_and_names() {
    let (a, b) = (local(1, 0), local(2, 0));
    let (mut initiator, mut responder) = sides(1, &a, &b);
    assert_eq!(initiator.message1()[..2], [8, VERSION]);
    let (ours, message3) = initiator.handle_message2(&a, responder.message2(), |_| Some(Lineage(77))).expect("message 2");
    let theirs = responder.handle_message3(&b, &message3).expect("message 3");
    assert_eq!((ours.peer, theirs.peer), (b.identity.public(), a.identity.public()));
    assert_eq!((&ours.sending[..], &ours.receiving[..]), (&theirs.receiving[..], &theirs.sending[..]));
    assert_ne!(ours.sending[..], ours.receiving[..]);
    assert_eq!((ours.sas, ours.lineage, theirs.continues), (theirs.sas, theirs.lineage, Lineage(77)));
    assert!(ours.sas < 1 << SAS_BITS);
    assert_eq!((ours.peer_index, theirs.peer_index), (responder.index(), initiator.index()));
}

#[test]
fn any_changed_bit_is_refused_and_the_true_message_still_passes() {
    let (a, b) = (local(1, 0), local(2, 0));
    let (mut initiator, mut responder) = sides(2, &a, &b);
    let flip = |bytes: &[u8], bit: usize| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    };
    let mut rng = StdRng::seed_from_u64(3);
    for bit in (0..COOKIE_AT * 8).step_by(7) {
        assert!(Responder::new(&b, fresh(&mut rng), &flip(initiator.message1(), bit)).is_err(), "message 1, bit {bit}");
    }
    let message2 = *responder.message2();
    for bit in (0..MESSAGE2_BYTES * 8).step_by(31) {
        assert!(initiator.handle_message2(&a, &flip(&message2, bit), |_| Some(Lineage(0))).is_err(), "message 2, bit {bit}");
    }
    assert_eq!(initiator.handle_message2(&a, &message2, |_| None).map(|_| ()), Err(Reject::Forged), "a peer refused by its key");
    let (_, message3) = initiator.handle_message2(&a, &message2, |_| Some(Lineage(0))).expect("the true message 2");
    for bit in (0..MESSAGE3_BYTES * 8).step_by(31) {
        assert!(responder.handle_message3(&b, &flip(&message3, bit)).is_err(), "message 3, bit {bit}");
    }
    for (cut, whole) in [&message2[..], &message3].into_iter().enumerate() {
        assert!(initiator.handle_message2(&a, &whole[..whole.len() - 1], |_| Some(Lineage(0))).is_err(), "{cut}");
        assert!(responder.handle_message3(&b, &whole[..whole.len() - 1]).is_err(), "{cut}");
    }
    assert!(responder.handle_message3(&b, &message3).is_ok());
}

#[test]
fn differing_passphrases_are_told_from_forgery() {
    let (a, b) = (local(1, 5), local(2, 6));
    let (mut initiator, mut responder) = sides(4, &a, &b);
    let (_, message3) = initiator.handle_message2(&a, responder.message2(), |_| Some(Lineage(0))).expect("message 2 needs no passphrase");
    assert_eq!(responder.handle_message3(&b, &message3).map(|_| ()), Err(Reject::Passphrase));
    let mut other = message3;
    other[10] ^= 1;
    assert_eq!(responder.handle_message3(&b, &other).map(|_| ()), Err(Reject::Forged));
}

/// Every way to write a point of low order on Curve25519: with any of them the shared secret is zero, whoever asks (RFC 7748, 6.1;
/// the list is the one of cr.yp.to/ecdh.html).
fn weak_points() -> Vec<[u8; 32]> {
    let hex = |text: &str| std::array::from_fn(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).expect("hex"));
    let points: [[u8; 32]; 7] = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ]
    .map(hex);
    let with_top_bit = points.map(|mut point| {
        point[31] |= 0x80;
        point
    });
    [points, with_top_bit].concat()
}

/// Messages 1, 2 and 3 that are right in every other way, with such a point as the ephemeral key and as the static one.
#[test]
fn points_that_everybody_could_compute_with_are_refused() {
    let (a, b, rogue) = (local(1, 0), local(2, 0), local(3, 0));
    let mut rng = StdRng::seed_from_u64(5);
    for point in weak_points() {
        let ephemeral = Points { ephemeral: Some(point), ..Points::default() };
        let fixed = Points { fixed: Some(point), ..Points::default() };
        // To the side that is called.
        let (_, message1) = crooked_first(&rogue, ephemeral);
        assert_eq!(Responder::new(&b, fresh(&mut rng), &message1).map(|_| ()), Err(Reject::WeakKey), "message 1, {point:02x?}");
        let (mut state, message1) = crooked_first(&rogue, fixed);
        let mut responder = Responder::new(&b, fresh(&mut rng), &message1).expect("nothing weak yet");
        let message3 = crooked_third(&mut state, &responder);
        assert_eq!(responder.handle_message3(&b, &message3).map(|_| ()), Err(Reject::WeakKey), "message 3, {point:02x?}");
        // To the side that calls.
        for points in [ephemeral, fixed] {
            let mut initiator = Initiator::new(&a, fresh(&mut rng));
            let message2 = crooked_second(&rogue, &initiator, points);
            let refused = initiator.handle_message2(&a, &message2, |_| Some(Lineage(0))).map(|_| ());
            assert_eq!(refused, Err(Reject::WeakKey), "message 2, {point:02x?}");
        }
    }
    // With true points the same messages pass: nothing else is wrong with them.
    let (mut state, message1) = crooked_first(&rogue, Points::default());
    let mut responder = Responder::new(&b, fresh(&mut rng), &message1).expect("message 1");
    responder.handle_message3(&b, &crooked_third(&mut state, &responder)).expect("message 3");
    let mut initiator = Initiator::new(&a, fresh(&mut rng));
    let message2 = crooked_second(&rogue, &initiator, Points::default());
    initiator.handle_message2(&a, &message2, |_| Some(Lineage(0))).expect("message 2");
}

const CROOKED_R: [u8; 32] = [8; 32];

fn crooked_first(rogue: &Local, points: Points) -> (HandshakeState, [u8; MESSAGE1_BYTES]) {
    let mut state = noise::crooked::start(rogue, &[9; 32], true, points);
    let mut payload = [0; PAYLOAD1];
    payload[..4].copy_from_slice(&77u32.to_be_bytes());
    payload[4..36].copy_from_slice(&commitment(&CROOKED_R));
    let mut message1 = [0; MESSAGE1_BYTES];
    message1[..2].copy_from_slice(&[Type::Handshake1 as u8, VERSION]);
    state.write_message(&payload, &mut message1[2..COOKIE_AT]).expect("message 1");
    (state, message1)
}

fn crooked_second(rogue: &Local, initiator: &Initiator, points: Points) -> [u8; MESSAGE2_BYTES] {
    let mut state = noise::crooked::start(rogue, &[9; 32], false, points);
    state.read_message(&initiator.message1()[2..COOKIE_AT], &mut [0; PAYLOAD1 + 16]).expect("message 1");
    let mut message2 = [0; MESSAGE2_BYTES];
    message2[..FRONT].copy_from_slice(&front(Type::Handshake2, initiator.index()));
    state.write_message(&[0; PAYLOAD2], &mut message2[FRONT..]).expect("message 2");
    message2
}

fn crooked_third(state: &mut HandshakeState, responder: &Responder) -> [u8; MESSAGE3_BYTES] {
    state.read_message(&responder.message2()[FRONT..], &mut [0; PAYLOAD2 + 16]).expect("message 2");
    let mut message3 = [0; MESSAGE3_BYTES];
    message3[..FRONT].copy_from_slice(&front(Type::Handshake3, responder.index()));
    state.write_message(&[&CROOKED_R[..], &[0; 8]].concat(), &mut message3[FRONT..]).expect("message 3");
    message3
}

/// A responder that is bound to one number and reveals another.
#[test]
fn a_number_that_was_not_committed_to_ends_the_handshake() {
    let (a, b) = (local(1, 0), local(2, 0));
    let mut rng = StdRng::seed_from_u64(6);
    let mut liar = Initiator::new(&a, fresh(&mut rng));
    let mut responder = Responder::new(&b, fresh(&mut rng), liar.message1()).expect("message 1");
    liar.fresh.r = Zeroizing::new([1; 32]);
    let (_, message3) = liar.handle_message2(&a, responder.message2(), |_| Some(Lineage(0))).expect("message 2");
    assert_eq!(responder.handle_message3(&b, &message3).map(|_| ()), Err(Reject::Commitment));
}

/// Words shortened to 16 bits, so that chance wins now and then.
const SHORT: u32 = 16;

/// Who stands between answers the caller himself and calls the other side himself. At the other side he is bound before
/// he sees its half: of 2^20 numbers that would make the words what he likes, the other side takes none but the one.
#[test]
fn a_million_variants_of_message_3_are_refused() {
    let mut rng = StdRng::seed_from_u64(7);
    let (h2, bound, target): ([u8; 32], [u8; 32], u64) = (rng.random(), rng.random(), rng.random::<u64>() >> (64 - SHORT));
    let promised = commitment(&bound);
    let (mut fitting, mut taken) = (0, 0);
    for n in 0..1u32 << 20 {
        let mut r = bound;
        r[..4].copy_from_slice(&n.to_be_bytes());
        if words(&h2, &r, SHORT) == target {
            fitting += 1;
            taken += u32::from(commitment(&r) == promised);
        }
    }
    assert!((4..40).contains(&fitting), "without the commitment he wins {fitting} times: about 16 were expected");
    assert_eq!(taken, 0);
}

/// At the caller he must choose his message 2 before r is revealed. In 2^16 calls he tries 16 variants each against a
/// guess of r, 2^20 in all, and takes the one that fits best; the words agree as often as chance has it: once.
#[test]
fn a_million_variants_of_message_2_win_no_more_often_than_chance() {
    let mut rng = StdRng::seed_from_u64(8);
    let mut wins = 0;
    for _ in 0..1u32 << 16 {
        let (r, target): ([u8; 32], u64) = (rng.random(), rng.random::<u64>() >> (64 - SHORT));
        let guess: [u8; 32] = rng.random();
        let best = (0..16u8)
            .map(|n| {
                let mut h2: [u8; 32] = [n; 32];
                h2[1..9].copy_from_slice(&rng.random::<[u8; 8]>());
                h2
            })
            .min_by_key(|h2| words(h2, &guess, SHORT).abs_diff(target))
            .expect("16 variants");
        wins += u32::from(words(&best, &r, SHORT) == target);
    }
    // Poisson with mean 1: eight or more come once in 100,000 seeds.
    assert!(wins < 8, "he won {wins} of 65,536 calls");
}

/// The whole handshakes, with the true messages: the words differ, and changing message 3 does not help.
#[test]
fn who_stands_between_is_seen_in_the_words() {
    let (a, b, m) = (local(1, 0), local(2, 0), local(3, 0));
    let mut rng = StdRng::seed_from_u64(9);
    for _ in 0..20 {
        let mut caller = Initiator::new(&a, fresh(&mut rng));
        let mut towards_caller = Responder::new(&m, fresh(&mut rng), caller.message1()).expect("message 1");
        let mut towards_callee = Initiator::new(&m, fresh(&mut rng));
        let mut callee = Responder::new(&b, fresh(&mut rng), towards_callee.message1()).expect("message 1");
        let (at_caller, third) = caller.handle_message2(&a, towards_caller.message2(), |_| Some(Lineage(0))).expect("message 2");
        // He knows the caller's r and words from here on.
        towards_caller.handle_message3(&m, &third).expect("message 3");
        towards_callee.fresh.r = caller.fresh.r.clone();
        let (_, forged) = towards_callee.handle_message2(&m, callee.message2(), |_| Some(Lineage(0))).expect("message 2");
        assert_eq!(callee.handle_message3(&b, &forged).map(|_| ()), Err(Reject::Commitment));
        towards_callee = Initiator::new(&m, fresh(&mut rng));
        callee = Responder::new(&b, fresh(&mut rng), towards_callee.message1()).expect("message 1");
        let (_, third) = towards_callee.handle_message2(&m, callee.message2(), |_| Some(Lineage(0))).expect("message 2");
        let at_callee = callee.handle_message3(&b, &third).expect("message 3");
        assert_ne!(at_caller.sas, at_callee.sas);
    }
}

#[test]
fn no_secret_is_printed() {
    let (initiator, responder) = sides(10, &local(0xab, 0xab), &local(0xab, 0xab));
    let shown = format!("{initiator:?} {responder:?} {:?}", local(0xab, 0xab));
    assert!(!shown.contains("abab") && !shown.contains("171, 171"), "{shown}");
}
