//! The random source of salts, tokens and challenges. The other files take random bytes as arguments, so that their
//! tests repeat exactly.

/// Returns random bytes that nobody can predict.
///
/// # Panics
///
/// If the system has no source of random bytes. No secret can be made without it. A system that has given random bytes
/// once does not refuse them later.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_differ_each_time() {
        assert_ne!(random_bytes::<32>(), random_bytes::<32>());
    }
}
