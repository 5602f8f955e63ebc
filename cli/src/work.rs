//! The same work on many things, on all cores.

use std::num::NonZero;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Below so many bytes a second thread costs more than it saves.
const WORTH_A_THREAD: usize = 4 << 20;

/// The results for all items, in their order; `bytes` is what is read for all of them.
pub(crate) fn on_all_cores<T: Sync, R: Send + Sync>(items: &[T], bytes: usize, one: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = threads.min(bytes.div_ceil(WORTH_A_THREAD)).min(items.len());
    if threads < 2 {
        return items.iter().map(one).collect();
    }
    let results: Vec<OnceLock<R>> = items.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let index = next.fetch_add(1, Ordering::Relaxed)
                    && let (Some(item), Some(result)) = (items.get(index), results.get(index))
                {
                    result.get_or_init(|| one(item));
                }
            });
        }
    });
    results.into_iter().zip(items).map(|(result, item)| result.into_inner().unwrap_or_else(|| one(item))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..1000).collect();
        for bytes in [0, 1 << 30] {
            let doubled = on_all_cores(&items, bytes, |item| item * 2);
            assert!(doubled.iter().enumerate().all(|(n, doubled)| *doubled == n * 2), "{bytes}");
            assert_eq!(doubled.len(), 1000);
        }
    }
}
