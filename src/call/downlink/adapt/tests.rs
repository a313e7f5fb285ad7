//! What reports bring and take away.

use super::*;

const HALF: Duration = Duration::from_millis(500);

const BOUNDS: Bounds = Bounds { bitrate: 48_000, frame_ms: 10, takes_red: true, private: false, header_bytes: 28 };

/// A peer that reports each half second of talk.
struct Peer {
    armour: Armour,
    now: Instant,
    heard: Heard,
}

impl Peer {
    fn new() -> Self {
        Self { armour: Armour::default(), now: Instant::now(), heard: Heard { rtt_ms: Some(20.0), ..Heard::default() } }
    }

    fn report(&mut self, lost: i32) -> Choice {
        self.now += HALF;
        self.heard.highest_seq += 50;
        self.heard.cumulative_lost += lost;
        self.heard.sent = (self.heard.sent.0 + 50, self.heard.sent.1 + 50 * 100);
        self.armour.handle_report(self.now, &self.heard, &BOUNDS);
        self.armour.choice(&BOUNDS)
    }

    /// Also with these burst metrics.
    fn report_bursts(&mut self, lost: i32, density: f32, packets: u16) -> Choice {
        self.report(lost);
        let metrics =
            VoipMetrics { burst_density: (density * 256.0) as u8, burst_duration: packets * 10, jb_nominal: 30, ..VoipMetrics::default() };
        self.armour.handle_metrics(&metrics, &BOUNDS);
        self.armour.choice(&BOUNDS)
    }

    fn nack(&mut self, seq: u16) -> Choice {
        self.armour.handle_nack(self.now, &Resend::new([Seq(seq)].into_iter()).expect("one"));
        self.armour.choice(&BOUNDS)
    }
}

#[test]
fn nothing_lost_needs_no_copies() {
    let mut peer = Peer::new();
    assert_eq!(peer.armour.choice(&BOUNDS).reason, SendReason::Unheard);
    let choice = (0..20).map(|_| peer.report(0)).last().expect("a choice");
    assert_eq!((choice.copies, choice.bitrate, choice.frame_ms, choice.reason), (0, 48_000, 10, SendReason::Clean));
}

#[test]
fn a_copy_travels_until_a_few_reports_say_that_nothing_is_lost() {
    let mut peer = Peer::new();
    assert_eq!(peer.armour.choice(&BOUNDS).copies, 1);
    let choices: Vec<Choice> = (0..FIRST_REPORTS).map(|_| peer.report(0)).collect();
    let (last, first) = choices.split_last().expect("reports");
    assert!(first.iter().all(|choice| (choice.copies, choice.reason) == (1, SendReason::Unheard)), "{choices:?}");
    assert_eq!((last.copies, last.reason), (0, SendReason::Clean));
}

#[test]
fn one_packet_lost_in_a_long_while_changes_nothing() {
    let mut peer = Peer::new();
    (0..10).for_each(|_| {
        peer.report(0);
    });
    assert_eq!(peer.nack(7).copies, 0);
    assert_eq!(peer.report(1).copies, 0);
    (0..10).for_each(|_| assert_eq!(peer.report(0).copies, 0));
    assert_eq!(peer.nack(7).copies, 0, "the same packet, asked for again");
    assert_eq!(peer.nack(900).copies, 0);
}

#[test]
fn two_losses_named_within_a_second_bring_a_copy_at_once() {
    let mut peer = Peer::new();
    (0..FIRST_REPORTS).for_each(|_| {
        peer.report(0);
    });
    assert_eq!(peer.nack(7).copies, 0);
    assert_eq!(peer.nack(7).copies, 0, "the same packet, asked for again");
    let choice = peer.nack(31);
    assert_eq!((choice.copies, choice.reason), (1, SendReason::Loss));
}

#[test]
fn independent_losses_bring_as_many_copies_as_they_need() {
    for (lost_of_hundred, copies, ready) in [(2, 1, 0), (5, 2, 0), (10, 3, 0), (30, 4, 10)] {
        let mut peer = Peer::new();
        let choices: Vec<Choice> =
            (0..40).map(|n| peer.report_bursts(lost_of_hundred / 2 + n % 2 * (lost_of_hundred % 2), 0.2, 10)).collect();
        let choice = choices[39];
        assert_eq!((choice.copies, choice.reach, choice.reason), (copies, copies, SendReason::Loss), "{lost_of_hundred} %");
        assert_eq!(choice.expected_loss_percent, ready, "copies suffice without the encoder's help");
        assert!(wire(&choice, &BOUNDS) <= WIDEST, "{choice:?}");
    }
}

#[test]
fn losses_in_bursts_bring_copies_that_lie_apart_and_never_farther_than_60_ms() {
    let mut peer = Peer::new();
    let choice = (0..20).map(|_| peer.report_bursts(5, 0.65, 8)).last().expect("a choice");
    assert!(spread(choice.copies, choice.reach).eq([1, 3, 4, 6]), "{choice:?}");
    assert_eq!((choice.reason, choice.sending().spacing), (SendReason::Bursts, 2));
    let mut peer = Peer::new();
    let choice = (0..20).map(|_| peer.report_bursts(2, 0.42, 3)).last().expect("a choice");
    assert!(spread(choice.copies, choice.reach).eq([1, 2, 4]), "{choice:?}");
}

#[test]
fn a_listener_that_waits_longer_anyway_gets_copies_from_farther_back() {
    let mut peer = Peer::new();
    peer.armour.handle_metrics(&VoipMetrics { jb_nominal: 85, ..VoipMetrics::default() }, &BOUNDS);
    let mut choice = Choice::default();
    for _ in 0..20 {
        peer.report(5);
        let metrics = VoipMetrics { burst_density: 166, burst_duration: 80, jb_nominal: 85, ..VoipMetrics::default() };
        peer.armour.handle_metrics(&metrics, &BOUNDS);
        choice = peer.armour.choice(&BOUNDS);
    }
    assert_eq!(choice.reach, 8, "{choice:?}");
}

#[test]
fn copies_go_step_by_step_and_are_gone_within_40_seconds() {
    let mut peer = Peer::new();
    (0..20).for_each(|_| {
        peer.report(15);
    });
    let choices: Vec<Choice> = (0..90).map(|_| peer.report(0)).collect();
    let gone = choices.iter().position(|choice| choice.copies == 0).expect("they go");
    assert!((40..80).contains(&gone), "{} s", gone / 2);
    assert!(choices.windows(2).all(|pair| pair[1].copies <= pair[0].copies));
    assert!(choices[..gone].iter().any(|choice| choice.reason == SendReason::Easing));
    assert_eq!(choices[89].reason, SendReason::Clean);
}

#[test]
fn an_armour_given_back_too_soon_stays_longer_the_next_time() {
    let mut peer = Peer::new();
    let mut spells = Vec::new();
    for _ in 0..3 {
        (0..4).for_each(|_| {
            peer.report(1);
        });
        spells.push((0..200).take_while(|_| peer.report(0).copies > 0).count());
    }
    assert!(spells[1] > spells[0] + 15 && spells[2] > spells[1] + 15, "{spells:?}");
}

#[test]
fn the_bit_rate_falls_before_300_kbit_are_crossed() {
    let bounds = Bounds { bitrate: 128_000, header_bytes: 48, ..BOUNDS };
    let mut peer = Peer::new();
    (0..20).for_each(|_| {
        peer.report(15);
    });
    let choice = peer.armour.choice(&bounds);
    assert!(choice.copies == 4 && wire(&choice, &bounds) <= WIDEST, "{choice:?}");
    assert!(choice.bitrate > 45_000 && choice.reason == SendReason::Loss);
}

#[test]
fn who_takes_no_red_gets_the_encoders_own_copies() {
    let bounds = Bounds { takes_red: false, ..BOUNDS };
    let mut peer = Peer::new();
    (0..20).for_each(|_| {
        peer.report(2);
    });
    let choice = peer.armour.choice(&bounds);
    assert_eq!((choice.copies, choice.expected_loss_percent), (0, 10));
}

#[test]
fn a_queue_that_fills_takes_the_copies_first_then_the_bit_rate() {
    let mut peer = Peer::new();
    (0..10).for_each(|_| {
        peer.report(3);
    });
    peer.heard.rtt_ms = Some(200.0);
    let choices: Vec<Choice> = (0..40).map(|_| peer.report(3)).collect();
    let without = choices.iter().position(|choice| choice.copies == 0).expect("copies go");
    let lower = choices.iter().position(|choice| choice.bitrate < 48_000).expect("the rate falls");
    assert!(without <= lower, "{without} {lower}");
    assert_eq!(choices[lower].reason, SendReason::Narrow);
    assert!(choices[lower].expected_loss_percent > 0, "the encoder's copy is the cheap one");
}
