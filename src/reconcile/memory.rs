//! What a look at a thousand marts needs for a moment is not kept for ever.

/// Gives memory that is free back to the system. The allocator of glibc keeps most of it by itself, because what lives on lies
/// between what is gone; elsewhere there is nothing to do.
pub(super) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes no pointer, touches only what is free, and may be called at any time.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}

/// What is kept for long, once more and close together: where it was made it lies scattered among what was needed for a moment, and
/// each page that holds a little of it stays. A thread has memory of its own to begin with, without gaps.
pub(super) fn compacted<T: Clone + Send + Sync>(kept: T) -> T {
    let again = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, || kept.clone());
        thread.ok().and_then(|thread| thread.join().ok())
    });
    // Without a thread to be had it stays where it is.
    again.unwrap_or(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compacted_is_what_it_was() {
        let kept: Vec<String> = (0..1_000).map(|i| format!("mart {i}")).collect();
        assert_eq!(compacted(kept.clone()), kept);
    }
}
