//! The config file and its merge with the command line.
