//! How a stream to one peer is armoured against losses, from that peer's own reports.

/// A step is taken above the loss of its row, percent: copies of each frame, and what the encoder prepares for. One copy
/// mends independent losses, two mend short bursts.
const STEPS: [(f32, u8, u8); 4] = [(0.8, 0, 2), (1.5, 1, 5), (5.0, 2, 10), (12.0, 2, 20)];
/// ... and taken back below this share of it.
const BACK: f32 = 0.5;
/// How much of the picture one report is, and one that says something terrible.
const WEIGHT: f32 = 0.1;
const WEIGHT_TERRIBLE: f32 = 0.4;
const TERRIBLE: f32 = 8.0;

/// What the reports of one peer ask of the sender.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Armour {
    /// Smoothed loss, percent.
    loss: f32,
    /// Steps taken.
    steps: usize,
}

impl Armour {
    /// A report said that so much of the latest interval was lost.
    pub(super) fn handle_loss(&mut self, percent: f32) {
        let weight = if percent - self.loss > TERRIBLE { WEIGHT_TERRIBLE } else { WEIGHT };
        self.loss += (percent - self.loss) * weight;
        while STEPS.get(self.steps).is_some_and(|step| self.loss > step.0) {
            self.steps += 1;
        }
        while self.step().is_some_and(|step| self.loss < step.0 * BACK) {
            self.steps -= 1;
        }
    }

    fn step(&self) -> Option<&(f32, u8, u8)> {
        STEPS.get(self.steps.checked_sub(1)?)
    }

    /// Copies of each frame, 0..=2.
    pub(super) fn copies(&self) -> u8 {
        self.step().map_or(0, |step| step.1)
    }

    /// For the encoder, percent.
    pub(super) fn expected_loss_percent(&self) -> u8 {
        self.step().map_or(0, |step| step.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_bring_copies_at_once_and_good_reports_take_them_back_slowly() {
        let mut armour = Armour::default();
        armour.handle_loss(0.0);
        assert_eq!((armour.copies(), armour.expected_loss_percent()), (0, 0));
        armour.handle_loss(4.0);
        assert_eq!(armour.copies(), 0, "one lost packet is no reason");
        armour.handle_loss(20.0);
        assert_eq!(armour.copies(), 2);
        (0..10).for_each(|_| armour.handle_loss(20.0));
        assert_eq!((armour.copies(), armour.expected_loss_percent()), (2, 20));
        let reports = (0..100).take_while(|_| {
            armour.handle_loss(0.0);
            armour.copies() > 0
        });
        assert!((20..60).contains(&reports.count()));
    }
}
