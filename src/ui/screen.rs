//! Drawing: a function of the app, the snapshot and the waveforms. Main thread; changes nothing but the frame.
//!
//! ```text
//! header    voicetui   1 Talk  2 Listen  3 Network  4 Peers        REC   MUTED   ON AIR
//! alarm     workshop shows another key than before ... (only until it is put away)
//! banner    RINGING  alice is calling ...              (only while somebody rings)
//! body      one of four views; over it the help, the picker or a question
//! message   the latest word of the engine, or where we listen
//! footer    the keys that do something now
//! ```

mod banner;
mod doctor;
mod footer;
mod gauge;
mod header;
mod help;
mod listen;
mod network;
mod paint;
mod peers;
mod picker;
mod sign;
mod strip;
mod talk;
mod wave;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};

use super::action::View;
use super::app::{App, List, Mode};
use super::theme::Theme;
use crate::engine::{Meters, PublicKey, Snapshot};
use crate::units::PeerId;

/// Smaller than this shows only a sentence.
const WIDTH_MIN: u16 = 40;
const HEIGHT_MIN: u16 = 12;

/// All that drawing may look at.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub app: &'a App,
    pub snapshot: &'a Snapshot,
    /// For the waveforms alone.
    pub meters: &'a Meters,
    pub theme: &'a Theme,
}

/// Where things were drawn, for the mouse.
#[derive(Clone, Debug, Default)]
pub struct Zones {
    pub talk: Option<Rect>,
    /// Whose four words can be read.
    pub words: Option<PublicKey>,
    views: Vec<(Rect, View)>,
    peers: Vec<(Rect, PeerId)>,
    field: Option<Rect>,
    lists: Vec<(Rect, List)>,
    rows: Vec<(Rect, usize)>,
}

fn find<T: Copy>(zones: &[(Rect, T)], at: (u16, u16)) -> Option<T> {
    zones.iter().find(|(area, _)| area.contains(at.into())).map(|(_, what)| *what)
}

impl Zones {
    #[must_use]
    pub fn view_at(&self, at: (u16, u16)) -> Option<View> {
        find(&self.views, at)
    }

    #[must_use]
    pub fn peer_at(&self, at: (u16, u16)) -> Option<PeerId> {
        find(&self.peers, at)
    }

    #[must_use]
    pub fn field_at(&self, at: (u16, u16)) -> bool {
        self.field.is_some_and(|area| area.contains(at.into()))
    }

    #[must_use]
    pub fn list_at(&self, at: (u16, u16)) -> Option<List> {
        find(&self.lists, at)
    }

    #[must_use]
    pub fn row_at(&self, at: (u16, u16)) -> Option<usize> {
        find(&self.rows, at)
    }
}

/// Draws everything; says where.
pub fn draw(frame: &mut Frame, scene: &Scene) -> Zones {
    let mut zones = Zones::default();
    let area = frame.area();
    if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
        too_small(frame, scene);
        return zones;
    }
    let rings = u16::from(scene.app.ringing(scene.snapshot).is_some());
    let alarm = banner::alarm_lines(scene, area.width);
    let words = footer::message(scene, area);
    let alarm_rows = (alarm.len() as u16).min(area.height / 2);
    let rows = [
        Constraint::Length(1),
        Constraint::Length(alarm_rows),
        Constraint::Length(rings),
        Constraint::Min(0),
        Constraint::Length(words.0.len() as u16),
        Constraint::Length(1),
    ];
    let [top, danger, bell, body, message, bottom] = Layout::vertical(rows).areas(area);
    header::draw(frame.buffer_mut(), top, scene, &mut zones);
    banner::alarm(frame.buffer_mut(), danger, scene, &alarm);
    if rings > 0 {
        banner::ring(frame.buffer_mut(), bell, scene);
    }
    match scene.app.view {
        View::Talk => talk::draw(frame, body, scene, &mut zones),
        View::Listen => listen::draw(frame.buffer_mut(), body, scene, &mut zones),
        View::Network => network::draw(frame.buffer_mut(), body, scene),
        View::Peers => peers::draw(frame.buffer_mut(), body, scene, &mut zones),
    }
    match &scene.app.mode {
        Mode::Help { scroll } => help::draw(frame.buffer_mut(), body, scene, *scroll),
        Mode::Doctor { scroll } => doctor::draw(frame.buffer_mut(), body, scene, *scroll),
        Mode::Picker(picker) => picker::draw(frame.buffer_mut(), body, scene, picker, &mut zones),
        Mode::Quit => banner::quit(frame.buffer_mut(), body, scene),
        Mode::Clear { id, typed } => banner::clear(frame.buffer_mut(), body, scene, *id, typed),
        Mode::Main | Mode::Field => {}
    }
    if !matches!(scene.app.mode, Mode::Main | Mode::Field) {
        // Covered: a click there is for what lies over it, and nobody reads what lies under it.
        (zones.talk, zones.words) = (None, None);
    }
    footer::say(frame.buffer_mut(), message, &words);
    footer::keys(frame.buffer_mut(), bottom, scene);
    zones
}

/// Says that there is no room, and still whether the microphone is on air.
fn too_small(frame: &mut Frame, scene: &Scene) {
    let area = frame.area();
    let on_air = scene.snapshot.on_air;
    let lines = if on_air {
        vec!["ON AIR".to_string(), format!("need {WIDTH_MIN}x{HEIGHT_MIN}")]
    } else {
        vec!["too small:".to_string(), format!("need {WIDTH_MIN}x{HEIGHT_MIN},"), format!("have {}x{}", area.width, area.height)]
    };
    let style = if on_air { scene.theme.on_air } else { scene.theme.text };
    for (row, line) in lines.iter().enumerate() {
        paint::text(frame.buffer_mut(), area, row as u16, 0, line, style);
    }
}

#[cfg(test)]
mod tests;
