//! The local socket by which other processes reach the engine.
