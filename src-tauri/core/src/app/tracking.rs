//! The listener wired to the writer: hits, opt-outs, public pages.
