//! What a look at a thousand marts needs for a moment is not kept for ever.

/// Gives memory that is free back to the system. The allocator of glibc keeps most of it by itself, because what lives on lies
/// between what is gone, and nobody takes back what a stack grew by; elsewhere there is nothing to do.
pub(super) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: it takes no pointer, touches only what is free, and may be called at any time.
        unsafe {
            nix::libc::malloc_trim(0);
        }
        stack();
        program();
    }
}

/// What a stack may use below the frame that gives it back.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const FRAMES: usize = 64 * 1_024;

/// So far below it is looked: where a stack may grow without a limit, what lies far below is somebody else's.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const FARTHEST: usize = 8 * 1_024 * 1_024;

/// Gives back the pages of this thread's stack that lie below what is in use: a plan of a thousand marts needs two MB of them once.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[inline(never)]
fn stack() {
    use nix::libc;
    let here = 0_u8;
    // Of any system.
    let page = 64 * 1_024;
    // SAFETY: the attributes are filled by the first call before they are read, and destroyed; the pages are of this thread's own
    // stack, which grows downwards, below every frame in use and what a signal may put there: nobody reads them before they are
    // written again.
    unsafe {
        let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return;
        }
        let (mut lowest, mut size) = (std::ptr::null_mut(), 0);
        let known = libc::pthread_attr_getstack(attributes.as_ptr(), &mut lowest, &mut size) == 0;
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        let here = &raw const here as usize;
        let begin = (lowest as usize).max(here.saturating_sub(FARTHEST)).next_multiple_of(page);
        let end = here.saturating_sub(FRAMES) / page * page;
        if known && begin < end {
            // Of the main thread most of it may not be mapped yet, which is said, and no failure.
            libc::madvise(begin as *mut libc::c_void, end - begin, libc::MADV_DONTNEED);
        }
    }
}

/// Gives back the pages of the program itself: reading manifests and planning takes most of its code, waiting little of it. What is
/// needed is there again from the file, which the system keeps in memory.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn program() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    let here = program as *const () as usize;
    let Some((begin, end)) = maps.lines().filter_map(code).find(|(begin, end)| (*begin..*end).contains(&here)) else {
        return;
    };
    // SAFETY: nobody may write to these pages, so that each is what the file says, and is read from there again.
    unsafe {
        nix::libc::madvise(begin as *mut nix::libc::c_void, end - begin, nix::libc::MADV_DONTNEED);
    }
}

/// From where to where code lies that is mapped from a file, of a line such as `55d0-55f0 r-xp 00001000 fe:00 12 /usr/bin/datamart`.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn code(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_whitespace();
    let (begin, end) = fields.next()?.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let mapped = fields.next()? == "r-xp" && fields.nth(3)?.starts_with('/');
    mapped.then_some((address(begin)?, address(end)?))
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

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn only_code_of_a_file_is_given_back() {
        let line = "55d0-55f0 r-xp 00001000 fe:00 12                         /usr/bin/datamart";
        assert_eq!(code(line), Some((0x55d0, 0x55f0)));
        for other in
            ["55d0-55f0 r--p 00001000 fe:00 12 /usr/bin/datamart", "7ffc-7ffd r-xp 00000000 00:00 0 [vdso]", ""]
        {
            assert_eq!(code(other), None, "{other}");
        }
        // It goes on.
        give_back();
        assert_eq!(code(line), Some((0x55d0, 0x55f0)));
    }

    #[test]
    fn what_is_compacted_is_what_it_was() {
        let kept: Vec<String> = (0..1_000).map(|i| format!("mart {i}")).collect();
        assert_eq!(compacted(kept.clone()), kept);
    }
}
