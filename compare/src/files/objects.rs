//! What `torch.save` pickles of tensors and of the objects that hold them.

use crate::files::Weights;
use crate::files::pickle::{Protocol, Writer};
use crate::files::weights::View;

/// How storages are named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// By the numbers of their records.
    Records,
    /// By the addresses that they had in memory, and with a place for a view.
    Addresses,
}

impl Ids {
    pub fn key(self, view: &View) -> String {
        match self {
            Self::Records => view.key.to_string(),
            Self::Addresses => (94_000_000_000_000 + 64 * view.key).to_string(),
        }
    }
}

/// The pickle of the object that holds these weights.
pub fn pickle(weights: Weights, views: &[View], ids: Ids) -> Vec<u8> {
    let mut writer = Writer::new(Protocol::Two);
    match weights {
        Weights::Model | Weights::ModelBf16 | Weights::ModelF8 | Weights::SmallModel => {
            state_dict(&mut writer, views, "", ids);
        }
        Weights::Training => training(&mut writer, views, ids),
        _ => writer.dict(views, |writer, view| named(writer, view, "", ids)),
    }
    writer.finish()
}

/// The pickle of a tensor that is saved by itself.
pub fn bare(view: &View, ids: Ids) -> Vec<u8> {
    let mut writer = Writer::new(Protocol::Two);
    tensor(&mut writer, view, ids);
    writer.finish()
}

/// A module's `state_dict()`: an `OrderedDict` with `_metadata`. Names are without the prefix.
fn state_dict(writer: &mut Writer, views: &[View], prefix: &str, ids: Ids) {
    ordered_dict(writer);
    writer.items(views, *b"su", |writer, view| named(writer, view, prefix, ids));
    writer.code(b"}");
    writer.put();
    writer.interned("_metadata");
    ordered_dict(writer);
    let mut modules = vec![String::new()];
    for view in views {
        let name = &view.name[prefix.len()..];
        for (dot, _) in name.match_indices('.') {
            if !modules.iter().any(|known| *known == name[..dot]) {
                modules.push(name[..dot].to_owned());
            }
        }
    }
    writer.items(&modules, *b"su", |writer, module| {
        writer.fresh(module);
        writer.fields(&mut [("version", &mut |writer| writer.int(1))]);
    });
    writer.code(b"sb");
}

/// `{"epoch": …, "model": model.state_dict(), "optimizer": optimizer.state_dict(), …}`
fn training(writer: &mut Writer, views: &[View], ids: Ids) {
    let parameters = views.len() / 4;
    let (model, state) = views.split_at(parameters);
    let states: Vec<(usize, &[View])> = state.chunks(3).enumerate().collect();
    let numbers: Vec<usize> = (0..parameters).collect();
    let mut optimizer_state = |writer: &mut Writer| {
        writer.dict(&states, |writer, (n, state)| {
            writer.int(*n);
            let [step, first, second] = state else { unreachable!("chunks of three") };
            writer.fields(&mut [
                ("step", &mut |writer| tensor(writer, step, ids)),
                ("exp_avg", &mut |writer| tensor(writer, first, ids)),
                ("exp_avg_sq", &mut |writer| tensor(writer, second, ids)),
            ]);
        });
    };
    let mut group = |writer: &mut Writer| {
        writer.list(&[()], |writer, ()| {
            writer.fields(&mut [
                ("lr", &mut |writer| writer.float(3e-4)),
                ("betas", &mut |writer| {
                    writer.tuple(2, |writer| {
                        writer.float(0.9);
                        writer.float(0.95);
                    });
                }),
                ("eps", &mut |writer| writer.float(1e-8)),
                ("weight_decay", &mut |writer| writer.float(0.1)),
                ("amsgrad", &mut |writer| writer.bool(false)),
                ("maximize", &mut |writer| writer.bool(false)),
                ("foreach", &mut Writer::none),
                ("capturable", &mut |writer| writer.bool(false)),
                ("differentiable", &mut |writer| writer.bool(false)),
                ("fused", &mut Writer::none),
                ("params", &mut |writer| writer.list(&numbers, |writer, &n| writer.int(n))),
            ]);
        });
    };
    writer.fields(&mut [
        ("epoch", &mut |writer| writer.int(12)),
        ("global_step", &mut |writer| writer.int(70_000)),
        ("model", &mut |writer| state_dict(writer, model, "model.", ids)),
        ("optimizer", &mut |writer| {
            writer.fields(&mut [("state", &mut optimizer_state), ("param_groups", &mut group)]);
        }),
        ("best_loss", &mut |writer| writer.float(2.25)),
    ]);
}

/// An empty `OrderedDict`.
fn ordered_dict(writer: &mut Writer) {
    writer.reduce("collections", "OrderedDict", |writer| writer.tuple(0, |_| ()));
}

fn named(writer: &mut Writer, view: &View, prefix: &str, ids: Ids) {
    writer.fresh(&view.name[prefix.len()..]);
    tensor(writer, view, ids);
}

/// `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)`, and v3 with the dtype where the storage's
/// class does not say it.
fn tensor(writer: &mut Writer, view: &View, ids: Ids) {
    let class = view.element.storage_class();
    let function = if class.is_some() { "_rebuild_tensor_v2" } else { "_rebuild_tensor_v3" };
    writer.global("torch._utils", function);
    writer.code(b"((");
    writer.interned("storage");
    match class {
        Some(class) => writer.global("torch", class),
        None => writer.global("torch.storage", "UntypedStorage"),
    }
    writer.interned(&ids.key(view));
    writer.interned("cpu");
    writer.int(if class.is_some() { view.storage_numel } else { view.storage_nbytes() });
    if ids == Ids::Addresses {
        writer.none();
    }
    writer.code(b"t");
    writer.put();
    writer.code(b"Q");
    writer.int(view.offset);
    writer.ints(&view.shape);
    writer.ints(&view.strides);
    writer.bool(false);
    ordered_dict(writer);
    if class.is_none() {
        writer.global("torch", view.element.name());
    }
    writer.code(b"t");
    writer.put();
    writer.code(b"R");
    writer.put();
}
