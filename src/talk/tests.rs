//! What the talk key promises, by scenario and by property.

use proptest::prelude::*;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(180);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn key() -> (TalkKey, Instant) {
    (TalkKey::new(Learned::default(), TIMEOUT), Instant::now())
}

/// Holds the key as a plain terminal shows it: a press, `delay` later the first of `repeats`, `gap` apart. When the last came.
fn hold(key: &mut TalkKey, mut at: Instant, delay: u64, gap: u64, repeats: u32) -> Instant {
    key.handle(KeyEvent::Press, at);
    for n in 0..repeats {
        at += ms(if n == 0 { delay } else { gap });
        key.handle(KeyEvent::Press, at);
    }
    at
}

/// A key that has learned an ordinary keyboard: 500 ms, then every 33 ms.
fn taught() -> (TalkKey, Instant) {
    let (mut key, start) = key();
    let end = hold(&mut key, start, 500, 33, 60);
    (key, end + Duration::from_secs(10))
}

#[test]
fn the_first_press_keys_up_at_once_and_a_tap_never_latches() {
    let (mut key, start) = key();
    assert_eq!(key.lease(start), None);
    key.handle(KeyEvent::Press, start);
    assert_eq!(key.lease(start), Some(start + ms(800)));
    assert!(key.lease(start + ms(799)).is_some());
    assert_eq!(key.lease(start + ms(800)), None);
    assert_eq!(key.poll_unkeyed(), Some(Unkeyed::Silent));
}

#[test]
fn a_trusted_release_unkeys_at_once_and_repeats_are_not_needed() {
    let (mut key, start) = key();
    key.handle(KeyEvent::OtherRelease, start);
    assert_eq!(key.rung(), Rung::Releases);
    key.handle(KeyEvent::Press, start);
    // Another key pressed meanwhile stops the repeats for good: the hold goes on.
    let later = start + Duration::from_secs(60);
    assert_eq!(key.lease(later), Some(later + RENEWAL));
    key.handle(KeyEvent::Release, later);
    assert_eq!(key.lease(later), None);
    assert_eq!(key.poll_unkeyed(), Some(Unkeyed::Released));
}

#[test]
fn a_fresh_press_that_comes_as_a_repeat_keys_up() {
    let (mut key, start) = key();
    key.handle(KeyEvent::Press, start);
    key.handle(KeyEvent::Release, start + ms(50));
    key.handle(KeyEvent::Repeat, start + ms(900));
    assert!(key.lease(start + ms(900)).is_some());
}

#[test]
fn a_terminal_that_lost_its_releases_falls_back_to_inference() {
    let (mut key, start) = key();
    key.handle(KeyEvent::OtherRelease, start);
    let end = hold(&mut key, start, 500, 33, 20);
    assert_eq!(key.rung(), Rung::Inferred);
    assert_eq!(key.lease(end + ms(451)), None);
}

#[test]
fn a_hold_lasts_while_the_keyboard_repeats_and_ends_soon_after() {
    let (mut key, start) = taught();
    let end = hold(&mut key, start, 500, 33, 300);
    let until = key.lease(end).expect("still held");
    assert!(until - end <= ms(200), "{:?}", until - end);
    assert!(until - end >= ms(141), "a loaded machine's slowest repeat still holds");
    assert_eq!(key.lease(until), None);
}

#[test]
fn every_keyboard_that_was_measured_holds_from_the_first_time() {
    for (delay, gap) in [(200, 16), (250, 30), (500, 33), (660, 40), (500, 100)] {
        let (mut key, mut at) = key();
        for _ in 0..3 {
            let mut was_cut = false;
            key.handle(KeyEvent::Press, at);
            for n in 0..100 {
                at += ms(if n == 0 { delay } else { gap });
                was_cut |= key.lease(at).is_none();
                key.handle(KeyEvent::Press, at);
            }
            assert!(!was_cut, "{delay} {gap}");
            at += ms(450);
            assert_eq!(key.lease(at), None, "{delay} {gap}");
            at += ms(2_000);
        }
        let known = key.learned();
        let off = known.delay().expect("learned").as_millis().abs_diff(u128::from(delay));
        assert!(off <= 1, "{delay}: {off}");
    }
}

#[test]
fn a_false_cut_widens_the_wait() {
    let (mut key, start) = taught();
    let before = key.learned().hold_gap();
    let end = hold(&mut key, start, 500, 33, 30);
    // The machine stumbles: a repeat comes 300 ms late, the next ones in rhythm.
    key.handle(KeyEvent::Press, end + ms(300));
    key.handle(KeyEvent::Press, end + ms(333));
    assert!(key.learned().hold_gap() >= ms(300), "{before:?} -> {:?}", key.learned().hold_gap());
    assert_eq!(key.learned().delay().map(|delay| delay.as_millis()), Some(500), "the false first gap is not learned");
}

#[test]
fn two_taps_are_not_a_hold() {
    let (mut key, start) = taught();
    let known = key.learned();
    key.handle(KeyEvent::Press, start);
    key.handle(KeyEvent::Press, start + ms(220));
    // The second one is a press that may become a hold: its first repeat is waited for.
    assert_eq!(key.lease(start + ms(220)), Some(start + ms(220) + known.first_wait()));
    assert_eq!(key.learned(), known);
}

#[test]
fn letting_go_and_pressing_again_quickly_waits_for_the_new_first_repeat() {
    let (mut key, start) = taught();
    let end = hold(&mut key, start, 500, 33, 30);
    let again = end + ms(145);
    key.handle(KeyEvent::Press, again);
    assert!(key.lease(again + ms(500)).is_some());
}

#[test]
fn focus_loss_hang_up_and_sleep_unkey_and_the_rest_of_the_hold_is_ignored() {
    for (event, why) in [
        (KeyEvent::FocusLost, Unkeyed::FocusLost),
        (KeyEvent::Interrupted, Unkeyed::Interrupted),
        (KeyEvent::Slept, Unkeyed::Slept),
        (KeyEvent::TerminalChanged, Unkeyed::Interrupted),
    ] {
        let (mut key, start) = taught();
        let mut at = hold(&mut key, start, 500, 33, 10);
        key.handle(event, at);
        assert_eq!((key.lease(at), key.poll_unkeyed()), (None, Some(why)));
        for _ in 0..100 {
            at += ms(33);
            key.handle(KeyEvent::Press, at);
            assert_eq!(key.lease(at), None);
        }
        assert!(key.is_spent());
        key.handle(KeyEvent::Press, at + ms(700));
        assert!(key.lease(at + ms(700)).is_some(), "let go and pressed again");
    }
}

#[test]
fn a_held_key_times_out_on_both_rungs() {
    let (mut key, start) = key();
    key.handle(KeyEvent::OtherRelease, start);
    key.handle(KeyEvent::Press, start);
    assert_eq!(key.lease(start + TIMEOUT - ms(100)), Some(start + TIMEOUT));
    assert_eq!(key.lease(start + TIMEOUT), None);
    key.handle(KeyEvent::Repeat, start + TIMEOUT + ms(30));
    assert_eq!(key.lease(start + TIMEOUT + ms(30)), None);

    let (mut key, start) = taught();
    let end = hold(&mut key, start, 500, 33, 6_000);
    assert!(end > start + TIMEOUT);
    assert_eq!((key.lease(end), key.poll_unkeyed()), (None, Some(Unkeyed::TimedOut)));
}

#[test]
fn the_button_ends_with_its_release_and_with_its_time() {
    let start = Instant::now();
    let mut button = TalkButton::new(TIMEOUT);
    assert_eq!(button.lease(start), None);
    button.press(start);
    assert_eq!(button.lease(start), Some(start + RENEWAL));
    assert_eq!(button.lease(start + TIMEOUT - ms(1)), Some(start + TIMEOUT));
    assert_eq!(button.lease(start + TIMEOUT), None);
    button.press(start);
    button.release();
    assert_eq!(button.lease(start), None);
}

fn any_event() -> impl Strategy<Value = (KeyEvent, u64)> {
    let event = prop_oneof![
        8 => Just(KeyEvent::Press),
        3 => Just(KeyEvent::Repeat),
        2 => Just(KeyEvent::Release),
        1 => Just(KeyEvent::OtherRelease),
        1 => Just(KeyEvent::FocusLost),
        1 => Just(KeyEvent::Interrupted),
        1 => Just(KeyEvent::Slept),
        1 => Just(KeyEvent::TerminalChanged),
    ];
    (event, prop_oneof![8 => 0u64..60, 3 => 60u64..700, 1 => 700u64..4_000])
}

proptest! {
    #[test]
    fn whatever_happened_the_lease_ends_by_itself(events in prop::collection::vec(any_event(), 0..120)) {
        let (mut key, mut now) = key();
        let mut pressed = false;
        for (event, gap) in events {
            now += ms(gap);
            pressed |= matches!(event, KeyEvent::Press | KeyEvent::Repeat);
            key.handle(event, now);
            let lease = key.lease(now);
            prop_assert!(pressed || lease.is_none(), "on air before a press");
            prop_assert!(lease.is_none_or(|until| until > now && until <= now + ms(1_300)));
            let ends = matches!(event, KeyEvent::Release | KeyEvent::FocusLost | KeyEvent::Interrupted | KeyEvent::Slept);
            prop_assert!(!ends || lease.is_none(), "{event:?} must un-key");
        }
        let bound = if key.rung() == Rung::Releases { TIMEOUT } else { ms(1_300) };
        prop_assert_eq!(key.clone().lease(now + bound), None);
    }

    #[test]
    fn without_releases_silence_ends_any_hold_within_its_waits(gaps in prop::collection::vec(0u64..2_000, 1..80)) {
        let (mut key, mut now) = key();
        for gap in gaps {
            now += ms(gap);
            key.handle(KeyEvent::Press, now);
            prop_assert!((ms(150)..=ms(450)).contains(&key.learned().hold_gap()));
            prop_assert!((ms(300)..=ms(1_300)).contains(&key.learned().first_wait()));
        }
        let wait = key.learned().first_wait().max(key.learned().hold_gap());
        prop_assert_eq!(key.lease(now + wait), None);
    }
}
