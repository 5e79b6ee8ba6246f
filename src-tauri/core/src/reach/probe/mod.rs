//! The probe: asks a public address for a proof that this Casement answers behind it, from outside in.
//!
//! A nonce goes out under the address as a mail program would ask for a picture, and the listener of this process alone
//! can answer it. [`asker`] asks, [`sight`] is what it saw, [`verdict`] says what that means, [`schedule`] when to ask
//! again. `app::reach_probe` wires them.

pub mod asker;
pub mod schedule;
pub mod sight;
pub mod verdict;

/// The field in which the listener proves itself.
pub const PROOF: &str = "X-Casement-Proof";

/// Where nonces stand under a base address; RFC 8615 keeps `/.well-known/` free of everybody's pages.
pub const PATH: &str = "/.well-known/casement/";

/// What the workspace's key is derived with for this purpose.
const CONTEXT: &str = "casement 2026-11 proof of a public address";

/// Makes a nonce's text of 16 random bytes: 22 letters of base64url (RFC 4648 §5).
pub fn nonce(random: [u8; 16]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(&random)
}

/// Returns what only a holder of the workspace's key can answer to `nonce`, in 64 hexadecimal digits.
pub fn proof(workspace_key: &[u8; 32], nonce: &str) -> String {
    let key = blake3::derive_key(CONTEXT, workspace_key);
    blake3::keyed_hash(&key, nonce.as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_of_one_workspace_and_one_nonce() {
        let (one, other) = (nonce([1; 16]), nonce([2; 16]));
        assert_eq!(one.len(), 22);
        assert!(
            one.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
        let right = proof(&[7; 32], &one);
        assert_eq!(right, proof(&[7; 32], &one));
        assert_ne!(right, proof(&[8; 32], &one), "another workspace");
        assert_ne!(right, proof(&[7; 32], &other), "another nonce");
    }
}
