//! Real processes, real UDP, real sound servers: what one side says comes out of the other side's loudspeaker.

mod call;
mod channels;
mod doctor;
mod echo;
mod ffmpeg;
mod gstreamer;
mod hotplug;
mod process;
mod pulse;
mod seed;
mod signal;
mod steady;
