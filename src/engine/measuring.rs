//! The probe of a measurement on the sender thread: between the microphone's frames and the uplink, with an ear at the loudspeaker.
//!
//! It leases nothing: no [`super::Holder`] is involved. Whoever keys the microphone ends it, and is heard at once.

use std::sync::Arc;
use std::time::Instant;

use rtrb::Consumer;

use super::Controls;
use super::playback::FarFrame;
use crate::audio::Frame;
use crate::call::{Order, Phase, Probe, Side, Trials};

/// What the sender thread has of a measurement.
#[derive(Debug)]
pub struct Measuring {
    controls: Arc<Controls>,
    probe: Option<Probe>,
    ear: Option<Consumer<FarFrame>>,
    result: Option<Result<Trials, String>>,
}

impl Measuring {
    #[must_use]
    pub fn new(controls: Arc<Controls>) -> Self {
        Self { controls, probe: None, ear: None, result: None }
    }

    /// A playback's ear; see [`super::playback::PlaybackHandle::take_ear`].
    pub fn set_ear(&mut self, ear: Consumer<FarFrame>) {
        self.ear = Some(ear);
    }

    /// The downlink's [`crate::call::Event::Measure`]. Allocates when a measurement begins.
    pub fn handle_order(&mut self, order: Option<Order>) {
        match (order, &mut self.probe) {
            (None, Some(probe)) => probe.stop(),
            (None, None) => {}
            (Some(order), Some(probe)) if probe.order().run == order.run => probe.handle_phase(order.phase),
            (Some(order), _) => {
                self.drain_ear();
                self.probe = Some(Probe::new(order));
            }
        }
    }

    fn drain_ear(&mut self) {
        if let Some(ear) = &mut self.ear {
            while ear.pop().is_ok() {}
        }
    }

    /// The microphone's next frame, whose first sample was in the air at `captured`. `None`: nothing is measured, the frame is as
    /// it was. Else it is overwritten, and this says whether it leaves. `talks`: the user has the microphone on air, which ends it.
    pub fn handle_frame(&mut self, frame: &mut Frame, captured: Instant, talks: bool) -> Option<bool> {
        let probe = self.probe.as_mut()?;
        if talks || probe.is_over() {
            let asked = matches!(probe.order().side, Side::Asks { .. });
            if talks && asked && self.controls.measuring().is_some() {
                self.result = Some(Err("The delay is measured no more: the microphone was put on air.".into()));
            }
            self.probe = None;
            if talks {
                self.controls.set_measuring(None);
            }
            return None;
        }
        while let Some(Ok(far)) = self.ear.as_mut().map(Consumer::pop) {
            probe.handle_ear(&far.samples, far.at);
        }
        let leaves = probe.handle_mouth(frame, captured);
        if probe.is_done() {
            match probe.order() {
                Order { side: Side::Asks { .. }, phase: Phase::Steady, .. } => self.controls.set_measuring(Some(Phase::Keyed)),
                Order { side, .. } => {
                    if side != Side::Answers && self.controls.measuring().is_some() {
                        self.result = Some(Ok(probe.trials().clone()));
                    }
                    self.controls.set_measuring(None);
                    probe.stop();
                }
            }
        }
        Some(leaves)
    }

    /// What this side has measured, once; or why it could not, in a sentence.
    pub fn poll_result(&mut self) -> Option<Result<Trials, String>> {
        self.result.take()
    }
}
