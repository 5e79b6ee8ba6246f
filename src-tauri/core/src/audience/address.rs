//! The keyed hash under which a refusal of mail survives the person's erasure.

/// Returns the hash of an address under the workspace's key.
///
/// `email_key` is the address in lower case ([`crate::domain::contact::EmailAddress::key`]). Without the key,
/// which never leaves the workspace, a list of hashes cannot be tried against a list of addresses.
pub fn address_hash(key: &[u8; 32], email_key: &str) -> [u8; 16] {
    let mut out = [0; 16];
    blake3::Hasher::new_keyed(key)
        .update(email_key.as_bytes())
        .finalize_xof()
        .fill(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_address_has_another_hash_in_another_workspace() {
        assert_eq!(
            address_hash(&[1; 32], "ana@example.org"),
            address_hash(&[1; 32], "ana@example.org")
        );
        assert_ne!(
            address_hash(&[1; 32], "ana@example.org"),
            address_hash(&[2; 32], "ana@example.org")
        );
    }
}
