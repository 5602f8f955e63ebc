//! The checkpoints that are measured, made in memory: what `torch.save` writes, every object memoised.
#![allow(dead_code, reason = "the benches and the count of instructions use different ones")]

use crate::memo::{Memo, View, filled};
use crate::pickle_builder::{
    Code, StorageId, TensorCall, bool, float, get, int, list, object, op, pickle, reduce_tuple, set_items, text,
    torch_file,
};

/// A name as models have them.
pub fn name(n: usize) -> String {
    format!("model.layers.{}.block.{}.weight", n / 8, n % 8)
}

fn storages<'a>(keys: &'a [String], bytes: &'a [u8]) -> Vec<(&'a str, &'a [u8])> {
    keys.iter().map(|key| (key.as_str(), bytes)).collect()
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|key| key.to_string()).collect()
}

/// A state dict of small tensors, each in a storage of its own.
pub fn many(count: usize) -> Vec<u8> {
    let (mut memo, keys) = (Memo::default(), keys(count));
    let dict = memo.ordered_dict();
    let entries: Vec<_> =
        keys.iter().enumerate().map(|(n, key)| (memo.put(text(&name(n))), memo.tensor(&View::small(key)))).collect();
    torch_file(&filled(dict, entries), &storages(&keys, &[0; 64]))
}

/// What a training loop saves: weights, Adam's two tensors and a step for each, arguments, and a history.
pub fn training(weights: usize) -> Vec<u8> {
    let (mut memo, keys) = (Memo::default(), keys(weights * 3));
    let model = memo.ordered_dict();
    let named: Vec<_> = keys
        .iter()
        .take(weights)
        .enumerate()
        .map(|(n, key)| (memo.put(text(&name(n))), memo.tensor(&View::small(key))))
        .collect();
    let states: Vec<_> = keys[weights..]
        .chunks(2)
        .zip(0..)
        .map(|(pair, n)| {
            let items = [
                (memo.word("step"), float(1000.0)),
                (memo.word("exp_avg"), memo.tensor(&View::small(&pair[0]))),
                (memo.word("exp_avg_sq"), memo.tensor(&View::small(&pair[1]))),
            ];
            let empty = memo.put(vec![op::EMPTY_DICT]);
            (int(n), set_items(empty, items))
        })
        .collect();
    let group = [
        (memo.word("lr"), float(1e-3)),
        (memo.word("betas"), memo.tuple([float(0.9), float(0.999)])),
        (memo.word("amsgrad"), bool(false)),
        (memo.word("params"), list((0..).take(weights).map(int))),
    ];
    let group = set_items(memo.put(vec![op::EMPTY_DICT]), group);
    let state = filled(memo.put(vec![op::EMPTY_DICT]), states);
    let optimizer = [(memo.word("state"), state), (memo.word("param_groups"), list([group]))];
    let optimizer = set_items(memo.put(vec![op::EMPTY_DICT]), optimizer);
    let root = [
        (memo.word("epoch"), int(90)),
        (memo.word("state_dict"), filled(model, named)),
        (memo.word("optimizer"), optimizer),
        (memo.word("args"), args(&mut memo)),
        (memo.word("history"), history(&mut memo, weights)),
    ];
    torch_file(&set_items(memo.put(vec![op::EMPTY_DICT]), root), &storages(&keys, &[0; 64]))
}

/// An `argparse.Namespace`.
fn args(memo: &mut Memo) -> Code {
    let mut entries = vec![(memo.word("lr"), float(0.1)), (memo.word("batch_size"), int(256))];
    entries.extend((0..40).map(|n| (memo.word(&format!("option_{n}")), memo.put(text("value")))));
    object("argparse", "Namespace", set_items(memo.put(vec![op::EMPTY_DICT]), entries))
}

/// A row of the history that the checkpoint has.
#[derive(serde::Deserialize)]
pub struct Row {
    epoch: u32,
    loss: f64,
    accuracies: [f64; 3],
    note: String,
}

/// A list of dicts of numbers and texts.
fn history(memo: &mut Memo, epochs: usize) -> Code {
    let rows: Vec<Code> = (0..epochs)
        .map(|epoch| {
            let row = [
                (memo.word("epoch"), int(epoch.try_into().expect("a small number"))),
                (memo.word("loss"), float(1.0 / (epoch + 1) as f64)),
                (memo.word("accuracies"), memo.tuple([float(0.5), float(0.75), float(1.0)])),
                (memo.word("note"), memo.put(text(&format!("after epoch {epoch}")))),
            ];
            set_items(memo.put(vec![op::EMPTY_DICT]), row)
        })
        .collect();
    list(rows)
}

/// A plain pickle of values alone.
pub fn values(epochs: usize) -> Vec<u8> {
    pickle(&history(&mut Memo::default(), epochs))
}

/// A plain pickle with the opcodes of so many tensors, of which none is one.
pub fn no_tensors(count: usize) -> Vec<u8> {
    let mut memo = Memo::default();
    let entries: Vec<_> = keys(count)
        .iter()
        .enumerate()
        .map(|(n, key)| (memo.put(text(&name(n))), memo.no_tensor(&View::small(key))))
        .collect();
    pickle(&filled(vec![op::EMPTY_DICT], entries))
}

/// An archive of so many records that no tensor uses.
pub fn records(count: usize) -> Vec<u8> {
    let keys = keys(count);
    torch_file(&[op::EMPTY_DICT], &storages(&keys, &[0; 64]))
}

/// Rebuild calls that share their arguments: three opcodes each.
pub fn rebuilds(count: usize) -> Vec<u8> {
    let mut memo = Memo::default();
    let first = memo.tensor(&View::small("0"));
    // The last slots are the arguments' and the tensor's.
    let args = get(u8::try_from(memo.slots - 2).expect("a short pickle"));
    let again = reduce_tuple(memo.global("torch._utils", "_rebuild_tensor_v2"), args);
    torch_file(&list([first].into_iter().chain((1..count).map(|_| again.clone()))), &[("0", &[0; 64])])
}

/// Views of one storage, one after the other: rows of 32x64 floats.
pub fn views(count: usize) -> Vec<u8> {
    const NUMEL: usize = 32 * 64;
    let (mut memo, bytes) = (Memo::default(), numbers(4 * count * NUMEL));
    let dict = memo.ordered_dict();
    let entries: Vec<_> = (0..count)
        .map(|n| {
            let view = View {
                class: "FloatStorage",
                key: "0",
                numel: (count * NUMEL).try_into().expect("a small number"),
                offset: (n * NUMEL).try_into().expect("a small number"),
                size: &[32, 64],
                stride: &[64, 1],
            };
            (memo.put(text(&name(n))), memo.tensor(&view))
        })
        .collect();
    torch_file(&filled(dict, entries), &[("0", &bytes)])
}

/// One tensor, `weight`, of any dtype and strides over the whole of its storage.
pub fn one(dtype: &str, bytes: &[u8], size: &[i64], stride: &[i64]) -> Vec<u8> {
    let storage = StorageId::untyped("0", bytes.len().try_into().expect("a small number"));
    let tensor = TensorCall::new(&storage, size).at(0, stride).dtype(dtype);
    torch_file(&set_items(vec![op::EMPTY_DICT], [(text("weight"), tensor.code())]), &[("0", bytes)])
}

/// Bytes that look random and are finite numbers of every float type.
pub fn numbers(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // Without the highest bit of an exponent, wherever one may be.
        bytes.extend((state & 0xbfbf_bfbf_bfbf_bfbf).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
