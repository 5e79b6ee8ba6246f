//! Questions that this process asks itself from outside.

use super::slot;
use crate::app::engine::Engine;

/// Has the listener answer `path` once, with the field `proof`; false where none runs.
pub(crate) fn expect(engine: &Engine, path: &str, proof: String) -> bool {
    let slot = slot(engine);
    if let Some(running) = slot.as_ref() {
        running.listening.expect(path, proof);
    }
    slot.is_some()
}
