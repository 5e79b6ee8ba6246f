//! casementctl
fn main() {}
