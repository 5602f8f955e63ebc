//! Safetensors files, and what is different in them: one storage a tensor, texts beside them, no tags.

use torch_checkpoint::{Complex, DType, Device, ErrorKind, Format, LoadOptions};

use crate::support::{fixture, open, refusal, says};

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

#[test]
fn case_011_a_safetensors_file_opens_whatever_its_name() {
    for name in ["two.safetensors", "two.bin", "two_without_ending"] {
        let path = fixture("safetensors").join(name);
        let weights = torch_checkpoint::load_state_dict(&path, None).unwrap();
        assert_eq!(weights.checkpoint().format(), Format::Safetensors);
        assert_eq!(weights.checkpoint().consumed(), std::fs::metadata(&path).unwrap().len());
        assert!(!weights.is_empty());
    }
}

#[test]
fn tensors_are_borrowed_and_have_storages_of_their_own() {
    let header = r#"{"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"C64","shape":[1,1],"data_offsets":[8,16]},"e":{"dtype":"I64","shape":[0,3],"data_offsets":[16,16]}}"#;
    let header = format!("{header:<0$}", header.len().next_multiple_of(8));
    let data: Vec<u8> = [1_f32, 2., 3., 4.].iter().flat_map(|x| x.to_le_bytes()).collect();
    let weights = open(file(&header, &data)).state_dict().unwrap();
    assert_eq!(weights.keys().collect::<Vec<_>>(), ["b", "a", "e"]);
    let (b, a) = (&weights["b"], &weights["a"]);
    assert_eq!((b.dtype(), b.shape(), b.strides()), (DType::Float32, &[2][..], &[1][..]));
    assert_eq!(b.as_slice::<f32>().unwrap(), [1., 2.]);
    assert_eq!(a.as_slice::<Complex<f32>>().unwrap(), [Complex::new(3., 4.)]);
    assert_eq!((a.location(), a.device(), a.storage().nbytes()), ("cpu", &Device::Cpu, 8));
    assert_eq!(weights["e"].shape(), [0, 3]);
    assert!(weights.tied().is_empty());
    let there = LoadOptions::new().map_location("cuda:1").open_bytes(file(&header, &data)).unwrap();
    assert_eq!(there.tensors().unwrap()[0].tensor().device(), &Device::Cuda(Some(1)));
}

#[test]
fn the_texts_beside_the_tensors_are_an_attribute_of_the_root() {
    let header =
        r#"{"__metadata__":{"format":"pt","z":"1","a":"2"},"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
    let checkpoint = open(file(header, &[7]));
    let root = checkpoint.root();
    let (key, texts) = root.attributes().next().unwrap();
    assert_eq!(key.as_str(), Some("__metadata__"));
    let texts: Vec<_> = texts.entries().map(|(key, value)| (key.as_str().unwrap(), value.as_str().unwrap())).collect();
    assert_eq!(texts, [("format", "pt"), ("z", "1"), ("a", "2")]);
    let weights = checkpoint.state_dict().unwrap();
    assert!(weights.metadata().is_none(), "that is torch's `_metadata`");
    assert_eq!((weights.len(), weights.others().len()), (1, 0));
    assert_eq!(checkpoint.globals().count(), 0, "no pickle mentions a name");
}

#[test]
fn a_name_that_is_there_twice_is_refused() {
    let header =
        r#"{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#;
    let error = refusal(file(header, &[1, 2]));
    says(&error, &["the header", "`w` is there twice"]);
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

#[test]
fn what_torch_has_no_dtype_for_is_unsupported_by_name() {
    for (dtype, data) in [("F6_E2M3", 3), ("F6_E3M2", 3), ("F33", 4), ("I4", 2)] {
        let header = format!(r#"{{"w":{{"dtype":"{dtype}","shape":[4],"data_offsets":[0,{data}]}}}}"#);
        let error = refusal(file(&header, &vec![0; data]));
        says(&error, &[dtype, "`w`"]);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
}

#[test]
fn every_cut_of_a_file_is_refused() {
    let bytes = std::fs::read(fixture("safetensors/two.safetensors")).unwrap();
    for len in 0..bytes.len() {
        let error = refusal(bytes[..len].to_vec());
        assert_eq!(error.to_string().lines().count(), 1);
    }
    let error = refusal([bytes.as_slice(), b"\0"].concat());
    says(&error, &["1 bytes behind the last tensor"]);
}
