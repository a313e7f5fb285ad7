//! What the input thread does with a terminal's events: leases written at once, text left alone.

use crossterm::event::KeyEvent as Key;

use super::*;
use crate::engine::CallState;
use crate::units::PeerId;

const TIMEOUT: Duration = Duration::from_secs(180);

fn reader() -> (Reader, Receiver<Input>, Instant) {
    let now = Instant::now();
    let (controls, meters) = (Arc::new(Controls::new(now)), Arc::new(Meters::new(now)));
    meters.set_state(PeerId::new(0).expect("slot 0"), CallState::Live, now);
    let (sender, events) = bounded(WAITING);
    (Reader::new(controls, meters, Arc::new(Shared::default()), sender, Learned::default(), TIMEOUT), events, now)
}

fn space(kind: KeyEventKind) -> Event {
    Event::Key(Key::new_with_kind(KeyCode::Char(' '), KeyModifiers::NONE, kind))
}

fn mouse(kind: MouseEventKind, column: u16, row: u16) -> Event {
    Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
}

#[test]
fn a_press_keys_up_and_a_release_unkeys_before_anything_is_drawn() {
    let (mut reader, events, now) = reader();
    reader.handle(space(KeyEventKind::Press), now);
    assert_eq!(reader.controls.on_air(now), Some(Holder::Key));
    reader.handle(space(KeyEventKind::Release), now + Duration::from_millis(80));
    assert_eq!(reader.controls.on_air(now + Duration::from_millis(80)), None);
    assert!(events.try_iter().all(|input| matches!(input, Input::Talk { .. })));
}

#[test]
fn a_reader_that_is_stuck_lets_the_lease_run_out() {
    let (mut reader, _events, now) = reader();
    let other = Key::new_with_kind(KeyCode::Char('x'), KeyModifiers::NONE, KeyEventKind::Release);
    reader.handle(Event::Key(other), now);
    reader.handle(space(KeyEventKind::Press), now);
    assert!(reader.controls.on_air(now + Duration::from_millis(499)).is_some());
    assert_eq!(reader.controls.on_air(now + Duration::from_millis(501)), None);
}

#[test]
fn a_lease_taken_away_stays_away_until_the_key_is_pressed_again() {
    let (mut reader, _events, now) = reader();
    let at = |ms| now + Duration::from_millis(ms);
    let other = Key::new_with_kind(KeyCode::Char('x'), KeyModifiers::NONE, KeyEventKind::Release);
    reader.handle(Event::Key(other), now);
    reader.handle(space(KeyEventKind::Press), now);
    reader.controls.release_all();
    for ms in (30..3_000).step_by(30) {
        reader.renew(at(ms));
        reader.handle(space(KeyEventKind::Repeat), at(ms));
        assert_eq!(reader.controls.on_air(at(ms)), None, "{ms}");
    }
    reader.handle(space(KeyEventKind::Release), at(3_000));
    reader.handle(space(KeyEventKind::Press), at(3_100));
    assert!(reader.controls.on_air(at(3_100)).is_some());
}

#[test]
fn space_is_text_while_a_field_has_the_focus() {
    let (mut reader, events, now) = reader();
    reader.handle(space(KeyEventKind::Press), now);
    reader.shared.field_focused.store(true, SeqCst);
    reader.unkey_if_asked(now);
    reader.renew(now);
    let soon = now + Duration::from_millis(300);
    assert_eq!(reader.controls.on_air(soon), None, "a field that takes the keyboard un-keys");
    reader.handle(space(KeyEventKind::Press), soon);
    assert_eq!(reader.controls.on_air(soon), None);
    assert!(events.try_iter().any(|input| matches!(input, Input::Key(_))));
}

#[test]
fn without_a_call_nothing_keys_up_and_the_hold_does_not_begin_later() {
    let (mut reader, events, now) = reader();
    let id = PeerId::new(0).expect("slot 0");
    reader.meters.set_state(id, CallState::Ringing, now);
    reader.handle(space(KeyEventKind::Press), now);
    assert_eq!(reader.controls.on_air(now), None);
    assert!(events.try_iter().any(|input| input == Input::TalkRefused));
    reader.meters.set_state(id, CallState::Live, now);
    for ms in (500..3_000).step_by(30) {
        let at = now + Duration::from_millis(ms);
        // The first repeat after half a second is as late as a fresh press.
        reader.handle(space(if ms == 500 { KeyEventKind::Repeat } else { KeyEventKind::Press }), at - Duration::from_millis(400));
        assert_eq!(reader.controls.on_air(at), None, "{ms}");
    }
}

#[test]
fn the_button_talks_while_it_is_held_and_only_there() {
    let (mut reader, events, now) = reader();
    reader.shared.set_button(Some(Rect::new(2, 3, 10, 4)));
    reader.handle(mouse(MouseEventKind::Down(MouseButton::Left), 12, 3), now);
    assert_eq!(reader.controls.on_air(now), None);
    reader.handle(mouse(MouseEventKind::Down(MouseButton::Left), 11, 6), now);
    assert_eq!(reader.controls.on_air(now), Some(Holder::Mouse));
    reader.handle(mouse(MouseEventKind::Drag(MouseButton::Left), 70, 20), now);
    assert_eq!(reader.controls.on_air(now), Some(Holder::Mouse));
    reader.handle(mouse(MouseEventKind::Up(MouseButton::Left), 70, 20), now);
    assert_eq!(reader.controls.on_air(now + Duration::from_millis(300)), None);
    assert_eq!(events.try_iter().filter(|input| matches!(input, Input::Mouse(_))).count(), 1);
}

#[test]
fn losing_the_focus_unkeys_key_and_button() {
    let (mut reader, _events, now) = reader();
    reader.shared.set_button(Some(Rect::new(0, 0, 5, 5)));
    reader.handle(space(KeyEventKind::Press), now);
    reader.handle(mouse(MouseEventKind::Down(MouseButton::Left), 1, 1), now);
    reader.handle(Event::FocusLost, now);
    assert_eq!(reader.controls.on_air(now + Duration::from_millis(300)), None);
}

#[test]
fn a_screen_that_takes_nothing_never_holds_the_reader_up() {
    let (mut reader, events, now) = reader();
    for _ in 0..WAITING * 4 {
        reader.handle(Event::Key(Key::new(KeyCode::Char('x'), KeyModifiers::NONE)), now);
    }
    reader.handle(space(KeyEventKind::Press), now);
    assert!(reader.controls.on_air(now).is_some());
    reader.handle(space(KeyEventKind::Release), now);
    assert_eq!((reader.controls.on_air(now + Duration::from_millis(300)), events.len()), (None, WAITING));
}
