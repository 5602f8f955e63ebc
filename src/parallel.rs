//! Work spread over the machine's cores.

use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Bytes that are worth being handed out by themselves.
pub(crate) const PIECE: usize = 8 << 20;

/// Works on every item, on as many threads as there are cores (16 at most) and pieces of [`PIECE`] bytes among `bytes`; the
/// caller's is one of them, so that it goes on where there are no others. Items are begun in order, and none after one has failed.
///
/// # Errors
/// That of the first item that fails.
pub(crate) fn each<T: Send, E: Send>(
    items: impl IntoIterator<Item = T, IntoIter: Send>,
    bytes: u64,
    work: impl Fn(T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let items = Mutex::new(Some(items.into_iter().enumerate()));
    let failed: Mutex<Option<(usize, E)>> = Mutex::new(None);
    let run = || {
        while let Some((index, item)) = next(&items) {
            if let Err(error) = work(item) {
                *lock(&items) = None;
                let mut failed = lock(&failed);
                // One that was begun earlier may fail later.
                if failed.as_ref().is_none_or(|(first, _)| index < *first) {
                    *failed = Some((index, error));
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads(bytes) {
            if thread::Builder::new().spawn_scoped(scope, run).is_err() {
                break;
            }
        }
        run();
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), |(_, error)| Err(error))
}

fn next<I: Iterator>(items: &Mutex<Option<I>>) -> Option<I::Item> {
    lock(items).as_mut()?.next()
}

/// A thread that panicked (in the caller's progress) makes the whole panic, when the others have done what there is to do.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn threads(bytes: u64) -> usize {
    let pieces = usize::try_from(bytes / PIECE as u64).unwrap_or(usize::MAX).max(1);
    // Beyond some, the memory is busy and not the cores.
    pieces.min(thread::available_parallelism().map_or(1, NonZero::get)).min(16)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_item_is_worked_on_once() {
        let sum = AtomicUsize::new(0);
        let done: Result<(), ()> = each(1..=1000, u64::MAX, |n| {
            sum.fetch_add(n, Ordering::Relaxed);
            Ok(())
        });
        assert_eq!((done, sum.into_inner()), (Ok(()), 500_500));
        assert_eq!(each(std::iter::empty::<u8>(), 0, Err), Ok(()));
    }

    #[test]
    fn the_first_of_several_errors_is_reported() {
        for _ in 0..20 {
            let failed = each(0..1000, u64::MAX, |n| if n >= 3 { Err(n) } else { Ok(()) });
            assert_eq!(failed, Err(3));
        }
    }

    #[test]
    fn little_work_takes_one_thread() {
        assert_eq!((threads(0), threads(PIECE as u64)), (1, 1));
        assert!((1..=16).contains(&threads(u64::MAX)));
    }
}
