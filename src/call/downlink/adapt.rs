//! How a stream to one peer is armoured against losses, from that peer's own reports.

/// Losses above this are answered with one copy, above the next with two (percent; DEPENDENCIES' measurements: one copy mends
/// independent losses, two mend short bursts).
const ONE_COPY: f32 = 1.0;
const TWO_COPIES: f32 = 5.0;
/// ... and below this share of a step, the step is taken back.
const BACK: f32 = 0.4;

/// What the reports of one peer ask of the sender.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Armour {
    /// Smoothed loss, percent.
    loss: f32,
    copies: u8,
}

impl Armour {
    /// A report said that so much of the latest interval was lost. Rises with the first bad report, falls over some ten good ones.
    pub(super) fn handle_loss(&mut self, percent: f32) {
        let weight = if percent > self.loss { 0.5 } else { 0.1 };
        self.loss += (percent - self.loss) * weight;
        let rises = u8::from(self.loss > ONE_COPY) + u8::from(self.loss > TWO_COPIES);
        let stays = u8::from(self.loss > ONE_COPY * BACK) + u8::from(self.loss > TWO_COPIES * BACK);
        self.copies = self.copies.max(rises).min(stays.max(rises));
    }

    /// Copies of each frame, 0..=2.
    pub(super) fn copies(&self) -> u8 {
        self.copies
    }

    /// For the encoder, percent: in steps, so that the plan changes rarely.
    pub(super) fn expected_loss_percent(&self) -> u8 {
        match self.loss {
            loss if loss < 0.5 => 0,
            loss if loss < 2.0 => 2,
            loss if loss < 5.0 => 5,
            loss if loss < 10.0 => 10,
            _ => 20,
        }
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
        assert_eq!(armour.copies(), 1);
        armour.handle_loss(20.0);
        assert_eq!((armour.copies(), armour.expected_loss_percent()), (2, 20));
        let reports = (0..100).take_while(|_| {
            armour.handle_loss(0.0);
            armour.copies() > 0
        });
        assert!((20..60).contains(&reports.count()));
    }
}
