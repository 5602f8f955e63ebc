//! All works, in an order that needs few files at a time.

use super::Target::{PeakOfFile, Time, TimeAndPeak};
use super::{Contestant, Work};
use crate::files::Form::{Archive, Deflated, Distributed, Legacy};
use crate::files::Weights::{
    ChannelsLast, Many, Model, ModelBf16, ModelF8, OneView, SmallModel, Training, Transposed, Views,
};
use crate::files::{Form, Weights};
use crate::readers::Job::{Again, IntoF32, List, Load, Own, OwnThreads, Rows, Sum, ToF32, Vec};
use crate::readers::Reader;

pub(super) fn all() -> impl Iterator<Item = &'static Work> {
    [SMALL, MODEL, LEGACY, DISTRIBUTED, OTHER_DTYPES, STRIDED].into_iter().flatten()
}

const fn ours(weights: Weights, form: Form) -> Contestant {
    Contestant::new(Reader::TorchCheckpoint, weights, form)
}

const fn safetensors(weights: Weights) -> Contestant {
    Contestant::new(Reader::Safetensors, weights, Form::Safetensors)
}

const fn candle(weights: Weights, form: Form) -> Contestant {
    Contestant::new(Reader::Candle, weights, form)
}

const fn pytorch_reader(weights: Weights, form: Form) -> Contestant {
    Contestant::new(Reader::Pytorch, weights, form)
}

const fn torch(weights: Weights, form: Form) -> Contestant {
    Contestant::new(Reader::Torch, weights, form)
}

const fn plain(weights: Weights, form: Form) -> Contestant {
    Contestant::new(Reader::Plain, weights, form)
}

const SMALL: &[Work] = &[
    Work::new(
        "many",
        "open + list 50,000 tensors of 4x4 f32",
        List,
        11,
        &[
            ours(Many, Archive),
            safetensors(Many).target(TimeAndPeak(0.5)),
            candle(Many, Archive).target(Time(0.05)),
            pytorch_reader(Many, Archive),
            torch(Many, Archive),
        ],
    ),
    Work::new(
        "training-list",
        "open + list a training checkpoint: model and optimizer, 444 tensors",
        List,
        31,
        &[
            ours(Training, Archive),
            safetensors(Training),
            candle(Training, Archive),
            pytorch_reader(Training, Archive),
            torch(Training, Archive),
        ],
    ),
    Work::new(
        "training-own",
        "all its tensors into owned memory, 0.66 GB",
        Load,
        5,
        &[
            ours(Training, Archive),
            safetensors(Training).target(Time(0.6)),
            candle(Training, Archive),
            pytorch_reader(Training, Archive),
            torch(Training, Archive).target(Time(1.0)),
        ],
    ),
    Work::new(
        "deflated-list",
        "open + list 21 tensors of a deflated archive",
        List,
        11,
        &[ours(SmallModel, Deflated), candle(SmallModel, Deflated), pytorch_reader(SmallModel, Deflated)],
    ),
    Work::new(
        "deflated-own",
        "all its tensors into owned memory, 0.47 GB f16",
        Load,
        3,
        &[
            ours(SmallModel, Deflated),
            plain(SmallModel, Deflated),
            candle(SmallModel, Deflated),
            pytorch_reader(SmallModel, Deflated),
            torch(SmallModel, Deflated),
        ],
    ),
];

const MODEL_LIST: &[Contestant] = &[
    ours(Model, Archive).target(PeakOfFile(0.01)),
    safetensors(Model).target(Time(1.0)),
    candle(Model, Archive).target(Time(1.0 / 3.0)),
    pytorch_reader(Model, Archive),
    torch(Model, Archive),
];

const BORROW: &[Contestant] = &[ours(Model, Archive), plain(Model, Archive).target(Time(1.05)), safetensors(Model)];

const OWN: &[Contestant] = &[
    ours(Model, Archive),
    safetensors(Model).target(Time(0.6)),
    plain(Model, Archive),
    candle(Model, Archive),
    pytorch_reader(Model, Archive),
    torch(Model, Archive).target(Time(1.0)),
];

const OWN_VEC: &[Contestant] = &[
    ours(Model, Archive),
    safetensors(Model).target(Time(1.0)),
    plain(Model, Archive),
    torch(Model, Archive).target(Time(1.0)),
];

const ROWS: &[Contestant] = &[
    ours(Model, Archive),
    safetensors(Model),
    candle(Model, Archive),
    pytorch_reader(Model, Archive),
    torch(Model, Archive),
];

const MODEL: &[Work] = &[
    Work::new("model", "open + list 147 tensors, 1.9 GB f16", List, 31, MODEL_LIST),
    Work::new("model-again", "the same for the tenth time in one process", Again, 31, MODEL_LIST),
    Work::new("model-cold", "the same, cold page cache", List, 11, MODEL_LIST).cold(),
    Work::new("borrow", "read every byte borrowed, 1.9 GB", Sum, 7, BORROW),
    Work::new("borrow-cold", "the same, cold page cache", Sum, 3, BORROW).cold(),
    Work::new("own", "every tensor into owned memory, 1.9 GB", Load, 5, OWN),
    Work::new("own-cold", "the same, cold page cache", Load, 3, OWN).cold(),
    Work::new("own-vec", "each tensor into a vector, one after the other, 1.9 GB", Vec, 5, OWN_VEC),
    Work::new(
        "own-threads",
        "every tensor into owned memory on all processors, 1.9 GB",
        OwnThreads,
        5,
        &[ours(Model, Archive), safetensors(Model), torch(Model, Archive)],
    ),
    Work::new("rows", "a tenth of the rows of each tensor, 0.19 of 1.9 GB", Rows, 7, ROWS),
    Work::new("rows-cold", "the same, cold page cache", Rows, 3, ROWS).cold(),
    Work::new("to-f32", "f16 to f32, 1.9 GB in, 3.8 GB out", ToF32, 3, &to_f32(Model)),
    Work::new("into-f32", "f16 to f32 into one touched buffer", IntoF32, 5, &into_f32(Model)),
];

const fn to_f32(weights: Weights) -> [Contestant; 4] {
    [ours(weights, Archive), safetensors(weights), plain(weights, Archive), torch(weights, Archive).target(Time(1.0))]
}

const fn into_f32(weights: Weights) -> [Contestant; 4] {
    [ours(weights, Archive), plain(weights, Archive).target(Time(1.3)), safetensors(weights), torch(weights, Archive)]
}

const LEGACY_OWN: &[Contestant] = &[
    ours(Model, Legacy),
    plain(Model, Legacy),
    candle(Model, Legacy),
    pytorch_reader(Model, Legacy),
    torch(Model, Legacy),
];

const LEGACY: &[Work] = &[
    Work::new(
        "legacy-list",
        "open + list the same model as a legacy stream",
        List,
        11,
        &[
            ours(Model, Legacy).target(PeakOfFile(0.01)),
            candle(Model, Legacy),
            pytorch_reader(Model, Legacy),
            torch(Model, Legacy),
        ],
    ),
    Work::new(
        "legacy-borrow",
        "read every byte borrowed, legacy stream, 1.9 GB",
        Sum,
        7,
        &[ours(Model, Legacy), plain(Model, Legacy).target(Time(1.05))],
    ),
    Work::new("legacy-own", "every tensor into owned memory, legacy stream, 1.9 GB", Load, 5, LEGACY_OWN),
    Work::new("legacy-own-cold", "the same, cold page cache", Load, 3, LEGACY_OWN).cold(),
];

const DISTRIBUTED_OWN: &[Contestant] =
    &[ours(Model, Distributed), plain(Model, Distributed), torch(Model, Distributed)];

const DISTRIBUTED: &[Work] = &[
    Work::new(
        "distributed-list",
        "open + list the same model as eight ranks saved it, 1,176 chunks",
        List,
        11,
        &[ours(Model, Distributed).target(PeakOfFile(0.01)), torch(Model, Distributed)],
    ),
    Work::new("distributed-own", "every tensor put together in owned memory, 1.9 GB", Load, 5, DISTRIBUTED_OWN),
    Work::new("distributed-own-cold", "the same, cold page cache", Load, 3, DISTRIBUTED_OWN).cold(),
];

const OTHER_DTYPES: &[Work] = &[
    Work::new("bf16-to-f32", "bf16 to f32, 1.9 GB in, 3.8 GB out", ToF32, 3, &to_f32(ModelBf16)),
    Work::new("bf16-into-f32", "bf16 to f32 into one touched buffer", IntoF32, 5, &into_f32(ModelBf16)),
    Work::new(
        "f8-to-f32",
        "float8_e4m3fn to f32, 0.95 GB in, 3.8 GB out",
        ToF32,
        3,
        &[ours(ModelF8, Archive), plain(ModelF8, Archive), torch(ModelF8, Archive)],
    ),
    Work::new(
        "f8-into-f32",
        "float8_e4m3fn to f32 into one touched buffer",
        IntoF32,
        5,
        &[ours(ModelF8, Archive), plain(ModelF8, Archive), torch(ModelF8, Archive)],
    ),
];

const fn strided(weights: Weights) -> [Contestant; 5] {
    [
        ours(weights, Archive),
        pytorch_reader(weights, Archive).target(Time(0.2)),
        torch(weights, Archive).target(Time(1.0)),
        plain(weights, Archive),
        candle(weights, Archive),
    ]
}

const VIEWS: &[Contestant] = &[
    ours(Views, Archive),
    // The same storage as one tensor.
    ours(OneView, Archive).target(Time(1.05)),
    plain(Views, Archive),
    pytorch_reader(Views, Archive),
    torch(Views, Archive),
];

const STRIDED: &[Work] = &[
    Work::new("transposed", "60 transposed f32 tensors to contiguous, 0.8 GB", Own, 5, &strided(Transposed)),
    Work::new(
        "channels-last",
        "40 channels-last convolutions to contiguous, 0.75 GB f32",
        Own,
        5,
        &strided(ChannelsLast),
    ),
    Work::new("views", "4,096 views of one 512 MiB storage into owned memory", Load, 5, VIEWS),
    Work::new("views-vec", "each of them into a vector", Vec, 5, VIEWS),
];
