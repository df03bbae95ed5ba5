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
