//! Whether parts tile a shape: honest ones, overlapping ones, random ones against counting.

use proptest::prelude::*;

use crate::error::Error;
use crate::tensor::tiling::{Extent, check};

type Part = (Vec<usize>, Vec<usize>);

fn check_parts(shape: &[usize], parts: &[Part]) -> Result<(), Error> {
    check(shape, parts.iter().map(|(offsets, sizes)| Extent { offsets, sizes }))
}

fn said(shape: &[usize], parts: &[Part]) -> String {
    check_parts(shape, parts).unwrap_err().to_string()
}

#[test]
fn honest_chunks_tile() {
    for (shape, parts) in [
        (vec![], vec![(vec![], vec![])]),
        (vec![5, 3], vec![(vec![0, 0], vec![3, 3]), (vec![3, 0], vec![2, 3])]),
        (vec![2, 4], vec![(vec![0, 2], vec![2, 2]), (vec![0, 0], vec![2, 2])]),
        (vec![0, 4], vec![(vec![0, 0], vec![0, 4])]),
        // An empty rank, whose chunk may be anywhere inside.
        (vec![2], vec![(vec![0], vec![2]), (vec![2], vec![0]), (vec![1], vec![0])]),
        // A pinwheel, which no cut divides.
        (
            vec![3, 3],
            vec![
                (vec![0, 0], vec![1, 2]),
                (vec![0, 2], vec![2, 1]),
                (vec![2, 1], vec![1, 2]),
                (vec![1, 0], vec![2, 1]),
                (vec![1, 1], vec![1, 1]),
            ],
        ),
    ] {
        check_parts(&shape, &parts).unwrap();
    }
}

#[test]
fn case_108_chunks_that_overlap_or_leave_gaps_are_refused() {
    let at = |offset: usize, size: usize| (vec![offset], vec![size]);
    assert!(said(&[4], &[at(0, 2)]).contains("2 of the 4 elements"));
    assert!(said(&[4], &[]).contains("0 of the 4 elements"));
    assert!(said(&[4], &[at(0, 2), at(0, 2)]).contains("overlap"));
    assert!(said(&[4], &[at(0, 3), at(2, 2)]).contains("overlap"));
    assert!(said(&[4], &[at(3, 2)]).contains("does not lie within"));
    assert!(said(&[4], &[at(usize::MAX, 2)]).contains("does not lie within"));
    assert!(said(&[4], &[(vec![0, 0], vec![4, 1])]).contains("does not lie within"));
    let square = |at: [usize; 2]| (at.to_vec(), vec![1, 1]);
    assert!(said(&[2, 2], &[square([0, 0]), square([0, 1]), square([1, 0]), square([1, 0])]).contains("overlap"));
    let many: Vec<Part> = (0..7).map(|dim| (vec![0; 7], (0..7).map(|n| 2 - usize::from(n == dim)).collect())).collect();
    assert!(said(&[2; 7], &many).contains("overlap"));
}

#[test]
fn many_chunks_take_little_time() {
    let start = std::time::Instant::now();
    // Columns: all of them meet along the first dimension.
    let parts: Vec<Part> = (0..100_000).map(|n| (vec![0, n], vec![64, 1])).collect();
    check_parts(&[64, 100_000], &parts).unwrap();
    let mut twice = parts;
    twice[7] = twice[99_999].clone();
    assert!(said(&[64, 100_000], &twice).contains("overlap"));
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

fn part(shape: &'static [usize]) -> impl Strategy<Value = Part> {
    let dims: Vec<_> =
        shape.iter().map(|&size| (0..=size).prop_flat_map(move |at| (Just(at), 0..=size - at))).collect();
    dims.prop_map(|dims| dims.into_iter().unzip())
}

/// A shape cut at random places, and perhaps one part of it moved.
fn cut() -> impl Strategy<Value = Vec<Part>> {
    (prop::collection::vec(any::<(u8, u8, u8)>(), 0..6), prop::option::weighted(0.3, (any::<u8>(), part(&[4, 3]))))
        .prop_map(|(cuts, moved)| {
            let mut parts: Vec<Part> = vec![(vec![0, 0], vec![4, 3])];
            for (which, dim, at) in cuts {
                let which = usize::from(which) % parts.len();
                let dim = usize::from(dim) % 2;
                let (mut offsets, mut sizes) = parts[which].clone();
                let at = usize::from(at) % (sizes[dim] + 1);
                parts[which].1[dim] = at;
                offsets[dim] += at;
                sizes[dim] -= at;
                parts.push((offsets, sizes));
            }
            if let Some((which, part)) = moved {
                let which = usize::from(which) % parts.len();
                parts[which] = part;
            }
            parts
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_agrees_with_counting(parts in cut()) {
        let mut times = [[0; 3]; 4];
        for (offsets, sizes) in &parts {
            for row in times.iter_mut().skip(offsets[0]).take(sizes[0]) {
                row.iter_mut().skip(offsets[1]).take(sizes[1]).for_each(|times| *times += 1);
            }
        }
        prop_assert_eq!(check_parts(&[4, 3], &parts).is_ok(), times == [[1; 3]; 4]);
    }
}
