//! What is in a checkpoint, against the model that it was made of.

use super::*;

/// A value as text, exactly.
fn shown(leaf: &ListedValue<'_>) -> String {
    let value = &leaf.value;
    match value.kind() {
        Kind::Float => format!("float {:#x}", value.as_f64().unwrap().to_bits()),
        Kind::Bytes => format!("bytes {:?}", value.as_bytes().unwrap()),
        Kind::Str => format!("text {:?}", value.as_str().unwrap()),
        kind => format!("{kind:?} {value}"),
    }
}

fn wanted(object: &Object) -> String {
    match object {
        Object::None => "None None".into(),
        Object::Bool(true) => "Bool True".into(),
        Object::Bool(false) => "Bool False".into(),
        Object::Int(value) => format!("Int {value}"),
        Object::Float(value) => format!("float {:#x}", value.to_bits()),
        Object::Text(value) => format!("text {value:?}"),
        Object::Bytes(value) => format!("bytes {value:?}"),
        other => panic!("{other:?} is no leaf"),
    }
}

/// Compares all that is found with the model.
pub(super) fn check(model: &Model, checkpoint: &Checkpoint, format: Format) {
    assert_eq!(checkpoint.format(), format);
    let mut leaves = Vec::new();
    walk(&model.root, &mut Vec::new(), &mut leaves);
    let listing = checkpoint.leaves("").unwrap();
    // Containers without anything in them are no leaves.
    let found: Vec<&ListedValue<'_>> = listing.leaves.iter().collect();
    assert_eq!(
        found.iter().map(|leaf| &leaf.path).collect::<Vec<_>>(),
        leaves.iter().map(|leaf| &leaf.0).collect::<Vec<_>>()
    );
    assert_eq!(listing.not_walked, 0);
    let mut storages: HashMap<usize, &Storage> = HashMap::new();
    for (leaf, (path, object)) in found.iter().zip(&leaves) {
        let Object::Tensor(index) = object else {
            assert_eq!(shown(leaf), wanted(object), "{path:?}");
            continue;
        };
        let view = &model.views[*index];
        let tensor = leaf.value.as_tensor().unwrap();
        check_tensor(model, view, tensor);
        let stored = &model.storages[view.storage];
        assert_eq!(
            (tensor.location(), tensor.strides(), tensor.storage_offset()),
            (stored.tag, &*view.stride, view.offset)
        );
        assert_eq!((tensor.requires_grad(), tensor.is_parameter()), (view.grad, view.parameter));
        assert_eq!(tensor.storage().nbytes(), stored.bytes.len() as u64);
        assert_eq!(*storages.entry(view.storage).or_insert(tensor.storage()), tensor.storage());
    }
    let ids: std::collections::HashSet<u32> = storages.values().map(|storage| storage.id()).collect();
    assert_eq!(ids.len(), storages.len(), "other storages are others");
}

/// Every way of reading gives the bytes of the model.
fn check_tensor(model: &Model, view: &View, tensor: &Tensor) {
    let dtype = model.storages[view.storage].dtype();
    let bytes = native(dtype, naive(model, view));
    assert_eq!((tensor.dtype(), tensor.shape()), (dtype, &*view.size));
    assert_eq!(*tensor.bytes().unwrap(), *bytes);
    let mut copy = vec![0xaa; bytes.len()];
    tensor.copy_to(&mut copy).unwrap();
    assert_eq!(copy, bytes);
    assert_eq!(*tensor.detach().unwrap().bytes().unwrap(), *bytes);
    match dtype {
        DType::Float32 => typed::<f32, 4>(tensor, &bytes, f32::from_ne_bytes),
        DType::Float64 => typed::<f64, 8>(tensor, &bytes, f64::from_ne_bytes),
        DType::Float16 => typed::<f16, 2>(tensor, &bytes, f16::from_ne_bytes),
        DType::BFloat16 => typed::<bf16, 2>(tensor, &bytes, bf16::from_ne_bytes),
        DType::Int64 => typed::<i64, 8>(tensor, &bytes, i64::from_ne_bytes),
        DType::Int32 => typed::<i32, 4>(tensor, &bytes, i32::from_ne_bytes),
        DType::Int16 => typed::<i16, 2>(tensor, &bytes, i16::from_ne_bytes),
        DType::UInt16 => typed::<u16, 2>(tensor, &bytes, u16::from_ne_bytes),
        DType::Int8 => typed::<i8, 1>(tensor, &bytes, i8::from_ne_bytes),
        DType::UInt8 => typed::<u8, 1>(tensor, &bytes, u8::from_ne_bytes),
        DType::Bool => typed::<bool, 1>(tensor, &bytes, |byte: [u8; 1]| byte[0] != 0),
        _ => assert_eq!(tensor.to_vec::<Complex<f32>>().is_ok(), dtype == DType::Complex64),
    }
    for dim in 0..view.size.len() {
        for start in 0..view.size[dim] {
            let mut part = view.clone();
            part.offset += start * view.stride[dim];
            part.size[dim] = view.size[dim] - start;
            let narrowed = tensor.narrow(dim, start, part.size[dim]).unwrap();
            assert_eq!(*narrowed.bytes().unwrap(), *native(dtype, naive(model, &part)));
        }
        let mut turned = view.clone();
        turned.size.swap(0, dim);
        turned.stride.swap(0, dim);
        assert_eq!(*tensor.transpose(0, dim).unwrap().bytes().unwrap(), *native(dtype, naive(model, &turned)));
    }
}

/// The elements as numbers, bit by bit; and cast, where a float64 can hold them.
fn typed<T: torch_checkpoint::Element + Copy + std::fmt::Debug, const N: usize>(
    tensor: &Tensor,
    bytes: &[u8],
    number: impl Fn([u8; N]) -> T,
) {
    let wanted: Vec<T> = bytes.chunks(N).map(|chunk| number(chunk.try_into().unwrap())).collect();
    // `Debug` tells zeros and NaN apart well enough beside the bytes.
    assert_eq!(format!("{:?}", tensor.to_vec::<T>().unwrap()), format!("{wanted:?}"));
    if let Ok(slice) = tensor.as_slice::<T>() {
        assert_eq!(format!("{slice:?}"), format!("{wanted:?}"));
    }
    let cast: Vec<String> = tensor.cast::<f64>().unwrap().iter().map(|x| format!("{x:?}")).collect();
    let text = |x: &T| match format!("{x:?}").as_str() {
        "true" => 1.0,
        "false" => 0.0,
        text => text.parse::<f64>().unwrap(),
    };
    // Of the shorter floats, what they print is not the number itself.
    if !matches!(tensor.dtype(), DType::Float32 | DType::Float16 | DType::BFloat16) {
        assert_eq!(cast, wanted.iter().map(|x| format!("{:?}", text(x))).collect::<Vec<_>>());
    }
}

/// Little-endian elements in the order of this machine.
pub(super) fn native(dtype: DType, mut bytes: Vec<u8>) -> Vec<u8> {
    if cfg!(target_endian = "big") {
        let unit = dtype.itemsize() / if dtype.is_complex() { 2 } else { 1 };
        bytes.chunks_mut(unit).for_each(<[u8]>::reverse);
    }
    bytes
}
