//! What forged pickles may cost. Most of these would not end, or not in memory, if a rule were missing.

use super::super::opcode::Opcode;
use super::*;

#[test]
fn case_053_200_000_nested_lists_are_decoded_and_dropped() {
    for (open, close) in [(&b"]"[..], &b"a"[..]), (b"(", b"t"), (b"(", b"l"), (b"(", b"\x91"), (b"cm\nC\n", b"\x85R")] {
        let depth = 200_000;
        let pickle = [&open.repeat(depth)[..], b"N", &close.repeat(depth)[..]].concat();
        let pickle = match close {
            // The innermost list appends None, each other one the list above it.
            b"a" => [&open.repeat(depth)[..], &close.repeat(depth - 1)[..], b"."].concat(),
            _ => [&pickle[..], b"."].concat(),
        };
        let graph = decode_all(&pickle).unwrap();
        let mut id = graph.root();
        let mut levels = 0;
        while let Node::List(items) | Node::Tuple(items) | Node::FrozenSet(items) = match graph.node(id) {
            Node::Object(object) => graph.node(object.args),
            node => node,
        } {
            levels += 1;
            let Some(&first) = items.first() else { break };
            id = first;
        }
        assert_eq!(levels, depth);
        drop(graph);
    }
}

#[test]
fn case_054_billion_laughs_are_a_small_graph() {
    let mut pickle = Assembler::new().raw("](NNNNNNNNNNe").put(0);
    for level in 1..=30 {
        pickle = pickle.raw("](");
        for _ in 0..10 {
            pickle = pickle.get(level - 1);
        }
        pickle = pickle.raw("e").put(level);
    }
    let graph = decode_all(&pickle.stop()).unwrap();
    assert_eq!(graph.ids().count(), 31 + 4);
}

#[test]
fn case_055_memo_indices_are_free() {
    assert_eq!(shown(&Assembler::new().op(Opcode::EmptyList).put(u32::MAX).raw("0").get(u32::MAX).stop()), "[]");
    // Every index twice as far as the one before, and back.
    let mut pickle = Assembler::new().raw("(");
    for shift in 0..32 {
        pickle = pickle.int(shift).put(1 << shift);
    }
    for shift in (0..32).rev() {
        pickle = pickle.get(1 << shift);
    }
    let graph = decode_all(&pickle.raw("l").stop()).unwrap();
    let Node::List(items) = graph.node(graph.root()) else { panic!("no list") };
    let values: Vec<_> = items.iter().map(|&item| show(&graph, item).parse::<i32>().unwrap()).collect();
    assert_eq!(values, (0..32).chain((0..32).rev()).collect::<Vec<_>>());
}

#[test]
fn a_large_key_used_in_every_third_byte_is_read_once() {
    let long_text = "x".repeat(300_000);
    let keys = [
        Assembler::new().text(&long_text).0,
        Assembler::new().raw("(").repeat(Opcode::NewTrue, 300_000).raw("t").0,
        Assembler::new().counted(Opcode::BinString, 300_000, &long_text).0,
        Assembler::new().counted(Opcode::BinBytes, 300_000, &long_text).0,
        Assembler::new().counted(Opcode::Long4, 300_000, &long_text).0,
    ];
    for key in keys {
        // Two objects of the same value, in turn, so that identity alone does not help.
        let pickle = Assembler::new().raw(&key).raw("q\0").raw(&key).raw("q\x010").raw("}(");
        let graph = decode_all(&pickle.raw(b"h\0Nh\x01\x88".repeat(50_000)).raw("u").stop()).unwrap();
        let Node::Dict(entries) = graph.node(graph.root()) else { panic!("no dict") };
        assert!(matches!(entries, [(_, value)] if *value == NodeId::TRUE));
    }
}

#[test]
fn a_long_name_used_in_every_fifth_byte_is_read_once() {
    let name = "x".repeat(300_000);
    let pickle = Assembler::new().raw("(").text(&name).put(0).raw("m").0;
    let pickle =
        Assembler(pickle[..pickle.len() - 1].to_vec()).text("module").put(1).raw(b"h\x01h\0\x93".repeat(100_000));
    let graph = decode_all(&pickle.raw("t").stop()).unwrap();
    assert_eq!(graph.globals().len(), 1);
}

#[test]
fn half_a_million_equal_keys_are_one() {
    let graph = decode_all(&Assembler::new().raw("}(").raw(b"\x8c\x03keyN".repeat(500_000)).raw("u").stop()).unwrap();
    assert_eq!(show(&graph, graph.root()), "{\"key\": None}");
}

#[test]
fn containers_that_stay_empty_own_nothing() {
    let pickle = Assembler::new().raw("(").repeat(Opcode::EmptyList, 1000).repeat(Opcode::EmptyDict, 1000);
    let graph = decode_all(&pickle.repeat(Opcode::EmptySet, 1000).raw("t").stop()).unwrap();
    let Node::Tuple(items) = graph.node(graph.root()) else { panic!("no tuple") };
    assert_eq!(items.len(), 3000);
    assert!(items.windows(2).all(|pair| pair[0] != pair[1]), "each is an object of its own");
}

/// `OrderedDict(OrderedDict(…[[key, value], …]…))`: each layer would copy all entries.
#[test]
fn mappings_of_mappings_do_not_multiply() {
    let class = b"ccollections\nOrderedDict\n";
    let mut pairs = b"](".to_vec();
    for n in 0..200_u8 {
        pairs.extend([b"](K".as_slice(), &[n], b"K\x01e"].concat());
    }
    pairs.push(b'e');
    let layers = |count: usize| {
        let open = [class.as_slice(), b"q\x00"].concat();
        let mut pickle = open.repeat(count);
        pickle.extend(&pairs);
        pickle.extend(b"\x85R".repeat(count));
        pickle.push(b'.');
        pickle
    };
    assert!(decode(&layers(3), &Limits::default()).is_ok());
    let error = decode(&layers(3000), &Limits::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
    assert!(error.to_string().contains("outgrow"), "{error}");
}

#[test]
fn nodes_are_limited() {
    let limits = Limits { nodes: 10, ..Limits::default() };
    let lists = |n: usize| Assembler::new().repeat(Opcode::EmptyList, n).stop();
    assert!(decode(&lists(10), &limits).is_ok());
    let error = decode(&lists(11), &limits).unwrap_err();
    assert_eq!((error.kind(), error.offset(), error.opcode()), (ErrorKind::Limit, Some(10), Some("EMPTY_LIST")));
    assert!(error.message().starts_with("11 is more than the limit of 10 for `Limits::nodes`"), "{error}");
}

#[test]
fn bytes_are_limited_where_the_pickle_needs_them() {
    let limits = Limits { pickle_bytes: 4, ..Limits::default() };
    // What follows the pickle does not count.
    assert_eq!(decode(b"]Na.]Na.", &limits).unwrap().consumed, 4);
    for pickle in [&b"]Na2."[..], b"\x8c\x05abcde."] {
        let error = decode(pickle, &limits).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
        assert!(error.message().contains("is more than the limit of 4 for `Limits::pickle_bytes`"), "{error}");
    }
    assert_eq!(decode(b"]Na", &limits).unwrap_err().kind(), ErrorKind::Malformed);
}
