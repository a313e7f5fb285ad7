//! The screen: app state, drawing, keys, and the plain modes.
