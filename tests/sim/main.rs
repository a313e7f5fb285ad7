//! A whole call in virtual time: seeded, from event to event, with sound cards that drift and stall, over a network that
//! delays, loses, reorders, doubles and corrupts. It drives the very structs that the threads own. A failure prints its seed.

mod air;
mod calls;
mod delay;
mod earcons;
mod endings;
mod formats;
mod friends;
mod hostile;
mod hour;
mod losses;
mod measure;
mod models;
mod net;
mod node;
mod private;
mod repair;
mod replay;
mod restarts;
mod rogue;
mod sealed;
mod setup;
mod sound;
mod strangers;
mod trust;
mod voice;
mod world;
