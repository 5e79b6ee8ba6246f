//! Casement core.
