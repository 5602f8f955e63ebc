//! The stack, the memo and the containers.

use super::super::opcode::Opcode;
use super::*;

#[test]
fn case_046_protocols() {
    assert_eq!(shown(b"N."), "None");
    assert_eq!(shown(b"\x80\x02N\x80\x04."), "None");
    let error = assert_error(b"\x80\x06N.", ErrorKind::Unsupported, "protocol 6, and this crate reads 0 to 5");
    assert_eq!((error.offset(), error.opcode()), (Some(0), Some("PROTO")));
}

#[test]
fn case_047_stack_underflow_of_every_opcode_that_pops() {
    // One item fewer than the opcode needs; what lies below a mark does not count.
    let cases: &[(Opcode, &[u8], usize)] = &[
        (Opcode::Stop, b"", 1),
        (Opcode::Pop, b"", 1),
        (Opcode::Dup, b"", 1),
        (Opcode::BinPersId, b"", 1),
        (Opcode::Reduce, b"", 2),
        (Opcode::Append, b"", 2),
        (Opcode::Build, b"", 2),
        (Opcode::SetItem, b"", 3),
        (Opcode::NewObj, b"", 2),
        (Opcode::NewObjEx, b"", 3),
        (Opcode::StackGlobal, b"", 2),
        (Opcode::Tuple1, b"", 1),
        (Opcode::Tuple2, b"", 2),
        (Opcode::Tuple3, b"", 3),
        (Opcode::Memoize, b"", 1),
        (Opcode::BinPut, b"\0", 1),
        (Opcode::LongBinPut, b"\0\0\0\0", 1),
        (Opcode::Put, b"0\n", 1),
    ];
    for &(opcode, argument, needs) in cases {
        for have in 0..needs {
            let bare = Assembler::new().repeat(Opcode::EmptyTuple, have).with(opcode, argument).stop();
            let error =
                assert_error(&bare, ErrorKind::Malformed, "the stack holds too few items; the pickle is damaged");
            assert_eq!((error.offset(), error.opcode()), (Some(have as u64), Some(opcode.name())));
            let fenced = Assembler::new().repeat(Opcode::EmptyTuple, 5).op(Opcode::Mark).raw(&bare).0;
            // POP takes the mark itself.
            if opcode != Opcode::Pop {
                assert_error(&fenced, ErrorKind::Malformed, "too few items above its last mark");
            }
        }
    }
}

#[test]
fn case_047_containers_that_are_extended_must_lie_below_the_mark() {
    for opcode in [Opcode::Appends, Opcode::SetItems, Opcode::AddItems] {
        let pickle = Assembler::new().op(Opcode::Mark).op(opcode).stop();
        assert_error(&pickle, ErrorKind::Malformed, "the stack holds too few items;");
        let pickle = Assembler::new().op(Opcode::EmptyList).repeat(Opcode::Mark, 2).op(opcode).stop();
        assert_error(&pickle, ErrorKind::Malformed, "too few items above its last mark");
    }
    assert_error(b"(o.", ErrorKind::Malformed, "at byte 1 (OBJ): the stack holds too few items");
}

#[test]
fn case_047_every_opcode_that_needs_a_mark_says_that_there_is_none() {
    let cases: &[(Opcode, &[u8])] = &[
        (Opcode::PopMark, b""),
        (Opcode::Tuple, b""),
        (Opcode::List, b""),
        (Opcode::Dict, b""),
        (Opcode::Appends, b""),
        (Opcode::SetItems, b""),
        (Opcode::AddItems, b""),
        (Opcode::FrozenSet, b""),
        (Opcode::Inst, b"m\nC\n"),
        (Opcode::Obj, b""),
    ];
    for &(opcode, argument) in cases {
        let pickle = Assembler::new().op(Opcode::EmptyList).with(opcode, argument).stop();
        let error = assert_error(&pickle, ErrorKind::Malformed, "no mark is set on the stack");
        assert_eq!(error.opcode(), Some(opcode.name()));
    }
}

#[test]
fn case_047_no_stop_is_a_truncated_pickle() {
    for pickle in [&b""[..], b"N", b"\x80\x02]"] {
        let error = assert_error(pickle, ErrorKind::Malformed, "the pickle is truncated: it ends without STOP");
        assert_eq!((error.offset(), error.opcode()), (Some(pickle.len() as u64), None));
    }
}

#[test]
fn stop_takes_the_top_and_reads_no_further() {
    assert_eq!(shown(b"NK\x01."), "1");
    assert_eq!(shown(b"N(K\x01."), "1");
    let decoded = decode(b"K\x07.\xff\xff", &Limits::default()).unwrap();
    assert_eq!((decoded.consumed, show(&decoded.graph, decoded.graph.root()).as_str()), (3, "7"));
}

#[test]
fn pop_takes_a_mark_as_one_item() {
    assert_eq!(shown(b"N(0."), "None");
    assert_eq!(shown(b"K\x01((00(K\x02K\x0301\x85."), "(1)");
    assert_error(b"N00.", ErrorKind::Malformed, "at byte 2 (POP): the stack holds too few items");
}

#[test]
fn case_048_the_memo() {
    let error = assert_error(b"h\x05.", ErrorKind::Malformed, "nothing was stored in the memo under 5");
    assert_eq!((error.offset(), error.opcode()), (Some(0), Some("BINGET")));
    assert_error(b"Nq\x02h\x01.", ErrorKind::Malformed, "under 1;");
    assert_eq!(shown(b"(K\x01\x85q\0K\x02\x85q\0h\0t."), "((1), (2), (2))");
    // MEMOIZE goes by the number of entries, wherever they lie.
    assert_eq!(shown(b"(K\x01q\x07K\x02\x94h\x01h\x07t."), "(1, 2, 2, 1)");
    assert_eq!(shown(b"(K\x01q\x01K\x02\x94h\x01t."), "(1, 2, 2)");
}

#[test]
fn case_048_a_put_behind_a_value_is_the_same_as_any_other() {
    assert_eq!(shown(b"]q\0q\x01r\x02\0\0\0p3\n0h\x03."), "[]");
    assert_error(b"]r\x02\0", ErrorKind::Malformed, "at byte 1 (LONG_BINPUT): the pickle is truncated");
    assert_error(b"]q", ErrorKind::Malformed, "at byte 1 (BINPUT): the pickle is truncated");
}

#[test]
fn case_052_what_contains_itself_is_representable() {
    assert_eq!(shown(b"]q\0h\0a."), "[...]");
    assert_eq!(shown(b"}q\0K\x01h\0s."), "{1: ...}");
    // A tuple within itself by way of a list, as the pickler writes it.
    assert_eq!(shown(b"]q\0h\0\x85q\x010h\0h\x01a0h\x01."), "([...])");
    let graph = decode_all(b"cm\nC\n)Rq\0h\0b.").unwrap();
    let Node::Object(object) = graph.node(graph.root()) else { panic!("no object") };
    assert_eq!(object.states, [graph.root()]);
}

#[test]
fn what_is_shared_stays_shared() {
    // An APPEND after the reference was taken shows through it.
    let graph = decode_all(b"(]q\0h\0K\x05a0h\0l.").unwrap();
    assert_eq!(show(&graph, graph.root()), "[[5], [5]]");
    let Node::List(items) = graph.node(graph.root()) else { panic!("no list") };
    assert_eq!(items[0], items[1]);
    assert_eq!(shown(b"]q\0(h\0]K\x01ah\0e."), "[..., [1], ...]");
}

#[test]
fn containers_grow_in_any_order() {
    let pickle = Assembler::new()
        .raw(b"(]q\0}q\x01\x8fq\x02cm\nC\n)Rq\x03")
        .raw(
            (0..20_u8)
                .flat_map(|n| [b'h', 0, b'K', n, b'a', b'0', b'h', 1, b'K', n, b'K', n, b's', b'0'])
                .collect::<Vec<_>>(),
        )
        .raw(
            (0..20_u8)
                .flat_map(|n| [b'h', 2, b'(', b'K', n, 0x90, b'0', b'h', 3, b'K', n, b'a', b'0'])
                .collect::<Vec<_>>(),
        )
        .raw(
            (0..20_u8)
                .flat_map(|n| [b'h', 3, b'K', n, b'K', n, b's', b'0', b'h', 3, b'K', n, b'b', b'0'])
                .collect::<Vec<_>>(),
        )
        .raw(b"t.");
    let numbers = (0..20).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let entries = (0..20).map(|n| format!("{n}: {n}")).collect::<Vec<_>>().join(", ");
    assert_eq!(
        shown(&pickle.0),
        format!(
            "([{numbers}], {{{entries}}}, set({numbers}), REDUCE(m.C, (), states=[{numbers}], items=[{numbers}], entries={{{entries}}}))"
        )
    );
}

#[test]
fn case_058_objects_take_whatever_is_done_to_them() {
    assert_eq!(
        shown(b"cm\nC\nN\x85R(K\x01K\x02e(K\x03K\x04uNbK\x05a(K\x06\x90K\x07Ns}b."),
        "REDUCE(m.C, (None), states=[None, {}], items=[1, 2, 5, 6], entries={3: 4, 7: None})"
    );
    assert_eq!(
        shown(b"cm\nC\nK\x01\x85}\x8c\x01kNs\x92K\x02a."),
        "NEWOBJ_EX(m.C, (1), kwargs={\"k\": None}, items=[2])"
    );
    // Whatever REDUCE was given is kept.
    assert_eq!(shown(b"K\x01]R."), "REDUCE(1, [])");
}

#[test]
fn nothing_since_the_mark_changes_nothing() {
    for container in [&b"]"[..], b"}", b"\x8f", b"cm\nC\n)R"] {
        let bare = shown(&[container, b"."].concat());
        let opcode = match container[0] {
            b']' => b'e',
            b'}' => b'u',
            _ => 0x90,
        };
        assert_eq!(shown(&[container, &[b'(', opcode, b'.']].concat()), bare);
    }
    assert_error(b"K\x01(e.", ErrorKind::Malformed, "items can be appended to a list or an object, found int");
    assert_error(b"](u.", ErrorKind::Malformed, "entries can be set in a dict or an object, found list");
    assert_error(b"](\x90.", ErrorKind::Malformed, "items can be added to a set or an object, found list");
}

#[test]
fn only_what_can_be_extended_is() {
    let others: &[(&[u8], &str)] = &[
        (b"N", "None"),
        (b"\x88", "bool"),
        (b"K\x01", "int"),
        (b"L99999999999999999999L\n", "int"),
        (b"F1\n", "float"),
        (b"\x8c\x01a", "str"),
        (b"\x8c\x03\xed\xa0\x80", "str"),
        (b"U\x01a", "str of Python 2"),
        (b"C\x01a", "bytes"),
        (b"\x96\x01\0\0\0\0\0\0\0a", "bytearray"),
        (b")", "tuple"),
        (b"(\x91", "frozenset"),
        (b"cm\nC\n", "global"),
        (b"NQ", "persistent object"),
        (b"\x82\x01", "extension code"),
    ];
    for &(target, kind) in others {
        for opcode in [&b"Na."[..], b"(Ne.", b"NNs.", b"(NNu.", b"(N\x90.", b"Nb."] {
            assert_error(&[target, opcode].concat(), ErrorKind::Malformed, &format!(", found {kind};"));
        }
        let graph = decode_all(&[target, b"."].concat()).unwrap();
        assert_eq!(graph.kind_name(graph.root()), kind);
    }
    assert_error(b"}Na.", ErrorKind::Malformed, "appended to a list or an object, found dict");
    assert_error(b"]NNs.", ErrorKind::Malformed, "set in a dict or an object, found list");
    assert_error(b"}}b.", ErrorKind::Malformed, "a state can be given to an object only, found dict");
    assert_error(b"]}b.", ErrorKind::Malformed, "found list");
    assert_error(b"\x8f}b.", ErrorKind::Malformed, "found set");
}

#[test]
fn arguments_of_new_objects_are_tuples_and_keyword_arguments_dicts() {
    assert_error(b"cm\nC\n]\x81.", ErrorKind::Malformed, "(NEWOBJ): arguments must be a tuple, found list");
    assert_error(b"cm\nC\n]}\x92.", ErrorKind::Malformed, "(NEWOBJ_EX): arguments must be a tuple, found list");
    assert_error(b"cm\nC\n)]\x92.", ErrorKind::Malformed, "(NEWOBJ_EX): keyword arguments must be a dict, found list");
}

#[test]
fn globals_are_distinct_and_remember_their_first_mention() {
    let graph = decode_all(b"(ca\nB\n\x8c\x01a\x8c\x01B\x93U\x01aU\x01C\x93ca\nC\n(ia\nB\nt.").unwrap();
    assert_eq!(show(&graph, graph.root()), "(a.B, a.B, a.C, a.C, INST(a.B, ()))");
    let globals: Vec<_> = graph.globals().map(|id| (graph.global(id), graph.global_offset(id))).collect();
    assert_eq!(globals, [(("a", "B"), 1), (("a", "C"), 19)]);
    // Where one name ends and the other begins makes a difference.
    assert_eq!(decode_all(b"(ca\nbc\ncab\nc\nt.").unwrap().globals().len(), 2);
}

#[test]
fn the_names_of_a_stacked_global_are_texts() {
    for (pickle, kind) in [
        (&b"NN\x93."[..], "None"),
        (b"\x8c\x01aK\x01\x93.", "int"),
        (b"C\x01aU\x01a\x93.", "bytes"),
        (b"U\x01\xe9U\x01a\x93.", "str of Python 2"),
    ] {
        assert_error(
            pickle,
            ErrorKind::Malformed,
            &format!("(STACK_GLOBAL): the name of a global must be text, found {kind}"),
        );
    }
}

#[test]
fn objects_know_where_they_were_made() {
    let graph = decode_all(b"(NQcm\nC\n)RNb]t.").unwrap();
    let Node::Tuple(items) = graph.node(graph.root()) else { panic!("no tuple") };
    let offsets: Vec<_> = items.iter().map(|&item| graph.offset(item)).collect();
    assert_eq!(offsets, [Some(2), Some(9), None]);
}

#[test]
fn case_060_extensions_are_opaque_and_buffers_are_refused() {
    assert_eq!(shown(b"\x82\x01)R."), "REDUCE(extension(1), ())");
    for pickle in [&b"\x82\0."[..], b"\x83\0\0.", b"\x84\xff\xff\xff\xff."] {
        assert_error(pickle, ErrorKind::Malformed, "is no code of an extension");
    }
    assert_error(b"\x97.", ErrorKind::Unsupported, "passed beside it");
}
