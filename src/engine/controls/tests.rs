//! What mute, lease and unmute promise.

use super::*;

#[test]
fn a_lease_ends_by_itself_and_a_mute_beats_it() {
    let start = Instant::now();
    let controls = Controls::new(start);
    assert_eq!(controls.on_air(start), None);
    controls.lease(Holder::Key, start + Duration::from_millis(300));
    assert_eq!(controls.on_air(start + Duration::from_millis(299)), Some(Holder::Key));
    assert_eq!(controls.on_air(start + Duration::from_millis(300)), None);
    controls.hold(Holder::Open);
    assert_eq!(controls.on_air(start + Duration::from_secs(86_400)), Some(Holder::Open));
    controls.mute();
    assert_eq!(controls.on_air(start), None);
    controls.release_all();
    assert_eq!(controls.on_air(start), None);
}

#[test]
fn a_lost_microphone_lets_go_of_all_but_the_latch() {
    let controls = Controls::default();
    let now = Instant::now();
    controls.hold(Holder::Key);
    controls.release_all_but_open();
    assert_eq!(controls.on_air(now), None);
    controls.hold(Holder::Open);
    controls.lease(Holder::Mouse, now + Duration::from_secs(1));
    controls.release_all_but_open();
    assert_eq!((controls.on_air(now), controls.holds(Holder::Mouse, now)), (Some(Holder::Open), false));
    controls.release_all();
    controls.release_all_but_open();
    assert_eq!(controls.on_air(now), None, "a latch of an earlier call stays down");
}

#[test]
fn a_release_keeps_what_was_said_before_it_and_nothing_after() {
    let controls = Controls::default();
    std::hint::black_box(&controls);
    let before = Instant::now();
    controls.hold(Holder::Key);
    while Instant::now() == before {}
    controls.release(Holder::Key);
    assert_eq!(controls.on_air(before), Some(Holder::Key));
    assert_eq!(controls.on_air(Instant::now()), None);
    controls.release_all();
    assert_eq!(controls.on_air(before), None);
}

#[test]
fn a_lease_of_another_call_keys_nothing() {
    let start = Instant::now();
    let controls = Controls::new(start);
    let call = controls.call();
    controls.lease(Holder::Key, start + Duration::from_secs(1));
    controls.release_all();
    controls.renew(Holder::Key, start + Duration::from_secs(1), call);
    assert_eq!((controls.on_air(start), controls.remaining(Holder::Key, start)), (None, None));
    controls.lease(Holder::Key, start + Duration::from_secs(1));
    assert_eq!(controls.on_air(start), Some(Holder::Key));
}

#[test]
fn voice_activation_ends_with_its_call_and_its_lease_with_it() {
    let start = Instant::now();
    let controls = Controls::new(start);
    let speaks = |controls: &Controls, call| controls.renew(Holder::Voice, start + Duration::from_secs(1), call);
    speaks(&controls, controls.call());
    assert_eq!(controls.on_air(start), None, "not armed");
    let ends: [fn(&Controls); 3] = [Controls::disarm_voice, Controls::release_all, Controls::release_all_but_open];
    for end in ends {
        controls.arm_voice();
        let call = controls.voice_armed().expect("armed");
        speaks(&controls, call);
        assert_eq!(controls.on_air(start), Some(Holder::Voice));
        end(&controls);
        speaks(&controls, call);
        assert_eq!((controls.on_air(start), controls.voice_armed()), (None, None));
    }
    controls.set_voice(Tuning { sensitivity: 0, hang_ms: 9 });
    assert_eq!(controls.voice(), Tuning { sensitivity: Tuning::SENSITIVITY_MIN, hang_ms: Tuning::HANG_MIN });
}

#[test]
fn volumes_are_bounded_and_silence_is_silent() {
    let controls = Controls::default();
    let id = PeerId::new(3).expect("slot 3");
    controls.set_peer_volume(id, 255);
    assert_eq!(controls.peer_volume(id), MAX_VOLUME_PERCENT);
    assert!((controls.peer_gain(id) - 4.0).abs() < 1e-6);
    controls.set_peer_muted(id, true);
    assert_eq!(controls.peer_gain(id), 0.0);
    controls.reset_peer(id);
    controls.set_deafened(true);
    assert_eq!(controls.peer_gain(id), 0.0);
}

#[test]
fn an_unmute_lets_out_nothing_that_was_said_before_it() {
    let start = Instant::now();
    let controls = Controls::new(start);
    controls.hold(Holder::Open);
    controls.mute();
    let moment = |ms| start + Duration::from_millis(ms);
    let passes = |controls: &Controls| (1..100).filter(|n| controls.on_air_frame(moment(n * 10)).is_some()).min();
    assert_eq!(passes(&controls), None, "for as long as it lasts, however far ahead a clock is");
    controls.unmute(moment(505));
    assert_eq!(passes(&controls), Some(52), "the first frame of which all was said after it, whenever it comes");
    controls.unmute(moment(900));
    assert_eq!((controls.muted(), passes(&controls)), (false, Some(52)), "what is not muted is not unmuted again");
    controls.mute();
    controls.unmute(moment(0));
    assert_eq!(passes(&controls), Some(1));
}
