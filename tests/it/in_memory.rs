//! `StateDict::load_into_memory`: the same bytes, no longer the file's. (`oracle.rs` compares them with torch's answers.)

use torch_checkpoint::{Backing, ErrorKind, LoadOptions, Progress, StateDict, load_state_dict};

use crate::pickle_builder::{dict, f32_tensor, f32s, pickle};
use crate::support::TempFile;
use crate::zip_builder::{Data, torch_builder};

#[test]
fn a_file_that_is_gone_is_not_missed() {
    let file = TempFile::with("in-memory", &std::fs::read("fixtures/zip/torch-2.15/trained_cnn_cuda.pt").unwrap());
    let expected: Vec<Vec<u8>> = load("fixtures/zip/torch-2.15/trained_cnn_cuda.pt");
    let weights = load_state_dict(&file.0, "cpu").unwrap();
    weights.load_into_memory(|_| ()).unwrap();
    // Mapped bytes would change with it.
    let len = std::fs::metadata(&file.0).unwrap().len();
    std::fs::write(&file.0, vec![0xa5; usize::try_from(len).unwrap()]).unwrap();
    let now: Vec<Vec<u8>> = weights.values().map(|tensor| tensor.bytes().unwrap().into_owned()).collect();
    assert_eq!(now, expected);
}

fn load(path: &str) -> Vec<Vec<u8>> {
    let weights = LoadOptions::new().backing(Backing::Owned).load_state_dict(path).unwrap();
    weights.values().map(|tensor| tensor.bytes().unwrap().into_owned()).collect()
}

#[test]
fn ties_views_and_other_handles_share_the_memory() {
    let weights = LoadOptions::new().key("model").load_state_dict("fixtures/zip/torch-2.15/tied.pt").unwrap();
    let before = weights["embed.weight"].as_slice::<f32>().unwrap().as_ptr();
    weights.load_into_memory(|_| ()).unwrap();
    let (a, b) = (&weights["embed.weight"], &weights["out.weight"]);
    assert_eq!(a.storage(), b.storage());
    assert_eq!(a.as_slice::<f32>().unwrap().as_ptr(), b.as_slice::<f32>().unwrap().as_ptr());
    // Without the mapping it was in memory before.
    assert_eq!(a.as_slice::<f32>().unwrap().as_ptr() == before, cfg!(not(feature = "mmap")));
    let entries = weights.checkpoint().tensors().unwrap();
    let same = entries.iter().find(|entry| entry.tensor().storage() == a.storage()).unwrap();
    assert_eq!(same.tensor().as_slice::<f32>().unwrap().as_ptr(), a.as_slice::<f32>().unwrap().as_ptr());
}

#[test]
fn what_is_in_memory_already_is_not_copied() {
    let mut options = LoadOptions::new().backing(Backing::Owned);
    let weights = options.load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt").unwrap();
    let place = |weights: &StateDict| weights["bn1.bias"].bytes().unwrap().as_ptr();
    let before = place(&weights);
    weights.load_into_memory(|_| ()).unwrap();
    assert_eq!(place(&weights), before);
}

/// Of an archive that another tool has packed, without torch's padding.
#[test]
fn what_lay_unaligned_is_lent_once_it_is_in_memory() {
    let code = pickle(&dict([("w", f32_tensor("0", &[2]))]));
    let mut refused = 0;
    for shift in 0..4 {
        let mut unaligned = torch_builder("archive", &code, &[("0", &f32s(&[1.0, 2.0]))]);
        unaligned.alignment = 0;
        unaligned.records[1].data = Data::Bytes(vec![b'1'; 1 + shift]);
        let file = TempFile::with("unaligned", &unaligned.build());
        let weights = load_state_dict(&file.0, "cpu").unwrap();
        refused += usize::from(weights["w"].as_slice::<f32>().is_err());
        weights.load_into_memory(|_| ()).unwrap();
        if cfg!(feature = "mmap") {
            assert_eq!(weights["w"].as_slice::<f32>().unwrap(), [1.0, 2.0]);
        }
    }
    assert_eq!(refused, 3);
}

#[test]
fn progress_begins_at_nothing_and_ends_with_all() {
    let weights = load_state_dict("fixtures/zip/torch-2.15/trained_cnn_cuda.pt", "cpu").unwrap();
    let mut told: Vec<Progress> = Vec::new();
    weights.load_into_memory(|progress| told.push(progress)).unwrap();
    let total = told[0].total;
    let storages: u64 = weights.values().map(|tensor| tensor.storage().nbytes()).sum();
    assert_eq!((told[0].done, total), (0, storages));
    assert_eq!(told.last().unwrap().done, total);
    assert!(told.is_sorted_by_key(|progress| progress.done));
}

#[test]
fn a_damaged_record_is_named_with_its_tensor() {
    let error = LoadOptions::new()
        .verify_checksums(true)
        .load_state_dict("fixtures/refused/x_flipped_bit.pt")
        .and_then(|weights| weights.load_into_memory(|_| ()))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    let text = error.to_string();
    assert!(text.contains("checksum") && text.contains("tensor"), "{text}");
}

#[test]
fn an_owned_file_of_any_length_is_read_whole() {
    let original = std::fs::read("fixtures/zip/torch-2.15/state_dict.pt").unwrap();
    let expected = load("fixtures/zip/torch-2.15/state_dict.pt");
    // Longer than several of the pieces that files are read in: the checkpoint begins behind other bytes.
    for before in [1_usize, 8 << 20, (17 << 20) + 3] {
        let file = TempFile::with("lengths", &[vec![7; before], original.clone()].concat());
        let offset = u64::try_from(before).unwrap();
        let mut options = LoadOptions::new().backing(Backing::Owned).offset(offset);
        let weights = options.load_state_dict(&file.0).unwrap();
        let now: Vec<Vec<u8>> = weights.values().map(|tensor| tensor.bytes().unwrap().into_owned()).collect();
        assert_eq!(now, expected);
    }
}
