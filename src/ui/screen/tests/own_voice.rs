//! What is done to the own voice: said where it is looked for, switched with a key, asked about once.

use super::*;
use crate::engine::{AtWork, Command, OutputKind, Processing, Switch, When};
use crate::ui::app::Effect;

fn worked() -> Moment {
    Moment::call().with(|moment| {
        moment.snapshot.at_work = AtWork { echo: true, noise: true, gain: 6.2 };
        moment.snapshot.processing_ms = Some(15.83);
    })
}

#[test]
fn what_is_done_to_the_voice_and_what_it_costs_is_said() {
    let text = worked().text(120, 40);
    assert!(text.contains("Your voice: no echo, less noise, +6 dB"), "{text}");
    let text = worked().press("3").text(120, 40);
    assert!(text.contains("your voice 15.8 ms: no echo, less noise, +6 dB"), "{text}");
    let text = Moment::call().press("3").text(120, 40);
    assert!(!text.contains("your voice "), "nothing is done to it: {text}");
}

#[test]
fn whether_the_output_is_a_headset_is_asked_while_it_matters_and_until_it_is_said() {
    let says = |name: &str, kind, guessed| Notice::OutputIs { name: name.into(), kind, guessed };
    let question = "Is HDMI 1 a headset (w) or a loudspeaker (s)? Taken for a loudspeaker until you say.";
    let asked = |moment: &Moment| moment.text(100, 30).contains(question);
    let mut moment = Moment::call().with(|moment| {
        let now = moment.snapshot.now + Duration::from_secs(60);
        moment.snapshot.now = now;
        moment.app.handle_notice(says("HDMI 1", OutputKind::Loudspeaker, true), now);
        moment.app.tick(&moment.snapshot);
    });
    assert!(!asked(&moment), "who holds the key has no echo");
    moment.snapshot.holder = Some(Holder::Open);
    assert!(asked(&moment));
    assert!(moment.text(40, 12).contains("Is HDMI 1 a headset (w)"));
    moment.snapshot.processing = Processing { echo: When::Off, ..Processing::default() };
    assert!(!asked(&moment), "it does not matter");
    moment.snapshot.processing = Processing::default();
    moment.app.handle_notice(says("HDMI 1", OutputKind::Headset, false), moment.snapshot.now);
    assert!(!asked(&moment), "it was said");
    moment.app.handle_notice(says("HDMI 1", OutputKind::Loudspeaker, true), moment.snapshot.now);
    assert!(asked(&moment));
    let status = DeviceStatus::Open { name: "null".into(), id: "null".into(), rate: 48_000, channels: 1, block: None };
    moment.app.handle_notice(Notice::Device { direction: Direction::Output, status }, moment.snapshot.now);
    assert!(!asked(&moment), "another one plays now");
}

#[test]
fn each_part_has_its_key() {
    let mut moment = Moment::call();
    let mut pressed = |key: &str, processing| {
        moment.snapshot.processing = processing;
        moment.app.handle_key(&KeyEvent::new(KeyCode::Char(key.chars().next().expect("a key")), KeyModifiers::NONE), &moment.snapshot);
        let said = moment.app.message().map(|message| message.text.clone()).unwrap_or_default();
        (std::iter::from_fn(|| moment.app.poll_effect()).last(), said)
    };
    let auto = Processing::default();
    let (effect, said) = pressed("e", auto);
    assert_eq!(effect, Some(Effect::Command(Command::Echo(When::On))));
    assert!(said.starts_with("Your voice: echo on, noise auto, gain on. Echo is cancelled whenever"), "{said}");
    let (effect, _) = pressed("n", Processing { noise: When::On, ..auto });
    assert_eq!(effect, Some(Effect::Command(Command::Noise(When::Off))));
    let (effect, said) = pressed("g", auto);
    assert_eq!(effect, Some(Effect::Command(Command::Gain(Switch::Off))));
    assert!(said.ends_with("Your voice stays as loud as it is."), "{said}");
    assert_eq!(pressed("w", auto).0, Some(Effect::Command(Command::OutputIs(OutputKind::Headset))));
    assert_eq!(pressed("s", auto).0, Some(Effect::Command(Command::OutputIs(OutputKind::Loudspeaker))));
}
