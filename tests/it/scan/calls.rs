//! Which names are called, by whom, and what is done to objects behind their backs.

use super::{PAYLOAD, assert_dangerous, assert_verdict, call, global, scanned, state_dict};
use crate::pickle_builder::{
    Code, StorageId, bool, build, bytes, dict, get, int, list, memo, none, object, persistent, pickle, reduce,
    reduce_tuple, text, tuple,
};
use torch_checkpoint::{NameClass, Usage, Verdict};

fn verdict_of(code: &[u8]) -> Verdict {
    scanned(pickle(code)).verdict
}

fn system() -> Code {
    global("os", "system")
}

/// Of another package.
fn other() -> Code {
    global("package.module", "Thing")
}

#[test]
fn whatever_python_torch_or_numpy_have_is_dangerous_if_it_is_not_known_to_be_harmless() {
    for (module, name) in [
        ("os", "system"),
        ("posix", "system"),
        ("nt", "system"),
        ("commands", "getoutput"),
        ("__builtin__", "eval"),
        ("builtins", "exec"),
        ("cPickle", "loads"),
        ("pip", "main"),
        ("idlelib.autocomplete", "AutoComplete.fetch_completions"),
        ("string", "Formatter"),
        ("test.support.script_helper", "assert_python_ok"),
        ("torch", "load"),
        ("torch.hub", "load"),
        ("torch.utils.collect_env", "run"),
        ("torch.nn.modules.module", "register_module_forward_hook"),
        ("torch.nn.functional", "relu"),
        ("torch.anything.new", "Thing"),
        ("numpy", "load"),
        ("numpy.f2py.crackfortran", "getlincoef"),
        ("numpy.testing._private.utils", "runstring"),
        ("", "x"),
        (".os", "system"),
    ] {
        let code = reduce([text(module), text(name), vec![0x93]].concat(), [text("ls")]);
        assert_eq!(verdict_of(&code), Verdict::Dangerous, "{module}.{name}");
    }
}

#[test]
fn names_that_are_mentioned_are_judged_as_values() {
    let mentioned = |code: Code| verdict_of(&dict([("x", code)]));
    assert_eq!(mentioned(system()), Verdict::Dangerous);
    assert_eq!(mentioned(global("torch", "load")), Verdict::Dangerous);
    assert_eq!(mentioned(global("torch", "float16")), Verdict::Safe);
    assert_eq!(mentioned(global("torch", "Tensor")), Verdict::Safe);
    // Not on torch's list, but nothing happens.
    assert_eq!(mentioned(global("torch.nn.modules.linear", "Linear")), Verdict::NeedsTrust);
    assert_eq!(mentioned(global("torch.nn.functional", "relu")), Verdict::NeedsTrust);
    assert_eq!(mentioned(global("torch.utils.data.dataloader", "DataLoader")), Verdict::NeedsTrust);
    // Importing runs the other package's code.
    assert_eq!(mentioned(other()), Verdict::NeedsTrust);
    let factory = reduce(global("collections", "defaultdict"), [system()]);
    assert_eq!(verdict_of(&factory), Verdict::Dangerous);
}

#[test]
fn values_that_python_pickles_need_trust_only() {
    for code in [
        reduce(global("__builtin__", "frozenset"), [list([int(1)])]),
        reduce(global("collections", "defaultdict"), [global("__builtin__", "list")]),
        reduce(global("collections", "deque"), [list([]), int(3)]),
        reduce(global("datetime", "datetime"), [bytes(b"\x07\xe8\x01\x01\0\0\0\0\0\0")]),
        reduce(global("pathlib", "PosixPath"), [text("/"), text("x")]),
        reduce(global("numpy.core.multiarray", "_reconstruct"), [global("numpy", "ndarray"), int(0), bytes(b"b")]),
        reduce(global("numpy.core.multiarray", "scalar"), [global("numpy", "float64"), bytes(b"12345678")]),
        object("argparse", "Namespace", dict([("lr", int(1))])),
        object("torch.nn.modules.linear", "Linear", dict([("training", bool(true))])),
        reduce(global("exceptions", "ValueError"), [text("x")]),
        reduce(global("copy_reg", "_reconstructor"), [other(), global("__builtin__", "object"), none()]),
        reduce(global("__builtin__", "type"), [none()]),
    ] {
        let report = scanned(pickle(&code));
        assert_eq!(report.verdict, Verdict::NeedsTrust, "{:?}", report.findings);
        assert!(report.findings.iter().all(|finding| finding.class <= NameClass::Unknown));
    }
}

#[test]
fn classes_are_made_but_not_called() {
    let linear = || global("torch.nn.modules.linear", "Linear");
    assert_eq!(verdict_of(&reduce(linear(), [int(1), int(2)])), Verdict::Dangerous);
    let report = scanned(pickle(&object("torch.nn.modules.linear", "Linear", dict([]))));
    assert_eq!((report.verdict, report.findings[0].usage), (Verdict::NeedsTrust, Usage::Made));
}

#[test]
fn what_calls_its_arguments_has_them_judged() {
    let from_type = |function: Code, args: Code| {
        reduce(global("torch._tensor", "_rebuild_from_type_v2"), [function, global("torch", "Tensor"), args, dict([])])
    };
    let rebuild = |name: &str| global("torch._utils", name);
    assert_eq!(verdict_of(&from_type(rebuild("_rebuild_tensor_v2"), tuple([]))), Verdict::Safe);
    for (what, code) in [
        ("a function of torch's own list", from_type(system(), tuple([text("ls")]))),
        (
            "one within another",
            from_type(
                global("torch._tensor", "_rebuild_from_type_v2"),
                tuple([global("torch.hub", "Load"), other(), tuple([])]),
            ),
        ),
        (
            "arguments that a call makes",
            reduce_tuple(global("torch._tensor", "_rebuild_from_type_v2"), reduce(global("torch", "Size"), [])),
        ),
        ("a class of torch", from_type(global("torch.hub", "Thing"), tuple([]))),
        (
            "the base of an old object",
            reduce(global("copy_reg", "_reconstructor"), [other(), global("torch.hub", "Thing"), text("ls")]),
        ),
        (
            "the maker of a random state",
            reduce(global("numpy.random._pickle", "__randomstate_ctor"), [text("ls"), global("torch.hub", "Thing")]),
        ),
        (
            "a subclass of arrays",
            reduce(
                global("numpy.core.multiarray", "_reconstruct"),
                [global("torch.hub", "Thing"), int(0), bytes(b"b")],
            ),
        ),
        ("a class with a body", reduce(global("__builtin__", "type"), [text("X"), tuple([]), dict([])])),
    ] {
        assert_dangerous(pickle(&code), what);
    }
    // A list of arguments that holds itself ends.
    let own = [memo(1, list([])), get(1), vec![b'a']].concat();
    assert_eq!(verdict_of(&from_type(rebuild("_rebuild_tensor_v2"), own)), Verdict::Safe);
}

#[test]
fn functions_that_are_kept_are_called_when_the_keeper_is() {
    let partial = |function: Code| reduce(global("functools", "partial"), [function]);
    let thing = || global("torch.hub", "Thing");
    assert_eq!(verdict_of(&partial(global("torch.nn.functional", "leaky_relu"))), Verdict::NeedsTrust);
    assert_eq!(verdict_of(&partial(thing())), Verdict::NeedsTrust);
    assert_eq!(verdict_of(&reduce(partial(other()), [])), Verdict::NeedsTrust);
    assert_dangerous(pickle(&reduce(partial(thing()), [])), "called");
    assert_dangerous(pickle(&reduce(partial(partial(thing())), [])), "called through two");
    let given = build(partial(other()), tuple([thing(), tuple([]), dict([]), none()]));
    assert_dangerous(pickle(&reduce(given, [])), "another function by its state");
    let hidden = build(partial(other()), reduce(global("builtins", "tuple"), [list([thing()])]));
    assert_dangerous(pickle(&reduce(hidden, [])), "a state that a call makes");
}

#[test]
fn results_that_are_called_can_be_anything() {
    let itemgetter = || reduce(global("operator", "itemgetter"), [int(0)]);
    assert_eq!(verdict_of(&itemgetter()), Verdict::NeedsTrust);
    assert_dangerous(pickle(&reduce(itemgetter(), [list([])])), "an item");
    assert_dangerous(pickle(&reduce(global("operator", "attrgetter"), [text("system")])), "an attribute by its name");
    assert_dangerous(pickle(&reduce(reduce(global("builtins", "dict"), []), [])), "a dict");
    // What another package gives is what it gives.
    let report = scanned(pickle(&reduce(reduce(other(), []), [])));
    assert_eq!(report.verdict, Verdict::NeedsTrust);
    assert!(report.findings.iter().any(|finding| finding.reason.contains("in turn")), "{:?}", report.findings);
}

#[test]
fn attributes_are_judged_by_the_name_that_they_have() {
    let attribute = |object: Code, name: &str| reduce(global("__builtin__", "getattr"), [object, text(name)]);
    // As Python pickles methods, members and nested classes.
    assert_eq!(verdict_of(&attribute(other(), "Inner")), Verdict::NeedsTrust);
    assert_eq!(verdict_of(&attribute(object("package", "Thing", dict([])), "method")), Verdict::NeedsTrust);
    assert_eq!(verdict_of(&attribute(list([]), "append")), Verdict::NeedsTrust);
    assert_eq!(verdict_of(&attribute(global("torch._C", "_VariableFunctionsClass"), "relu")), Verdict::NeedsTrust);
    for (what, code) in [
        ("of a module of Python's", attribute(global("os", "path"), "os")),
        ("called, of a class of Python's", reduce(attribute(global("bdb", "Bdb"), "run"), [])),
        ("called, of a value", reduce(attribute(text("x"), "format"), [])),
        (
            "called, of a class of torch's",
            reduce(attribute(global("torch._C", "_VariableFunctionsClass"), "from_file"), []),
        ),
        ("that leads to the class", attribute(list([]), "__class__")),
        ("through another package's imports", attribute(attribute(global("package", "os"), "path"), "join")),
    ] {
        assert_dangerous(pickle(&code), what);
    }
    let deep = (0..40).fold(other(), |object, _| attribute(object, "x"));
    assert_dangerous(pickle(&attribute(deep, "__globals__")), "far away");
    let frame = attribute(attribute(object("types", "SimpleNamespace", dict([])), "gi_frame"), "x");
    assert_dangerous(pickle(&frame), "through a frame");
    let computed = reduce(global("builtins", "str"), [bytes(b"system"), text("ascii")]);
    assert_dangerous(pickle(&reduce(global("builtins", "getattr"), [other(), computed])), "whose name is computed");
}

#[test]
fn names_that_reach_through_other_packages_are_dangerous() {
    for (module, name) in [
        ("package.utils", "os.system"),
        ("package.utils", "torch.load"),
        ("package.utils", "f.__globals__"),
        ("__main__", "__builtins__"),
        ("__main__", "Thing.__init__"),
        ("six.moves", "builtins"),
        ("six.moves.builtins", "eval"),
        ("package._six.moves.builtins", "eval"),
        ("requests.api", "get"),
        ("cloudpickle.cloudpickle", "_make_function"),
        ("dill._dill", "_create_function"),
        ("collections", "OrderedDict.fromkeys"),
        ("torch._utils", "_rebuild_tensor_v2.__globals__"),
    ] {
        let code = [text(module), text(name), vec![0x93]].concat();
        assert_eq!(verdict_of(&code), Verdict::Dangerous, "{module}.{name}");
    }
    for (module, name) in
        [("package.code", "Thing"), ("__main__", "Thing"), ("shapes", "Thing.Inner"), ("sharded", "x")]
    {
        assert_eq!(verdict_of(&global(module, name)), Verdict::NeedsTrust, "{module}.{name}");
    }
}

#[test]
fn states_that_change_what_is_called_are_seen() {
    let thing = || global("torch.hub", "Thing");
    let namespace = |state: Code| object("argparse", "Namespace", state);
    assert_eq!(verdict_of(&namespace(dict([("fn", thing())]))), Verdict::NeedsTrust);
    for (what, code) in [
        ("__setstate__ of the object", build(namespace(dict([("__setstate__", thing())])), text("ls"))),
        ("the same by slots", namespace(tuple([none(), dict([("__setstate__", thing())])]))),
        (
            "the same in a dict that a call makes",
            namespace(reduce(global("collections", "OrderedDict"), [list([list([text("__setstate__"), thing()])])])),
        ),
        ("append", [namespace(dict([("append", thing())])), none(), vec![b'a']].concat()),
        ("a class of its own", namespace(dict([("__class__", thing())]))),
    ] {
        assert_dangerous(pickle(&code), what);
    }
    // Other objects under such a key do nothing.
    assert_eq!(verdict_of(&namespace(dict([("add", dict([])), ("extend", state_dict())]))), Verdict::NeedsTrust);
}

#[test]
fn what_is_set_in_a_class_or_module_changes_the_program() {
    let set = || dict([("x", int(1))]);
    for target in [global("torch._utils", "_rebuild_tensor"), global("collections", "OrderedDict"), other()] {
        let report = scanned(pickle(&build(target, set())));
        assert_eq!(report.verdict, Verdict::Dangerous);
        assert!(report.findings.iter().any(|finding| finding.usage == Usage::Changed), "{:?}", report.findings);
    }
    let nested = reduce(global("builtins", "getattr"), [other(), text("Inner")]);
    assert_dangerous(pickle(&build(nested, set())), "a class within a class");
    let class = persistent(tuple([text("module"), global("package", "Net"), text("net.py"), text("")]));
    assert_dangerous(pickle(&build(class, set())), "a class that is named by a persistent id");
}

#[test]
fn persistent_ids_may_stand_for_classes() {
    assert_eq!(verdict_of(&StorageId::new("FloatStorage", "0", 1).code()), Verdict::Safe);
    let class = |class: Code| persistent(tuple([text("module"), class, text("net.py"), text("")]));
    let made = |class: Code| [class, vec![b')', 0x81]].concat();
    assert_eq!(verdict_of(&made(class(other()))), Verdict::NeedsTrust);
    assert_eq!(verdict_of(&made(class(global("torch.nn.modules.linear", "Linear")))), Verdict::NeedsTrust);
    assert_dangerous(pickle(&made(class(global("torch.hub", "Thing")))), "a class of torch that is not known");
    assert_eq!(verdict_of(&made(persistent(text("7")))), Verdict::NeedsTrust);
}

#[test]
fn pickles_in_byte_strings_are_read() {
    let inner = pickle(&call());
    // UNICODE, with every character escaped.
    let raw_unicode = |data: &[u8]| {
        let escaped: String = data.iter().map(|byte| format!("\\u{byte:04x}")).collect();
        format!("V{escaped}\n").into_bytes()
    };
    let load = |data: Code| reduce(global("torch.storage", "_load_from_bytes"), [data]);
    let latin1 = |data: &[u8]| {
        let characters: String = data.iter().map(|&byte| char::from(byte)).collect();
        reduce(global("_codecs", "encode"), [text(&characters), text("latin1")])
    };
    for (what, code) in [
        ("a value", dict([("x", bytes(&inner))])),
        ("a storage", load(bytes(&inner))),
        ("a storage of protocol 2", load(latin1(&inner))),
        ("a storage of protocol 0", load(reduce(global("_codecs", "encode"), [raw_unicode(PAYLOAD), text("latin1")]))),
        ("a string of Python 2", [&b"S'c\\x6fs\\nsystem\\n(S\\'ls\\'\\ntR.'\n"[..]].concat()),
        ("two deep", load(bytes(&pickle(&load(bytes(&inner)))))),
        ("bytes that a call makes", load(reduce(global("builtins", "bytes"), [list([int(1)])]))),
    ] {
        assert_dangerous(pickle(&code), what);
    }
    let report = scanned(pickle(&load(bytes(&inner))));
    let finding = report.findings.iter().find(|finding| finding.global == "os.system").unwrap();
    assert!(finding.record.starts_with("bytes at "), "{finding:?}");
    assert_verdict(pickle(&load(bytes(&pickle(&dict([]))))), Verdict::NeedsTrust, "a harmless one");
}
