//! TorchScript, `torch.export` and `torch.package` (cases 27, 28, 103 to 106). What real files hold is compared with torch's
//! answers in `oracle.rs`; here are forms that torch writes rarely or no more, and what each kind means to a caller.

mod packages;

use torch_checkpoint::{
    Checkpoint, DType, ErrorKind, Format, GlobalMeaning, Kind, Layout, Limits, LoadOptions, StateDict,
};

use crate::pickle_builder::*;
use crate::support::{TempFile, fixture, open, refusal, says, tensor};
use crate::zip_builder::{Data, Record, ZipBuilder};
use packages::{package_of, packaged};

fn fixture_of(path: &str) -> Checkpoint {
    LoadOptions::new().open(fixture(path)).unwrap()
}

fn names(checkpoint: &Checkpoint) -> Vec<String> {
    checkpoint.tensors().unwrap().iter().map(|entry| entry.name()).collect()
}

/// An archive of records below a root.
fn archive(records: &[(&str, &[u8])]) -> ZipBuilder {
    let record = |(name, bytes): &(&str, &[u8])| Record::new(format!("m/{name}"), *bytes);
    records.iter().map(record).fold(ZipBuilder::new(), ZipBuilder::with)
}

/// A TorchScript archive, still open to changes.
fn script_of(data: &[u8], constants: &[u8], more: &[(&str, &[u8])]) -> ZipBuilder {
    let (data, constants) = (pickle(data), pickle(constants));
    let own: [(&str, &[u8]); 3] = [("data.pkl", &data), ("constants.pkl", &constants), (".data/version", b"8\n")];
    archive(&[&own[..], more].concat())
}

fn script(data: &[u8], storages: &[(&str, &[u8])]) -> Checkpoint {
    open(script_of(data, &tuple([]), storages).build())
}

/// An object of a class of TorchScript's.
fn scripted(class: &str, state: Code) -> Code {
    object("__torch__.net", class, state)
}

fn jit(name: &str, args: impl IntoIterator<Item = Code>) -> Code {
    reduce(global("torch.jit._pickle", name), args)
}

const EIGHT: [u8; 8] = [0, 0, 128, 63, 0, 0, 0, 64];

#[test]
fn case_103_attributes_have_their_full_names() {
    let weight = || f32_tensor("0", &[2]);
    let data = scripted(
        "Net",
        dict([
            ("training", bool(true)),
            ("a", scripted("Sub", dict([("lin", scripted("Linear", dict([("weight", memo(9, weight()))])))]))),
            ("tied", get(9)),
            ("lst", jit("build_tensorlist", [list([weight(), weight()])])),
            ("ints", jit("build_intlist", [list([int(3), int(4)])])),
            ("d", jit("restore_type_tag", [dict([("key", weight())]), text("Dict[str, Tensor]")])),
            ("deep", list([tuple([dict([("x", int(1)), ("y", weight())])])])),
            ("by_int", dict_of([(int(3), weight()), (float(0.5), weight())])),
            ("plain", dict([("lr", float(0.25))])),
            ("packed", scripted("Packed", tuple([weight(), none()]))),
            ("bare", scripted("Bare", weight())),
            ("colour", [global("__torch__.net", "Colour"), int(2), vec![op::REDUCE]].concat()),
            ("device", reduce(global("torch", "device"), [text("cuda:1")])),
            ("dtype", int(5)),
            ("nothing", scripted("Empty", dict([]))),
        ]),
    );
    let checkpoint = script(&data, &[("data/0", &EIGHT)]);
    assert_eq!((checkpoint.format(), checkpoint.version()), (Format::TorchScript, 8));
    let wanted =
        ["a.lin.weight", "tied", "lst.0", "lst.1", "d.key", "deep.0.0.y", "by_int.3", "by_int.0.5", "packed.0", "bare"];
    assert_eq!(names(&checkpoint), wanted);
    let weights = checkpoint.state_dict().unwrap();
    assert_eq!(weights.keys().collect::<Vec<_>>(), wanted);
    assert_eq!(weights.tied().len(), 1);
    assert_eq!(weights["lst.1"].to_vec::<f32>().unwrap(), [1.0, 2.0]);
    let others: Vec<(&str, Kind)> = weights.others().map(|(name, value)| (name, value.kind())).collect();
    assert_eq!(
        others,
        [
            ("training", Kind::Bool),
            ("ints", Kind::List),
            ("deep.0.0.x", Kind::Int),
            ("plain", Kind::Dict),
            ("packed.1", Kind::None),
            ("colour", Kind::Object),
            ("device", Kind::Device),
            ("dtype", Kind::Int),
        ]
    );
    // Each is found by its name too.
    for name in ["a.lin.weight", "lst.0", "d.key", "deep.0.0.y", "by_int.3", "packed.0"] {
        assert!(checkpoint.get(name).unwrap().as_tensor().is_some(), "{name}");
    }
    assert_eq!(checkpoint.get("colour").unwrap().args().next().unwrap().as_i64(), Some(2));
    assert_eq!(checkpoint.get("ints.1").unwrap().as_i64(), Some(4));
    let part =
        state_dict(LoadOptions::new().key("a"), "script.pt", &script_of(&data, &tuple([]), &[("data/0", &EIGHT)]));
    assert_eq!(part.keys().collect::<Vec<_>>(), ["lin.weight"]);
    // Nothing of the archive's code has a meaning.
    let classes: Vec<_> = checkpoint.globals().filter(|global| global.module == "__torch__.net").collect();
    assert!(classes.len() > 5 && classes.iter().all(|class| class.meaning == GlobalMeaning::Opaque));
}

/// The state dict of an archive, loaded from a path.
fn state_dict(mut options: LoadOptions<'_>, name: &str, archive: &ZipBuilder) -> StateDict {
    let file = TempFile::with(name, &archive.build());
    options.load_state_dict(&file.0).unwrap()
}

#[test]
fn case_103_constants_are_separate() {
    let constants = tuple([f32_tensor("0", &[2]), f32_tensor("1", &[1])]);
    let storages: [(&str, &[u8]); 3] = [("data/0", &[0; 8]), ("constants/0", &EIGHT), ("constants/1", &[0; 4])];
    let build = |data: Code| script_of(&data, &constants, &storages);
    let data = scripted("Net", dict([("w", f32_tensor("0", &[2]))]));
    let checkpoint = open(build(data.clone()).build());
    assert_eq!(names(&checkpoint), ["w", "constants.0", "constants.1"]);
    let entries = checkpoint.tensors().unwrap();
    assert_eq!(entries[1].path(), ["constants", "0"]);
    assert_eq!(tensor(&checkpoint, "constants.0").to_vec::<f32>().unwrap(), [1.0, 2.0]);
    assert_eq!(checkpoint.constants().unwrap().len(), Some(2));
    assert!(checkpoint.get("constants.1").unwrap().as_tensor().is_some());
    assert_eq!(checkpoint.get("constants").unwrap().kind(), Kind::Tuple);
    let listing = checkpoint.leaves("").unwrap();
    assert_eq!((listing.leaves.len(), listing.not_walked), (1, 2));
    assert_eq!(checkpoint.leaves("constants").unwrap().leaves.len(), 2);
    assert_eq!(checkpoint.state_dict().unwrap().keys().collect::<Vec<_>>(), ["w"]);
    let flat = state_dict(LoadOptions::new().flatten(), "constants.pt", &build(data));
    assert_eq!(flat.len(), 3);
    // Something of the root's own comes first.
    let named = open(build(scripted("Net", dict([("constants", int(7))]))).build());
    assert_eq!(named.get("constants").unwrap().as_i64(), Some(7));
    // Other files have none.
    assert!(open(torch_file(&none(), &[])).constants().is_none());
}

#[test]
fn case_103_a_frozen_module_is_no_empty_state_dict() {
    let constants = tuple([f32_tensor("0", &[2])]);
    let data = scripted("Net", dict([("training", bool(false))]));
    let checkpoint = open(script_of(&data, &constants, &[("constants/0", &EIGHT)]).build());
    says(&checkpoint.state_dict().unwrap_err(), &["constants.0", "frozen", "flatten"]);
    assert!(fixture_of("torchscript/torch-2.15/frozen.pt").state_dict().is_err());
    // Without tensors anywhere it is an empty one.
    assert!(script(&data, &[]).state_dict().unwrap().is_empty());
}

#[test]
fn case_103_storages_of_the_lite_interpreter_and_of_old_releases() {
    let by_folder = |key: &str| TensorCall::new(&StorageId::new("FloatStorage", key, 2), &[2]).code();
    let data = |key| scripted("Net", dict([("w", by_folder(key))]));
    for (key, record) in
        [("0.storage", "data/0.storage"), ("constants/0", "constants/0"), ("constants/0", "data/constants/0")]
    {
        let checkpoint = script(&data(key), &[(record, &EIGHT)]);
        assert_eq!(tensor(&checkpoint, "w").to_vec::<f32>().unwrap(), [1.0, 2.0], "{key}");
    }
    for key in ["../0", "a/b/0", "/0", "constants/", "a/..", "constants\\0"] {
        says(&refusal(script_of(&data(key), &tuple([]), &[("data/0", &EIGHT)]).build()), &["plain name", "tensor `w`"]);
    }
    // Up to torch 1.5 a sixth item, None, was there.
    let mut id = StorageId::new("FloatStorage", "0", 2);
    id.more.push(none());
    let old = scripted("Net", dict([("w", TensorCall::new(&id, &[2]).code())]));
    assert_eq!(script(&old, &[("data/0", &EIGHT)]).tensors().unwrap().len(), 1);
    id.more[0] = tuple([text("v"), int(0), int(1)]);
    let view = scripted("Net", dict([("w", TensorCall::new(&id, &[2]).code())]));
    says(&refusal(script_of(&view, &tuple([]), &[("data/0", &EIGHT)]).build()), &["6 items"]);
}

#[test]
fn case_103_roots_that_are_no_module() {
    let checkpoint = script(&dict([("w", f32_tensor("0", &[2]))]), &[("data/0", &EIGHT)]);
    assert_eq!(checkpoint.state_dict().unwrap().len(), 1);
    let checkpoint = script(&tuple([int(1), f32_tensor("0", &[2])]), &[("data/0", &EIGHT)]);
    assert_eq!(names(&checkpoint), ["1"]);
    let checkpoint = script(&scripted("Net", f32_tensor("0", &[2])), &[("data/0", &EIGHT)]);
    assert_eq!(names(&checkpoint), ["state"]);
}

#[test]
fn case_103_what_contains_itself_and_what_is_shared_ends() {
    // A list in itself, beside a tensor; a module in itself.
    let inner =
        [memo(1, vec![op::EMPTY_LIST]), get(1), vec![op::APPEND], f32_tensor("0", &[2]), vec![op::APPEND]].concat();
    let this = [memo(2, [global("__torch__", "M"), vec![op::EMPTY_TUPLE, op::NEWOBJ]].concat())].concat();
    let checkpoint = script(&build(this, dict([("l", inner), ("me", get(2))])), &[("data/0", &EIGHT)]);
    assert_eq!(names(&checkpoint), ["l.1"]);
    // Thirty levels of ten references each.
    let mut laughs = memo(0, list([f32_tensor("0", &[2])]));
    for level in 1..30 {
        laughs = [laughs, vec![op::POP], memo(level, list((0..10).map(|_| get(level - 1))))].concat();
    }
    let laughs = [scripted("M", dict([("l", [laughs, vec![op::POP], get(29)].concat())]))].concat();
    let mut limits = Limits::default();
    limits.names = 10_000;
    let file = script_of(&laughs, &tuple([]), &[("data/0", &EIGHT)]).build();
    let checkpoint = LoadOptions::new().limits(limits).open_bytes(file).unwrap();
    says(&checkpoint.tensors().unwrap_err(), &["Limits::names"]);
    // Deeper than a walk goes.
    let mut deep = f32_tensor("0", &[2]);
    for _ in 0..2_000 {
        deep = scripted("M", dict([("m", deep)]));
    }
    let checkpoint = script(&deep, &[("data/0", &EIGHT)]);
    assert_eq!(checkpoint.state_dict().unwrap_err().kind(), ErrorKind::Limit);
    let deep_list = [vec![op::EMPTY_LIST; 50_000], f32_tensor("0", &[2]), vec![op::APPEND; 50_000]].concat();
    let checkpoint = script(&scripted("M", dict([("l", deep_list)])), &[("data/0", &EIGHT)]);
    assert_eq!(checkpoint.tensors().unwrap_err().kind(), ErrorKind::Limit);
}

#[test]
fn case_104_dtypes_conjugates_and_sparse_tensors_of_the_cpp_pickler() {
    let f8 = TensorCall::new(&StorageId::new("Float8_e4m3fnStorage", "0", 4), &[4]).code();
    let mut conj = TensorCall::new(&StorageId::new("ComplexFloatStorage", "1", 1), &[1]);
    conj.metadata = Some(jit("restore_type_tag", [dict([("conj", bool(true))]), text("Dict[str, bool]")]));
    let indices = TensorCall::new(&StorageId::new("LongStorage", "2", 2), &[1, 2]).code();
    let values = f32_tensor("1", &[2]);
    let hooks = ordered_dict([]);
    let sparse = reduce(
        global("torch._utils", "_rebuild_sparse_tensor"),
        [int(1), ints(&[3]), bool(false), indices, values, hooks],
    );
    let data = scripted("Net", dict([("f8", f8), ("conj", conj.code()), ("sparse", sparse)]));
    let two: Vec<u8> = [0_i64, 2].iter().flat_map(|index| index.to_le_bytes()).collect();
    let storages: [(&str, &[u8]); 3] = [("data/0", &[0x38, 0xb8, 0x40, 0x7e]), ("data/1", &EIGHT), ("data/2", &two)];
    let checkpoint = script(&data, &storages);
    assert_eq!(checkpoint.version(), 8);
    let f8 = tensor(&checkpoint, "f8");
    assert_eq!(f8.dtype(), DType::Float8E4M3Fn);
    assert_eq!(f8.cast::<f32>().unwrap(), [1.0, -1.0, 2.0, 448.0]);
    let conj = tensor(&checkpoint, "conj").to_vec::<torch_checkpoint::Complex<f32>>().unwrap();
    assert_eq!((conj[0].re, conj[0].im), (1.0, -2.0));
    let sparse = tensor(&checkpoint, "sparse");
    assert_eq!((sparse.layout(), sparse.shape()), (Layout::SparseCoo, &[3][..]));
    assert_eq!(sparse.to_dense().unwrap().to_vec::<f32>().unwrap(), [1.0, 0.0, 2.0]);
}

#[test]
fn case_027_versions_of_programs() {
    let data = scripted("Net", dict([]));
    for (version, words) in [("0", "version 0"), ("11", "version 11"), ("x", "no number"), ("-1", "no number")] {
        let file = script_of(&data, &tuple([]), &[]).change("m/.data/version", |record| {
            record.data = Data::Bytes(version.into());
        });
        says(&refusal(file.build()), &[words]);
    }
    says(&refusal(script_of(&data, &tuple([]), &[]).without("m/.data/version").build()), &["no record `version`"]);
    for (version, words) in [("1", "version 1"), ("x", "version x")] {
        let file = export_of(&[]).change("m/archive_version", |record| {
            record.data = Data::Bytes(version.into());
        });
        says(&refusal(file.build()), &["the package has", words]);
    }
}

#[test]
fn case_028_programs_of_big_endian_machines() {
    let big: Vec<u8> = [1.0_f32, 2.0].iter().flat_map(|value| value.to_be_bytes()).collect();
    let data = scripted("Net", dict([("w", f32_tensor("0", &[2]))]));
    let script = open(script_of(&data, &tuple([]), &[("data/0", &big), ("byteorder", b"big")]).build());
    let export = open(
        export_of(&[("w", config("w0", 7, "[2]", "[1]", 0))])
            .with(Record::new("m/data/weights/w0", big.as_slice()))
            .with(Record::new("m/byteorder", "big"))
            .build(),
    );
    let package = package_of(&[("a/b.pkl", packaged("0"))]).with(Record::new("m/.data/0.storage", big.as_slice()));
    let package = open(package.with(Record::new("m/byteorder", "big")).build());
    for (checkpoint, name) in [(script, "w"), (export, "w"), (package, "a/b.pkl")] {
        assert_eq!(tensor(&checkpoint, name).to_vec::<f32>().unwrap(), [1.0, 2.0]);
    }
}

/// An entry of a config.
fn config(record: &str, dtype: i64, sizes: &str, strides: &str, offset: i64) -> String {
    let numbers = |text: &str| {
        let each = text.trim_matches(['[', ']']).split(',').filter(|number| !number.is_empty());
        let each: Vec<String> = each.map(|number| format!("{{\"as_int\": {number}}}")).collect();
        format!("[{}]", each.join(", "))
    };
    format!(
        r#"{{"path_name": "{record}", "is_param": false, "use_pickle": false, "tensor_meta": {{"dtype": {dtype}, "sizes": {},
        "strides": {}, "storage_offset": {{"as_int": {offset}}}, "layout": 7, "requires_grad": false,
        "device": {{"type": "cuda", "index": 1}}}}}}"#,
        numbers(sizes),
        numbers(strides)
    )
}

/// A package of one program without constants, still open to changes.
fn export_of(weights: &[(&str, String)]) -> ZipBuilder {
    let weights: Vec<String> = weights.iter().map(|(name, config)| format!("\"{name}\": {config}")).collect();
    let weights = format!("{{\"config\": {{{}}}}}", weights.join(", "));
    archive(&[
        ("archive_format", b"pt2"),
        ("archive_version", b"0"),
        (".data/version", b"6\n"),
        ("models/net.json", b"{}"),
        ("data/weights/net_weights_config.json", weights.as_bytes()),
        ("data/constants/net_constants_config.json", b"{\"config\": {}}"),
    ])
}

#[test]
fn case_105_weights_are_views_of_records() {
    let weights = [
        ("b.w", config("weight_0", 7, "[2]", "[1]", 0)),
        ("a", config("weight_0", 7, "[]", "[]", 1)),
        ("bits", config("weight_0", 4, "[2]", "[1]", 0)),
        ("empty", config("weight_1", 5, "[0,3]", "[3,1]", 0)),
        ("fake", config("weight_1", 13, "[4,4]", "[4,1]", 0)),
    ];
    let file = export_of(&weights)
        .with(Record::new("m/data/weights/weight_0", EIGHT))
        .with(Record::new("m/data/weights/weight_1", b""));
    let checkpoint = open(file.build());
    assert_eq!(checkpoint.format(), Format::Export);
    assert_eq!(names(&checkpoint), ["b.w", "a", "bits", "empty", "fake"]);
    let weights = checkpoint.state_dict().unwrap();
    assert_eq!(weights["b.w"].to_vec::<f32>().unwrap(), [1.0, 2.0]);
    assert_eq!(weights["a"].to_vec::<f32>().unwrap(), [2.0]);
    assert_eq!(weights["bits"].to_vec::<i32>().unwrap(), [0x3f80_0000, 0x4000_0000]);
    assert_eq!(weights["a"].storage(), weights["b.w"].storage());
    assert_eq!(weights["a"].location(), "cuda:1");
    assert_eq!(weights["empty"].shape(), [0, 3]);
    // A program that was exported without data has shapes only.
    assert_eq!((weights["fake"].location(), weights["fake"].shape()), ("meta", &[4, 4][..]));
    assert!(weights["fake"].bytes().is_err());
}

#[test]
fn case_105_of_real_programs() {
    let tied = fixture_of("export/torch-2.15/tied.pt2").state_dict().unwrap();
    assert!(!tied.tied().is_empty());
    let old = fixture_of("export/torch-2.5/tied.pt2");
    assert_eq!((old.format(), old.version()), (Format::Export, 7));
    assert!(!old.state_dict().unwrap().tied().is_empty());
    let two = fixture_of("export/torch-2.15/two_programs.pt2");
    let programs: Vec<String> = two.root().entries().map(|(name, _)| name.to_string()).collect();
    assert_eq!(programs.len(), 2);
    says(&two.state_dict().unwrap_err(), &["several dicts", &programs[0]]);
    let one = LoadOptions::new().key(&*programs[1]).load_state_dict(fixture("export/torch-2.15/two_programs.pt2"));
    assert!(!one.unwrap().is_empty());
}

#[test]
fn case_105_forged_configs() {
    let good = || config("weight_0", 7, "[2]", "[1]", 0);
    let with = |entry: String| {
        let file = export_of(&[("w", entry)]).with(Record::new("m/data/weights/weight_0", EIGHT));
        refusal(file.with(Record::new("m/data/weights/odd", [0; 7])).build())
    };
    for (entry, words) in [
        (config("weight_0", 7, "[3]", "[1]", 0), "weights/weight_0: tensor `w`: a tensor of shape [3]"),
        (config("weight_0", 7, "[2]", "[1]", 1), "offset 1 does not fit"),
        (config("weight_0", 7, "[2]", "[-1]", 0), "negative stride"),
        (config("weight_0", 7, "[-2]", "[1]", 0), "negative size"),
        (config("weight_0", 7, "[2,2]", "[1]", 0), "2 dimensions but 1 strides"),
        (config("weight_0", 7, "[4611686018427387904,4]", "[0,0]", 0), "more elements than can be addressed"),
        (config("weight_0", 14, "[2]", "[1]", 0), "dtype has the number 14"),
        (config("weight_9", 7, "[2]", "[1]", 0), "`data/weights/weight_9` is missing"),
        (config("../weight_0", 7, "[2]", "[1]", 0), "no plain file name"),
        (config("odd", 7, "[1]", "[1]", 0), "whole number of elements"),
        (good().replace("\"layout\": 7", "\"layout\": 1"), "layout has the number 1"),
        (good().replace("{\"as_int\": 2}", "{\"as_expr\": {\"expr_str\": \"s0\"}}"), "symbolic"),
        (good().replace("\"use_pickle\": false", "\"use_pickle\": true"), "weight_0: "),
        (good().replace("\"is_param\"", "\"path_name\""), "duplicate field"),
        ("null".into(), "invalid type"),
    ] {
        says(&with(entry), &[words]);
    }
    let twice = export_of(&[("w", good()), ("w", good())]).with(Record::new("m/data/weights/weight_0", EIGHT));
    says(&refusal(twice.build()), &["`w` is there twice", "net_weights_config.json"]);
    for record in ["data/weights/net_weights_config.json", "data/constants/net_constants_config.json"] {
        let file = export_of(&[]).without(&format!("m/{record}"));
        says(&refusal(file.build()), &[&format!("no record `{record}`")]);
    }
    let other = export_of(&[]).change("m/archive_format", |record| {
        record.data = Data::Bytes(b"pt3".to_vec());
    });
    says(&refusal(other.build()), &["`pt3`"]);
    let compiled = archive(&[("archive_format", b"pt2"), (".data/version", b"6"), ("data/aotinductor/m/m.so", b"")]);
    assert_eq!(refusal(compiled.build()).kind(), ErrorKind::Unsupported);
    // A constant may not have the name of a weight.
    let constants = format!("{{\"config\": {{\"w\": {}}}}}", good());
    let both = export_of(&[("w", good())])
        .change("m/data/constants/net_constants_config.json", |record| {
            record.data = Data::Bytes(constants.into_bytes());
        })
        .with(Record::new("m/data/weights/weight_0", EIGHT))
        .with(Record::new("m/data/constants/weight_0", EIGHT));
    says(&refusal(both.build()), &["are named `w`"]);
}

#[test]
fn case_105_objects_and_files_within_the_package() {
    let inner = torch_file(&scripted("Queue", tuple([f32_tensor("0", &[2])])), &[("0", &EIGHT)]);
    let weights = torch_file(&ordered_dict([("w", f32_tensor("0", &[2]))]), &[("0", &EIGHT)]);
    let object = |record: &str| {
        format!(r#"{{"path_name": "{record}", "is_param": false, "use_pickle": true, "tensor_meta": null}}"#)
    };
    let constants = format!(r#"{{"config": {{"q": {}, "o": {}}}}}"#, object("custom_obj_0"), object("opaque_obj_0"));
    let file = export_of(&[])
        .without("m/data/weights/net_weights_config.json")
        .change("m/data/constants/net_constants_config.json", |record| {
            record.data = Data::Bytes(constants.into_bytes());
        })
        // As torch 2.7 wrote them.
        .with(Record::new("m/data/weights/net.pt", weights))
        .with(Record::new("m/data/constants/custom_obj_0", inner))
        .with(Record::new("m/data/constants/opaque_obj_0", "no pickle"));
    let checkpoint = open(file.build());
    assert_eq!(names(&checkpoint), ["w", "q.0.0"]);
    assert_eq!(checkpoint.root().type_name(), "collections.OrderedDict");
    assert_eq!(checkpoint.get("q").unwrap().type_name(), "torch._C.ScriptObject");
    assert!(checkpoint.get("o").unwrap().as_str().unwrap().ends_with("opaque_obj_0"));
    assert_eq!(checkpoint.state_dict().unwrap().keys().collect::<Vec<_>>(), ["w"]);
    assert!(checkpoint.verify().is_empty());
}

#[test]
fn case_105_weights_of_compiled_models() {
    let parameter = parameter(TensorCall::new(&StorageId::new("FloatStorage", "0", 2), &[2]).code(), true);
    let config = r#"{"w": ["weight_0", [2], [1], 0], "last": ["weight_0", [], [], 1]}"#;
    let build = |config: &str, tensor: &[u8]| {
        archive(&[
            ("archive_format", b"pt2"),
            (".data/version", b"6"),
            ("data/aotinductor/net/weights_config.json", config.as_bytes()),
            ("data/weights/weight_0", &torch_file(tensor, &[("0", &EIGHT)])),
        ])
        .build()
    };
    let weights = open(build(config, &parameter)).state_dict().unwrap();
    assert_eq!(weights["last"].to_vec::<f32>().unwrap(), [2.0]);
    assert_eq!(weights["last"].storage(), weights["w"].storage());
    says(&refusal(build(&config.replace("[2]", "[3]"), &parameter)), &["tensor `w`", "does not fit"]);
    says(&refusal(build(&config.replace("weight_0", "weight_1"), &parameter)), &["weight_1` is missing"]);
    says(&refusal(build(config, &int(1))), &["something else than a plain tensor"]);
}

/// What `torch.fx` traces is a module, though it is pickled as a call.
#[test]
fn graph_modules_are_modules() {
    let state = dict([
        ("_parameters", dict([("w", f32_tensor("0", &[2]))])),
        ("_buffers", dict([])),
        ("_modules", dict([])),
        ("_code", text("def forward(self): …")),
    ]);
    let made = reduce(global("torch.fx.graph_module", "reduce_graph_module"), [state, text("import torch")]);
    let checkpoint = open(torch_file(&dict([("model", made), ("epoch", int(3))]), &[("0", &EIGHT)]));
    assert_eq!(names(&checkpoint), ["model.w"]);
    assert_eq!(checkpoint.state_dict().unwrap().keys().collect::<Vec<_>>(), ["w"]);
    let model = checkpoint.get("model").unwrap();
    assert!(model.get("_code").unwrap().as_str().unwrap().starts_with("def"));
    assert_eq!(model.attributes().count(), 4);
    assert_eq!(model.args().next().unwrap().as_str(), Some("import torch"));
}
