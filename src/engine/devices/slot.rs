//! One direction's device: which is wanted, which runs, when to try again. A state machine on the devices thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::Report;
use super::seat::Seat;
use super::watch::{Counts, Finding, Watch};
use super::wishes::{DEFAULT, Wishes, is_default, is_virtual};
use crate::os::sound::{Backend, Channels, Direction, Failure, OpenError, Opened, Stream};

/// First and longest pause between attempts to open a device.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// An attempt that takes longer is given up; its thread closes what it may still open.
const OPENING_MAX: Duration = Duration::from_secs(6);
/// Attempts that may hang at the same time; no more are begun until one comes back.
const HANGING_MAX: usize = 3;
/// A stream that ran this long was a good one: its loss is answered at once.
const GOOD: Duration = Duration::from_secs(5);
/// A stream without callbacks for so many looks (a tenth of a second apart) stands still. Looks, not seconds: when the
/// whole process was stopped, nobody looked.
const STILL_LOOKS: u32 = 10;
/// The same for a new stream: a server that idled may sleep out its two seconds of buffer first.
const STILL_LOOKS_AT_FIRST: u32 = 30;
const FIRST: Duration = Duration::from_secs(3);

/// Opens a stream whose callback uses whoever sits in the seat.
pub(super) type Open<T> = dyn Fn(&dyn Backend, &str, Arc<Seat<T>>) -> Result<Stream, OpenError> + Send + Sync;

/// What became of the device.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Event {
    Opened(Opened),
    /// The running device was lost (`was_running`), or the wanted one cannot be had. One sentence.
    Lost {
        sentence: String,
        was_running: bool,
    },
    /// Not wanted any more.
    Closed,
    Xruns(u32),
    /// It runs, and something is wrong with it all the same. One sentence.
    Odd(String),
    /// Another device than before, and why. One sentence.
    Turned(String),
    /// Another device than before, which the user never named.
    Unasked,
}

struct Running<T> {
    stream: Stream,
    seat: Arc<Seat<T>>,
    since: Instant,
    blocks: u32,
    still_looks: u32,
    xruns: u32,
    watch: Watch,
    /// It was among the host's devices since it runs.
    seen: bool,
    /// Told once that its file is full.
    told_full: bool,
}

impl<T> Running<T> {
    fn new(stream: Stream, seat: Arc<Seat<T>>, now: Instant) -> Self {
        Self { stream, seat, since: now, blocks: 0, still_looks: 0, xruns: 0, watch: Watch::default(), seen: false, told_full: false }
    }

    /// What its counters say; nothing, of a device without a card.
    fn watch_counters(&mut self, direction: Direction, now: Instant) -> Option<Finding> {
        let health = &self.stream.health;
        let counts = Counts { frames: health.frames(), xruns: self.xruns, sounded: health.take_sounded(), gap: health.take_gap() };
        (counts.frames != 0).then(|| self.watch.look(now, self.stream.opened.format.rate, direction, counts))?
    }
}

struct Opening<T> {
    ticket: u64,
    seat: Arc<Seat<T>>,
    since: Instant,
}

/// `T` is what the callback works with: it sits in the running stream's seat, in the fallback's, or is parked here.
pub(super) struct Slot<T> {
    pub(super) direction: Direction,
    wishes: Wishes,
    backend: Arc<dyn Backend>,
    open: Arc<Open<T>>,
    /// The virtual device between streams.
    fallback_spec: String,
    reports: Sender<Report>,
    replace: Box<dyn FnMut() -> Option<Box<T>> + Send>,
    /// Prepares it for its next stream.
    refresh: fn(&mut T),

    wanted: bool,
    parked: Option<Box<T>>,
    /// A wedged callback may have taken it along.
    missing: Option<Arc<Seat<T>>>,
    running: Option<Running<T>>,
    fallback: Option<Running<T>>,
    opening: Option<Opening<T>>,
    retry_at: Option<Instant>,
    pause: Duration,
    tickets: u64,
    hanging: Arc<()>,
    told: Option<String>,
    events: Vec<Event>,
}

/// What a slot is made of.
pub(super) struct Parts<T> {
    pub(super) direction: Direction,
    pub(super) wishes: Vec<String>,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) open: Arc<Open<T>>,
    pub(super) fallback_spec: String,
    pub(super) reports: Sender<Report>,
    pub(super) sitter: Box<T>,
    /// Makes another when a wedged callback keeps the one.
    pub(super) replace: Box<dyn FnMut() -> Option<Box<T>> + Send>,
    pub(super) refresh: fn(&mut T),
}

impl<T: Send + 'static> Slot<T> {
    pub(super) fn new(parts: Parts<T>) -> Self {
        Self {
            direction: parts.direction,
            wishes: Wishes::new(parts.wishes),
            backend: parts.backend,
            open: parts.open,
            fallback_spec: parts.fallback_spec,
            reports: parts.reports,
            replace: parts.replace,
            refresh: parts.refresh,
            wanted: false,
            parked: Some(parts.sitter),
            missing: None,
            running: None,
            fallback: None,
            opening: None,
            retry_at: None,
            pause: PAUSE_MIN,
            tickets: 0,
            hanging: Arc::new(()),
            told: None,
            events: Vec::new(),
        }
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Seen while it ran, and not any more. A host that hides a device in use never shows it.
    fn is_pulled_out(&mut self, found: &[(String, Option<String>)]) -> bool {
        let spec = self.wishes.spec();
        let Some(running) = self.running.as_mut().filter(|_| !is_default(spec)) else { return false };
        match found.iter().find(|(sought, _)| sought == spec) {
            Some((_, Some(id))) => {
                running.seen |= *id == running.stream.opened.id;
                false
            }
            Some((_, None)) => running.seen,
            None => false,
        }
    }

    /// Needs [`Slot::handle_look`] ten times a second.
    pub(super) fn is_busy(&self) -> bool {
        self.wanted
    }

    pub(super) fn running(&self) -> Option<&Opened> {
        self.running.as_ref().map(|running| &running.stream.opened)
    }

    /// The device that is in use or tried, as the user named it.
    fn spec(&self) -> &str {
        self.wishes.spec()
    }

    /// The user's order, and which of it that is.
    pub(super) fn order(&self) -> (Vec<String>, usize) {
        (self.wishes.order(), self.wishes.current())
    }

    /// What is to be looked for now and then: better devices than this one, whether the default is still the same, and whether
    /// this one is still there: a sound server moves the streams of a device that is pulled out to another, and does not say so.
    pub(super) fn sought(&self) -> Vec<String> {
        let watched = self.running.is_some() && !is_virtual(self.spec());
        let better = self.wishes.better().filter(|_| self.wanted);
        better.chain(watched.then_some(self.spec())).map(str::to_owned).collect()
    }

    /// What is there of [`Slot::sought`], by its own id.
    pub(super) fn handle_found(&mut self, found: &[(String, Option<String>)], now: Instant) {
        if self.is_pulled_out(found) {
            return self.handle_lost(Failure::Gone, now);
        }
        let id_of = |spec: &str| found.iter().find(|(sought, _)| sought == spec).and_then(|(_, id)| id.as_deref());
        let (noun, before) = (self.direction.noun(), self.spec().to_owned());
        if self.wanted && self.wishes.handle_found(|spec| id_of(spec).is_some(), now) {
            let is_same = self.running().is_some_and(|running| {
                Some(running.id.as_str()) == id_of(self.spec()) && Channels::split(&before).1 == Channels::split(self.spec()).1
            });
            if !is_same {
                self.events.push(Event::Turned(format!("The {noun} {} is there: taking it.", self.spec())));
                self.restart(now);
            }
        } else if let (true, Some(running), Some(id)) = (is_default(&before), self.running(), id_of(&before)) {
            // The system's default may have changed under a stream that stays where it is.
            if running.id != id {
                self.events.push(Event::Turned(format!("The system's default {noun} has changed: following it.")));
                self.restart(now);
            }
        }
    }

    /// The device is to run, or to be closed. Once this returns with `false`, the callback reaches nothing any more.
    pub(super) fn handle_wanted(&mut self, wanted: bool, now: Instant) {
        if std::mem::replace(&mut self.wanted, wanted) == wanted {
            return;
        }
        if wanted {
            self.wishes.restart(now);
            self.begin(now);
        } else {
            self.close();
            self.events.push(Event::Closed);
        }
    }

    /// The user chooses a device: first of all, as long as the program runs.
    pub(super) fn handle_choice(&mut self, spec: String, now: Instant) {
        self.wishes.choose(spec);
        self.restart(now);
    }

    pub(super) fn handle_backend(&mut self, backend: Arc<dyn Backend>, now: Instant) {
        self.backend = backend;
        self.wishes.forget_cards();
        self.restart(now);
    }

    /// Closes what runs and opens what is wanted anew.
    fn restart(&mut self, now: Instant) {
        self.told = None;
        self.pause = PAUSE_MIN;
        self.close();
        if self.wanted {
            self.begin(now);
        }
    }

    /// An attempt to open ended. What nobody waits for any more is closed here.
    pub(super) fn handle_opened(&mut self, ticket: u64, result: Result<Stream, OpenError>, now: Instant) {
        let Some(opening) = self.opening.take_if(|opening| opening.ticket == ticket) else { return };
        match result {
            Ok(stream) => {
                if let Some(fallback) = self.fallback.take() {
                    self.reclaim(fallback);
                }
                self.told = None;
                self.wishes.handle_opened();
                self.events.push(Event::Opened(stream.opened.clone()));
                self.running = Some(self.seat_in(Running::new(stream, opening.seat, now)));
            }
            Err(error) => self.handle_refused(&error, now),
        }
    }

    fn handle_refused(&mut self, error: &OpenError, now: Instant) {
        if self.step_down(&error.to_string(), now) {
            return;
        }
        self.retry_at = error.may_pass().then(|| now + self.pause);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.tell(error.to_string(), false);
    }

    /// The next device of the order, if there is one, in place of the one that `sentence` tells of.
    fn step_down(&mut self, sentence: &str, now: Instant) -> bool {
        let Some(is_news) = self.wishes.handle_refused(now) else { return false };
        let next = if self.spec() == DEFAULT { "the system's default" } else { self.spec() };
        let sentence = format!("{sentence} Until then the {} is {next}.", self.direction.noun());
        if is_news {
            self.events.push(Event::Turned(sentence));
        }
        if self.wishes.is_unasked() {
            self.events.push(Event::Unasked);
        }
        (self.pause, self.told) = (PAUSE_MIN, None);
        self.begin(now);
        true
    }

    /// Ten times a second while wanted.
    pub(super) fn handle_look(&mut self, now: Instant) {
        if self.opening.as_ref().is_some_and(|opening| now.saturating_duration_since(opening.since) > OPENING_MAX) {
            self.opening = None;
            self.handle_refused(&OpenError::NoAnswer { direction: self.direction, name: self.spec().to_owned() }, now);
        }
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            self.begin(now);
        }
        self.recover_missing();
        let Some(running) = &mut self.running else { return };
        let xruns = running.stream.health.xruns();
        if xruns != running.xruns {
            self.events.push(Event::Xruns(xruns.wrapping_sub(running.xruns)));
            running.xruns = xruns;
        }
        if let Some(finding) = running.watch_counters(self.direction, now) {
            self.events.push(Event::Odd(finding.sentence(self.direction, &running.stream.opened.name)));
        }
        match look(running, now) {
            None => {}
            Some(Failure::DiskFull) if running.told_full => {}
            Some(Failure::DiskFull) => {
                running.told_full = true;
                let sentence = Failure::DiskFull.sentence(self.direction, &running.stream.opened.name);
                self.tell(sentence, false);
            }
            Some(failure) => self.handle_lost(failure, now),
        }
    }

    fn handle_lost(&mut self, failure: Failure, now: Instant) {
        let Some(running) = self.running.take() else { return };
        let sentence = failure.sentence(self.direction, &running.stream.opened.name);
        let was_good = now.saturating_duration_since(running.since) > GOOD;
        running.stream.health.fail(failure);
        if let Some(error) = running.stream.health.error() {
            tracing::info!("{}: {error}", running.stream.opened.name);
        }
        self.reclaim(running);
        self.tell(sentence.clone(), true);
        if was_good {
            self.wishes.handle_good();
        }
        if was_good || self.pause == PAUSE_MIN {
            self.pause = if was_good { PAUSE_MIN } else { PAUSE_MIN * 2 };
            self.begin(now);
        } else if !self.step_down(&sentence, now) {
            self.retry_at = Some(now + self.pause);
            self.pause = (self.pause * 2).min(PAUSE_MAX);
            self.fall_back(now);
        }
    }

    /// The same sentence is told once until the device is there again.
    fn tell(&mut self, sentence: String, was_running: bool) {
        if was_running || self.told.as_ref() != Some(&sentence) {
            self.told = Some(sentence.clone());
            self.events.push(Event::Lost { sentence, was_running });
        }
    }

    /// Starts to open the wanted device on a thread of its own: it may block for seconds.
    fn begin(&mut self, now: Instant) {
        self.fall_back(now);
        if self.opening.is_some() {
            return;
        }
        if Arc::strong_count(&self.hanging) > HANGING_MAX {
            self.retry_at = Some(now + PAUSE_MAX);
            return;
        }
        self.tickets += 1;
        let (ticket, direction, seat) = (self.tickets, self.direction, Arc::new(Seat::default()));
        let (backend, open, spec) = (self.backend.clone(), self.open.clone(), self.spec().to_owned());
        let (reports, hanging, empty) = (self.reports.clone(), self.hanging.clone(), seat.clone());
        let attempt = std::thread::Builder::new().name("open-stream".into()).spawn(move || {
            let result = open(backend.as_ref(), &spec, empty);
            drop(hanging);
            // With nobody left to hear it, the stream is closed here.
            let _ = reports.send(Report::Opened { direction, ticket, result });
        });
        match attempt {
            Ok(_) => self.opening = Some(Opening { ticket, seat, since: now }),
            Err(error) => {
                let (name, why) = (self.spec().to_owned(), error.to_string());
                self.handle_refused(&OpenError::Other { direction, name, why }, now);
            }
        }
    }

    /// The virtual device takes over until the wanted one is there.
    fn fall_back(&mut self, now: Instant) {
        if self.fallback.is_some() || self.running.is_some() {
            return;
        }
        let seat = Arc::new(Seat::default());
        match (self.open)(self.backend.as_ref(), &self.fallback_spec, seat.clone()) {
            Ok(stream) => self.fallback = Some(self.seat_in(Running::new(stream, seat, now))),
            Err(error) => tracing::warn!("{}: {error}", self.fallback_spec),
        }
    }

    fn seat_in(&mut self, running: Running<T>) -> Running<T> {
        self.recover_missing();
        if self.parked.is_none() {
            self.parked = (self.replace)();
            if self.parked.is_some() {
                self.missing = None;
            }
        }
        if let Some(mut sitter) = self.parked.take() {
            (self.refresh)(&mut sitter);
            running.seat.seat(sitter);
        }
        running
    }

    /// A wedged callback that came back after all: its sitter goes where it belongs.
    fn recover_missing(&mut self) {
        let Some(mut sitter) = self.missing.as_ref().and_then(|seat| seat.take_late()) else { return };
        self.missing = None;
        match self.running.as_ref().or(self.fallback.as_ref()) {
            Some(running) => {
                (self.refresh)(&mut sitter);
                running.seat.seat(sitter);
            }
            None => self.parked = Some(sitter),
        }
    }

    /// Takes the sitter out first, so that nothing flows any more, and closes the stream then.
    fn reclaim(&mut self, running: Running<T>) {
        match running.seat.take() {
            Some(sitter) => self.parked = Some(sitter),
            None if self.missing.is_none() => {
                tracing::warn!("the callback of {} hangs", running.stream.opened.name);
                self.missing = Some(running.seat);
            }
            None => {}
        }
        drop(running.stream);
    }

    fn close(&mut self) {
        (self.opening, self.retry_at) = (None, None);
        for running in [self.running.take(), self.fallback.take()].into_iter().flatten() {
            self.reclaim(running);
        }
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        // Seats first: whatever a sick host's thread still does, it reaches nothing.
        for running in [&self.running, &self.fallback].into_iter().flatten() {
            drop(running.seat.take());
        }
    }
}

fn look<T>(running: &mut Running<T>, now: Instant) -> Option<Failure> {
    let blocks = running.stream.health.blocks();
    running.still_looks = if blocks == running.blocks { running.still_looks + 1 } else { 0 };
    running.blocks = blocks;
    let is_new = now.saturating_duration_since(running.since) < FIRST;
    let stalled = running.still_looks >= if is_new { STILL_LOOKS_AT_FIRST } else { STILL_LOOKS };
    running.stream.health.failure().or_else(|| stalled.then_some(Failure::Stalled))
}
