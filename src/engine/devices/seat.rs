//! Where something that must outlive its stream sits while the stream's callback uses it: takes it, uses it, puts it back.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crossbeam_utils::atomic::AtomicCell;

// A callback may not lock: the cell must be one machine word with a native exchange.
const _: () = assert!(AtomicCell::<Option<Box<u8>>>::is_lock_free());

/// A callback has a value in hand for far less than this; longer means that it hangs.
const PATIENCE: Duration = Duration::from_millis(100);

/// One stream's seat: closed and empty when made.
pub(super) struct Seat<T> {
    cell: AtomicCell<Option<Box<T>>>,
    open: AtomicBool,
}

impl<T> Default for Seat<T> {
    fn default() -> Self {
        Self { cell: AtomicCell::new(None), open: AtomicBool::new(false) }
    }
}

impl<T> Seat<T> {
    /// For the callback: `use_it` on what sits here. False: nobody does, or the seat is closed.
    pub(super) fn with(&self, use_it: impl FnOnce(&mut T)) -> bool {
        // Relaxed: who passes by mistake just after a close finds the cell empty, or holds a value that is waited for.
        if !self.open.load(Relaxed) {
            return false;
        }
        let Some(mut sitter) = self.cell.take() else { return false };
        use_it(&mut sitter);
        self.cell.store(Some(sitter));
        true
    }

    /// Puts `sitter` here for the callback to use.
    pub(super) fn seat(&self, sitter: Box<T>) {
        self.cell.store(Some(sitter));
        self.open.store(true, Relaxed);
    }

    /// The callback gets nothing any more. Takes what sits here, waiting for a callback in its midst;
    /// `None`: it is not given back in time (see [`Seat::take_late`]), or nobody sat here.
    pub(super) fn take(&self) -> Option<Box<T>> {
        let was_open = self.open.swap(false, Relaxed);
        let end = Instant::now() + PATIENCE;
        loop {
            let sitter = self.cell.take();
            if sitter.is_some() || !was_open || Instant::now() > end {
                return sitter;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// What a callback put back after all.
    pub(super) fn take_late(&self) -> Option<Box<T>> {
        self.cell.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_callback_uses_it_and_leaves_it() {
        let seat = Seat::default();
        assert!(!seat.with(|_: &mut u32| unreachable!()));
        seat.seat(Box::new(7));
        assert!(seat.with(|sitter| *sitter += 1));
        assert_eq!(seat.take(), Some(Box::new(8)));
        assert!(!seat.with(|_| unreachable!()));
    }

    #[test]
    fn it_is_handed_from_stream_to_stream_while_both_call_back() {
        let seats: [Arc<Seat<u64>>; 2] = Default::default();
        let stop = Arc::new(AtomicBool::new(false));
        let callbacks = seats.clone().map(|seat| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                let mut used = 0;
                while !stop.load(Relaxed) {
                    used += u64::from(seat.with(|sitter| *sitter += 1));
                    std::thread::yield_now();
                }
                used
            })
        });
        let mut sitter = Some(Box::new(0));
        for turn in 0..400 {
            let seat = &seats[turn % 2];
            seat.seat(sitter.take().expect("it came back each time"));
            std::thread::sleep(Duration::from_micros(50));
            sitter = seat.take();
        }
        stop.store(true, Relaxed);
        let used: u64 = callbacks.map(|thread| thread.join().expect("no panic")).iter().sum();
        assert_eq!(sitter.map(|count| *count), Some(used));
    }

    #[test]
    fn one_that_hangs_is_given_up_and_found_later() {
        let seat = Arc::new(Seat::default());
        seat.seat(Box::new(1));
        let (entered, entering) = crossbeam_channel::bounded::<()>(1);
        let (release, released) = crossbeam_channel::bounded::<()>(1);
        let hanging = seat.clone();
        let thread = std::thread::spawn(move || {
            hanging.with(|_| {
                entered.send(()).expect("heard");
                released.recv().expect("released");
            })
        });
        entering.recv().expect("entered");
        assert_eq!(seat.take(), None);
        release.send(()).expect("released");
        thread.join().expect("no panic");
        assert_eq!(seat.take_late(), Some(Box::new(1)));
    }
}
